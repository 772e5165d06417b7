// Which blocks are free, reserved, referenced or waiting: the allocator of one disk. Pure and synchronous;
// slab files are core/store/slab-files.ts. Design 4.6 rule 4: a freed block is reusable when
//   - the record that freed it is durable: `apply` is called then, not before;
//   - its last reader is gone: it passes through `epochs`;
//   - no record after the checkpoint carries bytes for it. Replay writes the bytes of records in order, so a
//     block with journaled bytes ("warm") may serve again if all its later bytes travel in the journal too:
//     replay writes them after the old ones. Bytes that go straight to the slab would be overwritten by
//     replay; blocks that may get such bytes are taken cold.

import { assert } from '../base/assert.ts';
import { mark } from '../base/mark.ts';
import { Epochs } from './epochs.ts';
import { Queue } from './queue.ts';
import { type Position, blockOf, positionOf, slabOf } from './position.ts';
import { Slab } from './slab.ts';

/** Journaled bytes of a block: the newest record that carries some, and the end of the farthest. */
interface Warm {
  record: number;
  end: number;
  /** Free but for its warmth: on the stack of its class. */
  idle: boolean;
}

interface BlockClass {
  readonly slabs: Map<number, Slab>;
  /** Slabs with free blocks that are not frozen, in order of number or of becoming free. */
  readonly open: Set<Slab>;
  readonly warm: Position[];
  /** Sums over the slabs, kept by whatever changes one of them. */
  bytes: number;
  usedBlocks: number;
  freeBlocks: number;
}

/** How many expired entries one allocation cleans up: more than one allocation can add. */
const sweepPerReserve = 4;
/** … and how many when a class has no free block: about a millisecond. */
const sweepPerShortage = 4096;

export class Allocator {
  readonly epochs = new Epochs<Position>();
  /** Nobody can read the block's last content any more: bytes that wait for their place need none. */
  onForgotten: (position: Position) => void = () => undefined;
  private readonly classes = new Map<number, BlockClass>();
  private readonly bySlab = new Map<number, Slab>();
  /** Numbers of slabs whose rows changed since the last checkpoint took them. */
  private readonly dirty = new Set<number>();
  private freed = 0;
  private readonly warmth = new Map<Position, Warm>();
  /** Position and record of everything that became warm, in order of record. */
  private readonly cooling = new Queue<readonly [position: Position, record: number]>();
  private checkpointed = 0;
  /** Without references, waiting for the readers of their last content. */
  private readonly leaving = new Set<Position>();
  /** Counts of blocks whose records are submitted and not durable yet. */
  private readonly submitted = new Map<Position, { refs: number; records: number }>();
  /** Collects every block that changes while a check compares the allocator with the index. */
  private watched: Set<Position> | undefined;

  /** `loaded`: the index has the slab's row as it is. */
  addSlab(slab: Slab, loaded = false): void {
    const blockClass = this.classOf(slab.blockLog2);
    this.forget(slab.number);
    blockClass.slabs.set(slab.number, slab);
    this.bySlab.set(slab.number, slab);
    if (!loaded) this.dirty.add(slab.number);
    blockClass.bytes += slab.bytes;
    blockClass.usedBlocks += slab.usedCount;
    blockClass.freeBlocks += slab.freeCount;
    this.reopen(slab);
  }

  /** A durable record removed the slab. */
  removeSlab(number: number): void {
    this.forget(number);
    this.dirty.add(number);
  }

  /** Slabs that changed, were made or were removed since the last call. */
  takeDirty(): number[] {
    const dirty = [...this.dirty];
    this.dirty.clear();
    return dirty;
  }

  private forget(number: number): void {
    const slab = this.bySlab.get(number);
    if (slab === undefined) return;
    const blockClass = this.classOf(slab.blockLog2);
    blockClass.slabs.delete(number);
    blockClass.open.delete(slab);
    this.bySlab.delete(number);
    blockClass.bytes -= slab.bytes;
    blockClass.usedBlocks -= slab.usedCount;
    blockClass.freeBlocks -= slab.freeCount;
  }

  slab(number: number): Slab | undefined {
    return this.bySlab.get(number);
  }

  slabs(): IterableIterator<Slab> {
    return this.bySlab.values();
  }

  slabsOf(blockLog2: number): IterableIterator<Slab> {
    return this.classOf(blockLog2).slabs.values();
  }

  classBytes(blockLog2: number): number {
    return this.classOf(blockLog2).bytes;
  }

  /** Blocks of the class that nobody holds. */
  freeBlocks(blockLog2: number): number {
    return this.classOf(blockLog2).freeBlocks;
  }

