// Superblocks of a disk and of its targets: who they are, and whether this build may touch them. One file
// each with two slots written in turns, so that a torn write leaves the other one. Layout in
// docs/internals/disk-format.md, "Superblocks". Every refusal names the file, the reason and what to do.

import { Buffer } from 'node:buffer';
import { equalBytes } from '../base/bytes.ts';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { CoreError, isCoreError } from '../base/errors.ts';
import { type ChainVer, type TargetId, id } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Disk, DiskFile } from '../env/disk.ts';
import { parentOf } from './journal-segment.ts';

export const identityBytes = 16;

export interface DiskSuperblock {
  readonly diskIdentity: Uint8Array;
  readonly clusterId: Uint8Array;
  /** For people. */
  readonly createdMs: number;
}

export interface TargetSuperblock {
  readonly target: TargetId;
  /** Random, made with the target: a wiped disk comes back as another one (design 4.1). */
  readonly identity: Uint8Array;
  readonly diskIdentity: Uint8Array;
  readonly clusterId: Uint8Array;
  /** The last chain version that the target served under; noted before it serves in it. */
  readonly servedVersion: ChainVer;
}

export const diskSuperblockPath = 'disk.superblock';
export const targetsDirectory = 'targets';

export function targetPath(target: TargetId): string {
  return `${targetsDirectory}/${target}.superblock`;
}

const formatVersion = 1;
/** Features that this build knows. A store with an unknown incompatible feature is refused; unknown
 *  compatible ones are kept and ignored. */
const incompatibleKnown = 0;
const slotBytes = 4 * 1024;
const magicBytes = 8;

interface Slot<T> {
  readonly sequence: number;
  readonly compatible: number;
  readonly value: T;
}

interface SuperblockKind<T> {
  readonly magic: string;
  readonly what: string;
  encode(writer: ByteWriter, value: T): void;
  decode(reader: ByteReader): T;
}

const diskKind: SuperblockKind<DiskSuperblock> = {
  magic: 'LMPRDISK',
  what: 'disk superblock',
  encode: (writer, value) =>
    void writer.raw(value.diskIdentity).raw(value.clusterId).u64(value.createdMs),
  decode: (reader) => ({
    diskIdentity: copied(reader.raw(identityBytes)),
    clusterId: copied(reader.raw(identityBytes)),
    createdMs: reader.u64(),
  }),
};

const targetKind: SuperblockKind<TargetSuperblock> = {
  magic: 'LMPRTRGT',
  what: 'target superblock',
  encode: (writer, value) =>
    void writer
      .u64(value.target)
      .raw(value.identity)
      .raw(value.diskIdentity)
      .raw(value.clusterId)
      .u64(value.servedVersion),
  decode: (reader) => ({
    target: id<TargetId>(reader.u64()),
    identity: copied(reader.raw(identityBytes)),
    diskIdentity: copied(reader.raw(identityBytes)),
    clusterId: copied(reader.raw(identityBytes)),
    servedVersion: id<ChainVer>(reader.u64()),
  }),
};

/** An open superblock: its newest valid slot, and where the next write goes. */
export class Superblock<T> {
  private readonly disk: Disk;
  private readonly path: string;
  private readonly kind: SuperblockKind<T>;
  private slot: Slot<T>;

  constructor(disk: Disk, path: string, kind: SuperblockKind<T>, slot: Slot<T>) {
    this.disk = disk;
    this.path = path;
    this.kind = kind;
    this.slot = slot;
  }

  get value(): T {
    return this.slot.value;
  }

  /** Writes the older slot and syncs; the newest one stays valid until then. */
  async update(value: T): Promise<void> {
    const slot = { ...this.slot, sequence: this.slot.sequence + 1, value };
    await withFile(this.disk, this.path, 'write', async (file) => {
      await file.write([encodeSlot(this.kind, slot)], (slot.sequence % 2) * slotBytes);
      await file.sync();
    });
    this.slot = slot;
  }
}

export function openDiskSuperblock(disk: Disk): Promise<Superblock<DiskSuperblock>> {
  return open(disk, diskSuperblockPath, diskKind);
}

export async function openTargetSuperblock(
  disk: Disk,
  target: TargetId,
  owner: DiskSuperblock,
): Promise<Superblock<TargetSuperblock>> {
  const path = targetPath(target);
  const opened = await open(disk, path, targetKind);
  const { value } = opened;
  if (value.target !== target)
    throw refused(path, `it belongs to target ${value.target}`, 'give the file its own name back');
  if (
    !equalBytes(value.diskIdentity, owner.diskIdentity) ||
    !equalBytes(value.clusterId, owner.clusterId)
  )
    throw refused(path, 'it belongs to another disk or cluster', 'put the right file back');
  return opened;
}

export function createDiskSuperblock(disk: Disk, value: DiskSuperblock): Promise<void> {
  return create(disk, diskSuperblockPath, diskKind, value);
}

