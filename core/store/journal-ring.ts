// The journal's segments as a ring: which are in use, which a checkpoint gave back, and how the ring grows.
// Growth happens in the background; a full disk only means that the ring stays as it is.

import { assert } from '../base/assert.ts';
import { toCoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Disk } from '../env/disk.ts';
import type { Events } from '../env/events.ts';
import { pageBytes } from './journal-format.ts';
import type { Recovery } from './journal-recovery.ts';
import { isFull, prewriteSegment, segmentName } from './journal-segment.ts';
import type { Segment, SuperblockFile } from './journal-segment.ts';
import { reserveOf } from './reserve.ts';

/** A place between groups, with the numbers that come next there. */
export interface JournalPosition {
  readonly number: number;
  readonly generation: number;
  readonly offset: number;
  readonly group: number;
}

export interface RingOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly segmentBytes: number;
  readonly segmentsMin: number;
  readonly segmentsMax: number;
  readonly events: Events;
}

export class SegmentRing {
  readonly superblock: SuperblockFile;
  private readonly options: RingOptions;
  private readonly segments: Segment[];
  private free: Segment[];
  private generation: number;
  private growing: Promise<void> | undefined;
  /** The disk had no space for another segment; not tried again before the next checkpoint. */
  private growthRefused = false;
  private closed = false;
  /** Bytes that a group and a record may have, so that two groups fit the smallest segment. */
  readonly groupBytesMax: number;
  readonly recordBytesMax: number;
  /** Segments became free or the ring grew (or could not). */
  onChange: () => void = () => undefined;
  onFailure: (error: unknown) => void = () => undefined;

  constructor(options: RingOptions, superblock: SuperblockFile, segments: Segment[]) {
    this.options = options;
    this.superblock = superblock;
    this.segments = segments;
    this.generation = Math.max(0, ...segments.map(({ header }) => header?.generation ?? 0));
    this.free = segments.filter(({ header }) => this.isFree(header?.generation));
    const smallest = Math.min(options.segmentBytes, ...segments.map(({ bytes }) => bytes));
    const half = Math.floor(smallest / pageBytes / 2) * pageBytes - pageBytes;
    this.groupBytesMax = Math.min(limits.journalGroupBytesMax, half);
    assert(this.groupBytesMax >= pageBytes, `segments of ${smallest} bytes are too small`);
    this.recordBytesMax = Math.min(limits.journalRecordBytesMax, this.groupBytesMax);
  }

  private isFree(generation: number | undefined): boolean {
    const start = this.superblock.current.generation;
    return generation === undefined || generation < start;
  }

  /** What recovery reads; before the first append. */
  recovery(): Recovery {
    const { current, path } = this.superblock;
    return { superblock: current, superblockPath: path, segments: this.segments };
  }

  get salt(): number {
    return this.superblock.current.salt;
  }

  get count(): number {
    return this.segments.length;
  }

  get bytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get freeBytes(): number {
    return this.free.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Kept for records that a checkpoint itself needs (rule 8). */
  get reserveBytes(): number {
    return this.bytes / 8;
  }

  get hasFree(): boolean {
    return this.free.length > 0;
  }

  /** Segments that a checkpoint at `generation` would give back. */
  reclaimable(generation: number): number {
    const used = this.segments.filter((segment) => !this.free.includes(segment));
    return used.filter(({ header }) => (header?.generation ?? 0) < generation).length;
  }

  /** Takes a free segment into use after `previous`; its header must be written before or with its first group. */
  begin(previous: number, first: number, firstGroup: number): Segment | undefined {
    const segment = this.free.shift();
    if (segment === undefined) return undefined;
    segment.header = {
      salt: this.salt,
      generation: ++this.generation,
      previous,
      first,
      firstGroup,
      sequence: this.superblock.current.sequence,
      bytes: segment.bytes,
    };
    return segment;
  }

  /** The first group of a segment is durable: notes it, so that a segment file that is lost or replaced by an
   *  older one is noticed. Nobody waits for it. */
  noteBegun(generation: number): void {
    this.superblock
      .update(({ newest }) => ({ newest: Math.max(newest, generation) }))
      .catch((error: unknown) => this.onFailure(error));
  }

  /** Durable note that replay starts at `start`; the segments before it are free from then on (rule 5). */
  async restartAt(start: JournalPosition): Promise<void> {
    const { number, generation, offset, group } = start;
    await this.superblock.update(({ newest }) => ({
      number,
      generation,
      offset,
      group,
      newest: Math.max(newest, generation),
    }));
    const freed = this.segments.filter(
      (segment) => !this.free.includes(segment) && this.isFree(segment.header?.generation),
    );
    this.free.push(...freed);
    this.growthRefused = false;
    this.onChange();
  }

  /** Adds segments in the background: up to the minimum, or one more when `demand` says that the ring is full. */
  grow(demand = false): void {
    const target = demand
      ? Math.min(this.count + 1, this.options.segmentsMax)
      : this.options.segmentsMin;
    const possible = !this.closed && !this.growthRefused && this.count < target;
    if (!possible || this.growing !== undefined) return;
    this.growing = this.growTo(target).finally(() => {
      this.growing = undefined;
      this.onChange();
    });
  }

  private async growTo(target: number): Promise<void> {
    const { disk, directory, segmentBytes } = this.options;
    try {
      while (this.count < target && !this.closed) {
        const path = `${directory}/${segmentName(this.count)}`;
        // oxlint-disable no-await-in-loop -- one file after another
        if (!(await this.leavesReserve())) {
          this.refuseGrowth('no more than the reserve is free on the disk');
          return;
        }
        const segment = await prewriteSegment(disk, path, segmentBytes);
        // Known to the superblock before its first use: a used segment that is missing is then noticed.
        await this.superblock.update(() => ({ segments: this.count + 1 }));
        // oxlint-enable no-await-in-loop
        mark('journal.grow');
        this.segments.push(segment);
        this.free.push(segment);
        this.onChange();
      }
    } catch (error) {
      if (!isFull(error)) {
        this.onFailure(error);
        return;
      }
      this.refuseGrowth(toCoreError(error).message);
    }
  }

  /** The ring gets by with few segments; the rows behind it do not get by without room on the disk. */
  private async leavesReserve(): Promise<boolean> {
    const { freeBytes, totalBytes } = await this.options.disk.space();
    return freeBytes - this.options.segmentBytes >= reserveOf(totalBytes);
  }

  private refuseGrowth(reason: string): void {
    mark('journal.growthRefused');
    this.growthRefused = true;
    this.options.events.emit('warn', 'journal-growth-refused', { segments: this.count, reason });
  }

  /** Waits for a growth in progress and closes the files. */
  async close(): Promise<void> {
    this.closed = true;
    await this.growing;
    await Promise.all(this.segments.map(({ file }) => file.close()));
    await this.superblock.close();
  }
}