  // --- reservations ------------------------------------------------------------------------------

  /** A block for one update; undefined when the class has none. `mayBeWarm`: all bytes that it will ever
   *  get travel in the journal. The caller submits a record that refers to it or calls `abort`. */
  reserve(blockLog2: number, mayBeWarm: boolean): Position | undefined {
    this.sweep(sweepPerReserve);
    const blockClass = this.classOf(blockLog2);
    if (mayBeWarm) {
      const warm = this.takeWarm(blockClass);
      if (warm !== undefined) return warm;
    }
    // Blocks that cooled down at the last checkpoint come before a new slab.
    if (blockClass.open.size === 0) {
      mark('allocator.shortage');
      this.sweep(sweepPerShortage);
    }
    for (const slab of blockClass.open) {
      const block = slab.take();
      if (block !== undefined) blockClass.freeBlocks--;
      if (slab.freeCount === 0) blockClass.open.delete(slab);
      if (block !== undefined) return positionOf(slab.number, block);
    }
    return undefined;
  }

  private takeWarm(blockClass: BlockClass): Position | undefined {
    for (;;) {
      const position = blockClass.warm.pop();
      if (position === undefined) return undefined;
      const entry = this.warmth.get(position);
      // Entries whose record a checkpoint passed were released by `sweep` and may be stale here.
      if (entry === undefined || !entry.idle) continue;
      if (this.bySlab.get(slabOf(position))?.frozen !== false) {
        mark('allocator.warmFrozen');
        continue;
      }
      entry.idle = false;
      mark('allocator.warmReuse');
      return position;
    }
  }

  /** Gives back a reserved block that no record ever named. */
  abort(position: Position): void {
    mark('allocator.abort');
    this.reclaim(position);
  }

  // --- records -----------------------------------------------------------------------------------

  /** The count after a record that is being submitted adds `delta` references. */
  submit(position: Position, delta: 1 | -1): number {
    const pending = this.submitted.get(position);
    const refs = (pending?.refs ?? this.refs(position)) + delta;
    assert(refs >= 0, `block ${position} freed more often than referenced`);
    if (pending === undefined) this.submitted.set(position, { refs, records: 1 });
    else {
      pending.refs = refs;
      pending.records++;
    }
    return refs;
  }

  /** Takes `submit` back: the journal did not take the record. */
  unsubmit(position: Position, delta: 1 | -1): void {
    const pending = this.submitted.get(position);
    assert(pending !== undefined, 'what was submitted');
    pending.refs -= delta;
    this.settle(position);
  }

  /** A record with bytes for [.., end) of the block was submitted or replayed. */
  journaled(position: Position, record: number, end: number): void {
    const before = this.warmth.get(position);
    this.cooling.push([position, record]);
    if (before === undefined || before.record < this.checkpointed) {
      this.warmth.set(position, { record, end, idle: false });
      return;
    }
    before.record = record;
    before.end = Math.max(before.end, end);
    before.idle = false;
  }

  /** Whether bytes may go straight to the slab from `from` on: replay must not write over them. */
  directAllowed(position: Position, from: number): boolean {
    const warm = this.warmth.get(position);
    return warm === undefined || warm.record < this.checkpointed || warm.end <= from;
  }

  /** A durable record states the count of a block. False when the slab is not known (it was removed). */
  apply(position: Position, refs: number): boolean {
    this.settle(position);
    this.watched?.add(position);
    const slab = this.bySlab.get(slabOf(position));
    if (slab === undefined || blockOf(position) >= slab.blocks) return false;
    const before = slab.refs(blockOf(position));
    const { freeCount, usedCount } = slab;
    slab.setRefs(blockOf(position), refs);
    this.dirty.add(slab.number);
    const blockClass = this.classOf(slab.blockLog2);
    blockClass.freeBlocks += slab.freeCount - freeCount;
    blockClass.usedBlocks += slab.usedCount - usedCount;
    if (slab.freeCount === 0) blockClass.open.delete(slab);
    if (refs > 0) this.revive(position);
    else if (before > 0) {
      this.freed++;
      this.leaving.add(position);
      this.epochs.retire(position);
    }
    return true;
  }

  /** Replay may meet the record that uses a block again before the block was drained. */
  private revive(position: Position): void {
    if (this.leaving.delete(position)) {
      mark('allocator.revive');
      this.onForgotten(position);
    }
    const warm = this.warmth.get(position);
    if (warm !== undefined) warm.idle = false;
  }