export function createTargetSuperblock(disk: Disk, value: TargetSuperblock): Promise<void> {
  return create(disk, targetPath(value.target), targetKind, value);
}

export function refused(path: string, reason: string, advice: string): CoreError {
  return new CoreError('DISK_REFUSED', `${path}: ${reason}; ${advice}`);
}

// --- files ---------------------------------------------------------------------------------------

/** Both slots, under a name that no reader opens; the rename makes it exist whole or not at all. */
async function create<T>(
  disk: Disk,
  path: string,
  kind: SuperblockKind<T>,
  value: T,
): Promise<void> {
  const temporary = `${path}.new`;
  await disk.remove(temporary).catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
  });
  await withFile(disk, temporary, 'create', async (file) => {
    const slots = [2, 1].map((sequence) => encodeSlot(kind, { sequence, compatible: 0, value }));
    await file.write(slots, 0);
    await file.sync();
  });
  await disk.rename(temporary, path);
  await disk.syncDir(parentOf(path));
}

async function open<T>(disk: Disk, path: string, kind: SuperblockKind<T>): Promise<Superblock<T>> {
  const bytes = Buffer.alloc(2 * slotBytes);
  const read = await withFile(disk, path, 'write', async (file) => {
    // Rule 6: whoever wrote it may have died before its own syncs, of the bytes and of the name.
    await file.sync();
    await disk.syncDir(parentOf(path));
    return file.read(bytes, 0);
  }).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT')
      throw refused(path, `there is no ${kind.what}`, 'restore it, or create a store elsewhere');
    throw error;
  });
  const slots = [bytes.subarray(0, slotBytes), bytes.subarray(slotBytes)];
  const valid: Slot<T>[] = [];
  const reasons: string[] = [];
  for (const slot of slots) {
    const decoded = decodeSlot(kind, path, slot);
    if (typeof decoded === 'string') reasons.push(decoded);
    else valid.push(decoded);
  }
  const newest = valid.toSorted((a, b) => b.sequence - a.sequence)[0];
  if (newest === undefined) {
    const short = read < bytes.length ? `; it has ${read} of ${bytes.length} bytes` : '';
    throw refused(path, `${reasons.join(' and ')}${short}`, 'restore it from a backup');
  }
  return new Superblock(disk, path, kind, newest);
}

async function withFile<T>(
  disk: Disk,
  path: string,
  mode: 'read' | 'write' | 'create',
  action: (file: DiskFile) => Promise<T>,
): Promise<T> {
  const file = await disk.open(path, mode);
  try {
    return await action(file);
  } finally {
    await file.close();
  }
}

// --- slots ---------------------------------------------------------------------------------------

/** magic 8, format 4, incompatible 4, compatible 4, sequence 8, block(value), zeros, CRC32C of all before. */
function encodeSlot<T>(kind: SuperblockKind<T>, slot: Slot<T>): Buffer {
  const value = new ByteWriter();
  kind.encode(value, slot.value);
  const writer = new ByteWriter(slotBytes)
    .raw(Buffer.from(kind.magic, 'latin1'))
    .u32(formatVersion)
    .u32(incompatibleKnown)
    .u32(slot.compatible)
    .u64(slot.sequence)
    .block(value.finish());
  writer.raw(Buffer.alloc(slotBytes - 4 - writer.bytesWritten));
  return writer.u32(crc32c(writer.finish())).finish();
}

/** The slot, or why it cannot be used. @throws CoreError VERSION_UNSUPPORTED for a valid slot of a newer build */
function decodeSlot<T>(kind: SuperblockKind<T>, path: string, bytes: Buffer): Slot<T> | string {
  const sound = crc32c(bytes.subarray(0, slotBytes - 4)) === bytes.readUInt32BE(slotBytes - 4);
  if (bytes.toString('latin1', 0, magicBytes) !== kind.magic)
    return sound || bytes.some((byte) => byte !== 0) ? `not a ${kind.what}` : 'empty slot';
  if (!sound) return 'slot that does not match its checksum';
  const reader = new ByteReader(bytes.subarray(magicBytes));
  const format = reader.u32();
  const incompatible = reader.u32();
  if (format > formatVersion || (incompatible & ~incompatibleKnown) !== 0)
    throw new CoreError(
      'VERSION_UNSUPPORTED',
      `${path}: it was written by a newer build (format ${format}, features ${incompatible}); start that build`,
    );
  try {
    const compatible = reader.u32();
    const sequence = reader.u64();
    return { sequence, compatible, value: kind.decode(new ByteReader(reader.block(slotBytes))) };
  } catch (error) {
    if (isCoreError(error, 'PROTOCOL')) return error.message;
    throw error;
  }
}

function copied(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

/** How many targets a disk may carry: their rows share one summary row of the index. */
export const targetsMax = Math.floor(limits.chunkRowBytesMax / 64);
