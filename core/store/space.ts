// Room for new data: hands out blocks, makes slabs when a class has none left, removes emptied ones, and
// refuses before the disk is full. Slabs exist for the index from their journal record on; a file without
// a record is a leftover of a crash and is removed on open.
//
// Watermarks: a slab is made only if the file system keeps the reserve free; all new data, rows without a block
// included, is refused when less than half of the reserve will be free once the rows that wait behind the
// journal are written. Removing needs no block, and the journal is prewritten.

import { CoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Disk, DiskSpace } from '../env/disk.ts';
import type { Events } from '../env/events.ts';
import type { Allocator } from './allocator.ts';
import { type SpaceChange, type SpaceRecord, encodeSpaceRecord } from './chunk-record.ts';
import {
  type Position,
  blockLog2Max,
  blockLog2Min,
  classDirectory,
  nextSlabBytes,
  slabOfName,
  slabPath,
} from './position.ts';
import { reserveOf } from './reserve.ts';
import { Slab } from './slab.ts';
import type { SlabFiles } from './slab-files.ts';
import { type Journal, type StoreSpace, recordKind } from './types.ts';

/** A spare slab is made when fewer blocks of the class than this share are free. */
const spareShare = 1 / 8;

export interface SpaceParts {
  readonly disk: Disk;
  readonly files: SlabFiles;
  readonly allocator: Allocator;
  readonly journal: () => Journal;
  readonly events: Events;
  readonly slabBytesMin: number;
  readonly slabBytesMax: number;
  readonly reserveBytes: number | undefined;
  /** Of rows that are durable in the journal and will be written to the disk's databases. */
  readonly pendingBytes: () => number;
}

export class SpaceManager {
  private readonly parts: SpaceParts;
  /** Numbers from here on were never in a durable record. */
  private nextNumber = 1;
  /** Slabs after the newest record that was submitted, and after the newest durable one. */
  private submittedSlabs = 0;
  private durableSlabs = 0;
  private readonly making = new Map<number, Promise<void>>();
  /** Slab files at the time of opening, by number: replay writes only into files that are there. */
  private readonly files = new Map<number, number>();
  private cached: DiskSpace = { totalBytes: 0, freeBytes: 0 };

  constructor(parts: SpaceParts) {
    this.parts = parts;
  }

  get nextSlab(): number {
    return this.nextNumber;
  }

  /** Slabs that durable records state. */
  get slabs(): number {
    return this.durableSlabs;
  }

  /** The state of the index at the checkpoint. */
  load(
    slabs: readonly Slab[],
    counts: { readonly nextSlab: number; readonly slabs: number },
  ): void {
    const { allocator, files } = this.parts;
    for (const slab of slabs) {
      allocator.addSlab(slab, true);
      files.add(slab.number, slabPath(slab.blockLog2, slab.number));
    }
    this.nextNumber = counts.nextSlab;
    this.submittedSlabs = counts.slabs;
    this.durableSlabs = counts.slabs;
  }

  // --- blocks ------------------------------------------------------------------------------------

  /** A reserved block, if the class has one. */
  reserve(blockLog2: number, mayBeWarm: boolean): Position | undefined {
    const position = this.parts.allocator.reserve(blockLog2, mayBeWarm);
    if (position !== undefined) this.keepSpare(blockLog2);
    return position;
  }

  /** A reserved block; makes a slab when the class has none. @throws CoreError DISK_FULL, DISK_OFFLINE */
  async allocate(blockLog2: number, mayBeWarm: boolean): Promise<Position> {
    for (;;) {
      const position = this.reserve(blockLog2, mayBeWarm);
      if (position !== undefined) return position;
      // oxlint-disable-next-line no-await-in-loop -- others may take what was made
      await this.make(blockLog2);
    }
  }

  private keepSpare(blockLog2: number): void {
    if (2 ** blockLog2 > limits.spareBlockBytesMax || this.making.has(blockLog2)) return;
    const { allocator } = this.parts;
    const free = allocator.freeBlocks(blockLog2) * 2 ** blockLog2;
    if (free >= allocator.classBytes(blockLog2) * spareShare) return;
    mark('space.spare');
    // Whoever needs the slab and does not get it sees the error again.
    this.make(blockLog2).catch(() => undefined);
  }

  private make(blockLog2: number): Promise<void> {
    let making = this.making.get(blockLog2);
    if (making === undefined) {
      making = this.makeSlab(blockLog2).finally(() => this.making.delete(blockLog2));
      this.making.set(blockLog2, making);
    }
    return making;
  }

  private async makeSlab(blockLog2: number): Promise<void> {
    const { allocator, files } = this.parts;
    await this.refresh();
    const wanted = nextSlabBytes(blockLog2, allocator.classBytes(blockLog2), this.parts);
    const smallest = nextSlabBytes(blockLog2, 0, this.parts);
    const room = this.cached.freeBytes - this.kept();
    const bytes = wanted <= room ? wanted : smallest;
    if (bytes < wanted) mark('space.smaller');
    if (bytes > room) {
      mark('space.full');
      throw new CoreError('DISK_FULL', this.fullReason());
    }
    const slab = this.nextNumber++;
    await files.create(slab, slabPath(blockLog2, slab), bytes);
    await this.record({ kind: 'made', slab, blockLog2, blocks: bytes / 2 ** blockLog2 });
    mark('space.made');
  }