  /** After replay. The index may be newer than the place where replay starts, so that it shows a block as free
   *  for which replay met bytes: the next replay would meet them again. It serves like one that was freed now. */
  replayed(): void {
    for (const position of this.warmth.keys()) {
      const slab = this.bySlab.get(slabOf(position));
      if (slab === undefined || !slab.claim(blockOf(position))) continue;
      mark('allocator.replayedFree');
      const blockClass = this.classOf(slab.blockLog2);
      blockClass.freeBlocks--;
      if (slab.freeCount === 0) blockClass.open.delete(slab);
      this.onForgotten(position);
      this.reclaim(position);
    }
  }

  private settle(position: Position): void {
    const pending = this.submitted.get(position);
    if (pending !== undefined && --pending.records === 0) this.submitted.delete(position);
  }

  /** Everything below `record` is recoverable without the journal, for good. */
  checkpointDone(record: number): void {
    this.checkpointed = Math.max(this.checkpointed, record);
  }

  // --- reuse -------------------------------------------------------------------------------------

  /** Frees what the last readers left; call after readers leave and after records are applied. */
  drain(): void {
    if (this.epochs.waiting === 0) return;
    this.epochs.drain((position) => {
      if (!this.leaving.delete(position)) return;
      this.onForgotten(position);
      this.reclaim(position);
    });
  }

  private reclaim(position: Position): void {
    const slab = this.bySlab.get(slabOf(position));
    if (slab === undefined) return;
    const warm = this.warmth.get(position);
    if (warm !== undefined && warm.record >= this.checkpointed) {
      mark('allocator.warm');
      warm.idle = true;
      this.classOf(slab.blockLog2).warm.push(position);
      return;
    }
    this.warmth.delete(position);
    this.release(slab, position);
  }

  private release(slab: Slab, position: Position): void {
    slab.release(blockOf(position));
    this.classOf(slab.blockLog2).freeBlocks++;
    this.reopen(slab);
  }

  /** Forgets at most `most` entries that a checkpoint passed. */
  sweep(most: number): void {
    for (let left = most; left > 0; left--) {
      const first = this.cooling.first;
      if (first === undefined || first[1] >= this.checkpointed) return;
      this.cooling.shift();
      const [position, record] = first;
      const warm = this.warmth.get(position);
      // A newer record made it warm again.
      if (warm === undefined || warm.record !== record) continue;
      this.warmth.delete(position);
      const slab = this.bySlab.get(slabOf(position));
      if (!warm.idle || slab === undefined) continue;
      mark('allocator.cooled');
      this.release(slab, position);
    }
  }

  freeze(slab: Slab, frozen: boolean): void {
    slab.frozen = frozen;
    if (frozen) this.classOf(slab.blockLog2).open.delete(slab);
    else this.reopen(slab);
  }

  /** Whether nothing refers to a block of the slab or still reads one, warm blocks aside: replay skips the
   *  bytes of a slab that a later record removes. */
  isEmpty(slab: Slab): boolean {
    if (slab.usedCount > 0) return false;
    if (slab.busyCount === 0) return true;
    let idle = 0;
    for (let block = 0; block < slab.blocks; block++)
      if (this.warmth.get(positionOf(slab.number, block))?.idle === true) idle++;
    return idle === slab.busyCount;
  }

  private reopen(slab: Slab): void {
    if (!slab.frozen && slab.freeCount > 0) this.classOf(slab.blockLog2).open.add(slab);
  }

  // --- figures -----------------------------------------------------------------------------------

  refs(position: Position): number {
    const slab = this.bySlab.get(slabOf(position));
    return slab === undefined || blockOf(position) >= slab.blocks
      ? 0
      : slab.refs(blockOf(position));
  }

  /** How many blocks lost their last reference since the start: whether slabs may have become sparse. */
  get freedCount(): number {
    return this.freed;
  }

  watch(into: Set<Position> | undefined): void {
    this.watched = into;
  }

  usedBytes(): number {
    let bytes = 0;
    for (const [log2, { usedBlocks }] of this.classes) bytes += usedBlocks * 2 ** log2;
    return bytes;
  }

  freeBytes(): number {
    let bytes = 0;
    for (const [log2, { freeBlocks }] of this.classes) bytes += freeBlocks * 2 ** log2;
    return bytes;
  }

  private classOf(blockLog2: number): BlockClass {
    let blockClass = this.classes.get(blockLog2);
    if (blockClass === undefined) {
      blockClass = {
        slabs: new Map(),
        open: new Set(),
        warm: [],
        bytes: 0,
        usedBlocks: 0,
        freeBlocks: 0,
      };
      this.classes.set(blockLog2, blockClass);
    }
    return blockClass;
  }
}
