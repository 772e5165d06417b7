// Files of the journal: prewritten segments and the superblock. A segment is written with zeros once, so
// that a group's fdatasync changes no metadata, and is used again after a checkpoint under a new generation.

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { CoreError } from '../base/errors.ts';
import { MiB } from '../base/limits.ts';
import type { Disk, DiskFile } from '../env/disk.ts';
import { pageBytes, sectorBytes } from './journal-format.ts';
import { decodeSegmentHeader, decodeSuperblock, encodeSuperblock } from './journal-format.ts';
import type { Sector, SegmentHeader, Superblock } from './journal-format.ts';

export const superblockName = 'superblock';
/** Two groups of a page, and as many pages again: what `SegmentRing` can use. */
const segmentPagesMin = 4;
/** Zeros are written in steps, so that prewriting does not hold the disk from groups for long. */
const prewriteStepBytes = 4 * MiB;

export function segmentName(slot: number): string {
  return `segment-${String(slot).padStart(3, '0')}`;
}

/** Slot of a segment file's name; undefined for other names. */
export function segmentSlot(name: string): number | undefined {
  const match = /^segment-(\d{3})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export interface Segment {
  readonly path: string;
  readonly file: DiskFile;
  readonly bytes: number;
  /** Of the present use; undefined before the first. */
  header: SegmentHeader | undefined;
}

export function isMissing(error: unknown): boolean {
  return (error as { code?: string }).code === 'ENOENT';
}

export function isFull(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Makes the file, durable with its name. A leftover of an interrupted attempt is replaced. */
export async function prewriteSegment(disk: Disk, path: string, bytes: number): Promise<Segment> {
  assert(bytes % pageBytes === 0, 'a segment is whole pages');
  await disk.remove(path).catch(ignoreMissing);
  const file = await disk.open(path, 'create');
  try {
    const zeros = Buffer.alloc(Math.min(bytes, prewriteStepBytes));
    for (let at = 0; at < bytes; at += zeros.length) {
      // oxlint-disable no-await-in-loop -- one step after another, each synced
      await file.write([zeros.subarray(0, Math.min(zeros.length, bytes - at))], at);
      await file.sync();
      // oxlint-enable no-await-in-loop
    }
    await disk.syncDir(parentOf(path));
  } catch (error) {
    await file.close();
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
  return { path, file, bytes, header: undefined };
}

/** A segment holds its header and two groups; a file that was cut does not pass for a smaller one.
 *  @throws CoreError DISK_REFUSED */
export function checkLength({ path, bytes }: Segment): void {
  if (bytes % pageBytes !== 0 || bytes < segmentPagesMin * pageBytes)
    throw damaged(path, bytes, `the file has only ${bytes} bytes`);
}

export async function openSegment(disk: Disk, path: string): Promise<Segment> {
  const file = await disk.open(path, 'write');
  const bytes = await file.size();
  const header = decodeSegmentHeader(await readSector(file, 0));
  if (header.state === 'damaged') {
    await file.close();
    throw damaged(path, 0, 'the segment header does not match its checksum');
  }
  if (header.state === 'newer') {
    await file.close();
    throw newer(path, header);
  }
  if (header.state === 'empty') return { path, file, bytes, header: undefined };
  if (header.value.bytes !== bytes) {
    await file.close();
    throw damaged(path, bytes, `the file has ${bytes} bytes and should have ${header.value.bytes}`);
  }
  return { path, file, bytes, header: header.value };
}

async function readSector(file: DiskFile, at: number): Promise<Buffer> {
  const sector = Buffer.alloc(sectorBytes);
  await file.read(sector, at);
  return sector;
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** The superblock file: two slots on pages of their own, written in turns. */
export class SuperblockFile {
  readonly path: string;
  private readonly file: DiskFile;
  private value: Superblock;
  /** Writers go one after another: growth and checkpoints both write it. */
  private turn: Promise<void> = Promise.resolve();

  private constructor(path: string, file: DiskFile, value: Superblock) {
    this.path = path;
    this.file = file;
    this.value = value;
  }

  static async create(disk: Disk, path: string, value: Superblock): Promise<SuperblockFile> {
    await disk.remove(path).catch(ignoreMissing);
    const file = await disk.open(path, 'create');
    const pages = Buffer.alloc(2 * pageBytes);
    encodeSuperblock(value).copy(pages, slotAt(value.sequence));
    await file.write([pages], 0);
    await file.sync();
    await disk.syncDir(parentOf(path));
    return new SuperblockFile(path, file, value);
  }

  /** Undefined when the file is missing or was never completed: both slots empty. */
  static async open(disk: Disk, path: string): Promise<SuperblockFile | undefined> {
    const file = await disk.open(path, 'write').catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    // Rule 6: what survived only in the page cache must not be shown and then lost.
    await file.sync();
    const slots = [
      decodeSuperblock(await readSector(file, 0)),
      decodeSuperblock(await readSector(file, pageBytes)),
    ];
    const value = newest(path, slots);
    if (value === undefined) {
      await file.close();
      return undefined;
    }
    return new SuperblockFile(path, file, value);
  }

  get current(): Superblock {
    return this.value;
  }

  /** Writes the other slot and syncs. The change is computed when its turn comes. */
  update(change: (current: Superblock) => Partial<Superblock>): Promise<void> {
    const next = this.turn.then(() => this.write(change));
    this.turn = next.catch(() => undefined);
    return next;
  }

  private async write(change: (current: Superblock) => Partial<Superblock>): Promise<void> {
    const value = { ...this.value, ...change(this.value), sequence: this.value.sequence + 1 };
    const page = Buffer.alloc(pageBytes);
    encodeSuperblock(value).copy(page);
    await this.file.write([page], slotAt(value.sequence));
    await this.file.sync();
    this.value = value;
  }

  /** Waits for the updates that were asked for. */
  async close(): Promise<void> {
    await this.turn;
    await this.file.close();
  }
}

function slotAt(sequence: number): number {
  return (sequence % 2) * pageBytes;
}

/** One damaged slot beside a valid one is what a torn write leaves; marks and segment headers tell when
 *  the damaged one had already been relied upon. */
function newest(path: string, slots: readonly Sector<Superblock>[]): Superblock | undefined {
  for (const slot of slots) if (slot.state === 'newer') throw newer(path, slot);
  const valid = slots.flatMap((slot) => (slot.state === 'valid' ? [slot.value] : []));
  if (valid.length > 0)
    return valid.reduce((best, each) => (each.sequence > best.sequence ? each : best));
  if (slots.every((slot) => slot.state === 'empty')) return undefined;
  throw damaged(path, 0, 'neither superblock slot matches its checksum');
}

const whatToDo =
  'acknowledged writes would be missing, so this data directory is not used; restore it from a copy, or move it away to start empty';

export function damaged(path: string, offset: number, what: string): CoreError {
  return new CoreError(
    'DISK_REFUSED',
    `${path} is damaged at offset ${offset}: ${what}; ${whatToDo}`,
  );
}

export function missing(path: string): CoreError {
  return new CoreError('DISK_REFUSED', `${path} is missing; ${whatToDo}`);
}

export function newer(path: string, found: { version: number; flags: number }): CoreError {
  return new CoreError(
    'VERSION_UNSUPPORTED',
    `${path} has the newer format ${found.version} (flags ${found.flags}); use the newer Lampyr that wrote it`,
  );
}