  /** Removes a frozen slab that nothing refers to. */
  async removeSlab(slab: Slab): Promise<void> {
    await this.record({ kind: 'removed', slab: slab.number });
    // Not synced: a name that comes back after a crash is a leftover, and its number is never used again.
    await this.parts.disk.remove(slabPath(slab.blockLog2, slab.number));
    mark('space.removed');
    await this.refresh();
  }

  private async record(change: SpaceChange): Promise<void> {
    const journal = this.parts.journal();
    const slabs = this.submittedSlabs + (change.kind === 'made' ? 1 : -1);
    const record = { ...change, slabs };
    const ticket = journal.append(recordKind.space, [encodeSpaceRecord(record)], () =>
      this.apply(record),
    );
    this.submittedSlabs = slabs;
    await ticket.durable;
  }

  replay(record: SpaceRecord): void {
    this.submittedSlabs = record.slabs;
    this.apply(record);
  }

  private apply(record: SpaceRecord): void {
    const { allocator, files } = this.parts;
    this.durableSlabs = record.slabs;
    if (record.kind === 'removed') {
      allocator.removeSlab(record.slab);
      files.forget(record.slab);
      return;
    }
    const { slab, blockLog2, blocks } = record;
    if (blockLog2 < blockLog2Min || blockLog2 > blockLog2Max)
      throw new CoreError('CORRUPT', `slab ${slab} with blocks of 2^${blockLog2} bytes`);
    allocator.addSlab(new Slab(slab, blockLog2, blocks));
    files.add(slab, slabPath(blockLog2, slab));
    this.nextNumber = Math.max(this.nextNumber, slab + 1);
  }

  // --- files after a crash -----------------------------------------------------------------------

  /** Notes which slab files exist. Call before replay. */
  async listFiles(): Promise<void> {
    for (let log2 = blockLog2Min; log2 <= blockLog2Max; log2++) {
      // oxlint-disable-next-line no-await-in-loop -- few directories
      for (const name of await this.parts.disk.list(classDirectory(log2))) {
        const slab = slabOfName(name);
        if (slab !== undefined) this.files.set(slab, log2);
      }
    }
  }

  hasFile(slab: number): boolean {
    return this.files.has(slab);
  }

  /** After replay: every slab has its row and its file, and no file is without a slab.
   *  @throws CoreError DISK_REFUSED */
  async reconcile(): Promise<void> {
    const { disk, allocator, events } = this.parts;
    const known = [...allocator.slabs()];
    if (known.length !== this.durableSlabs)
      throw new CoreError(
        'DISK_REFUSED',
        `the index has ${known.length} slab rows of ${this.durableSlabs}: rows were lost; ` +
          'restore the index from a backup or rebuild this disk from replicas',
      );
    for (const { number, blockLog2, usedCount } of known)
      if (this.files.get(number) !== blockLog2)
        throw new CoreError(
          'DISK_REFUSED',
          `${slabPath(blockLog2, number)}: the file is missing and ${usedCount} of its blocks ` +
            'hold data; restore it or rebuild this disk from replicas',
        );
    for (const [slab, log2] of this.files) {
      if (allocator.slab(slab) !== undefined) continue;
      // Made without a record, or removed by one: no row ever refers to it.
      mark('space.leftover');
      events.emit('info', 'slab-leftover-removed', { file: slabPath(log2, slab) });
      // oxlint-disable no-await-in-loop -- few leftovers
      await disk.remove(slabPath(log2, slab));
      await disk.syncDir(classDirectory(log2));
      // oxlint-enable no-await-in-loop
    }
    this.files.clear();
  }

  // --- figures -----------------------------------------------------------------------------------

  async refresh(): Promise<void> {
    this.cached = await this.parts.disk.space();
  }

  private kept(): number {
    const { reserveBytes } = this.parts;
    return reserveBytes ?? reserveOf(this.cached.totalBytes);
  }

  get full(): boolean {
    return this.cached.freeBytes - this.parts.pendingBytes() < this.kept() / 2;
  }

  /** @throws CoreError DISK_FULL when new data is refused whatever its size */
  admit(): void {
    if (!this.full) return;
    mark('space.refused');
    throw new CoreError('DISK_FULL', this.fullReason());
  }

  private fullReason(): string {
    return (
      `${this.cached.freeBytes} bytes are free on the disk and ${Math.ceil(this.kept())} are kept ` +
      'in reserve; remove data or add space'
    );
  }

  space(): StoreSpace {
    const { allocator } = this.parts;
    const left = Math.max(0, this.cached.freeBytes - this.kept());
    return {
      totalBytes: this.cached.totalBytes,
      freeBytes: left + allocator.freeBytes(),
      usedBytes: allocator.usedBytes(),
      full: this.full,
    };
  }
}
