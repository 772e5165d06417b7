// Bytes that are durable in the journal and not yet in their block: held in memory, served to readers from
// there, written out in the background, merged into long writes. Design 4.6 rules 2 and 4.
//
// Invariants: the entries of a block are in record order; an entry stays visible until its write has
// ended, so a reader never depends on a page that is being written; freeing a block cancels its entries,
// and a write of them that already runs counts as a reader of the block (epochs).

import type { Buffer } from 'node:buffer';
import { KiB } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import { allocatePages } from '../base/page-memory.ts';
import type { Allocator } from './allocator.ts';
import type { Section } from './chunk-record.ts';
import { type Position, blockOf, pageCeil, slabOf } from './position.ts';
import { type SlabFiles, zeros } from './slab-files.ts';

/** Parts of one write at most: what `writev` takes. */
const partsMax = 1024;

/** Shorter runs are written from where their bytes are. */
const gatheredBytesMin = 64 * KiB;

interface Entry extends Section {
  readonly sequence: number;
}

/** Consecutive bytes of a slab file. */
interface Run {
  readonly slab: number;
  readonly at: number;
  end: number;
  parts: Uint8Array[];
}

export interface PlacementsOptions {
  readonly files: SlabFiles;
  readonly allocator: Allocator;
  /** Bytes of one round; the rest is left to the next. */
  readonly roundBytes: number;
  /** Above it, updates wait. */
  readonly bytesMax: number;
}

export class Placements {
  private readonly options: PlacementsOptions;
  private readonly blocks = new Map<Position, Entry[]>();
  /** All entries in record order. */
  private readonly queue = new Set<Entry>();
  private nextSequence = 0;
  private bytes = 0;
  private round: Promise<void> | undefined;
  /** Of the round in progress. */
  private memory: Buffer | undefined;

  constructor(options: PlacementsOptions) {
    this.options = options;
  }

  get pendingBytes(): number {
    return this.bytes;
  }

  add(section: Section): void {
    const { position, from, bytes } = section;
    const entry: Entry = { position, from, bytes, sequence: this.nextSequence++ };
    const entries = this.blocks.get(section.position);
    if (entries === undefined) this.blocks.set(section.position, [entry]);
    else entries.push(entry);
    this.queue.add(entry);
    this.bytes += section.bytes.length;
  }

  /** The block was freed and nobody reads it: its bytes need not go anywhere. */
  cancel(position: Position): void {
    const entries = this.blocks.get(position);
    if (entries === undefined) return;
    mark('placements.cancel');
    this.blocks.delete(position);
    for (const entry of entries) this.forget(entry);
  }

  private forget(entry: Entry): boolean {
    if (!this.queue.delete(entry)) return false;
    this.bytes -= entry.bytes.length;
    return true;
  }

  /** Entries that overlap [from, to) of the block, oldest first. */
  over(position: Position, from: number, to: number): readonly Section[] {
    const entries = this.blocks.get(position);
    if (entries === undefined) return [];
    return entries.filter((entry) => entry.from < to && entry.from + entry.bytes.length > from);
  }

  /** Starts a round when enough waits for it to be worth the writes. */
  nudge(): void {
    if (this.round === undefined && this.bytes >= this.options.roundBytes)
      // A failure was reported by the slab files, and whoever needs the round sees it again.
      this.place().catch(() => undefined);
  }

  /** Whether updates have to wait for `room`. */
  get full(): boolean {
    return this.bytes > this.options.bytesMax;
  }

  /** Waits while too much is held in memory. @throws CoreError DISK_OFFLINE */
  async room(): Promise<void> {
    while (this.full) {
      mark('placements.wait');
      // oxlint-disable-next-line no-await-in-loop -- one round at a time
      await this.place();
    }
  }

  /** Writes everything that is held when called; not synced. @throws CoreError DISK_OFFLINE */
  async placeAll(): Promise<void> {
    const until = this.nextSequence;
    for (;;) {
      const first = this.queue.values().next();
      if (first.done === true || first.value.sequence >= until) return;
      // oxlint-disable-next-line no-await-in-loop -- one round at a time
      await this.place();
    }
  }

  /** One round; callers share the one in progress. */
  place(): Promise<void> {
    this.round ??= this.runRound().finally(() => {
      this.round = undefined;
    });
    return this.round;
  }

  private async runRound(): Promise<void> {
    const { allocator, files } = this.options;
    const batch = this.take();
    // The writes of this round are readers of their blocks: none is handed out again before they end.
    const reader = allocator.epochs.enter();
    try {
      const runs = this.runsOf(batch);
      if (runs.length < batch.length) mark('placements.merged');
      this.gather(runs);
      const writes = runs.map((run) => files.write(run.slab, run.parts, run.at));
      // Every write ends before the round does, also when one fails.
      for (const result of await Promise.allSettled(writes))
        if (result.status === 'rejected') throw result.reason;
      for (const entry of batch) this.written(entry);
    } finally {
      allocator.epochs.leave(reader);
      allocator.drain();
    }
  }

  private take(): Entry[] {
    const batch: Entry[] = [];
    let bytes = 0;
    for (const entry of this.queue) {
      batch.push(entry);
      bytes += entry.bytes.length;
      if (bytes >= this.options.roundBytes) break;
    }
    return batch;
  }

  /** Long writes in file order. Pages are written whole: what follows the bytes in a page is garbage to
   *  every reader, so it becomes zeros and the kernel need not read the page first. */
  private runsOf(batch: readonly Entry[]): Run[] {
    const newest = new Map<Position, Entry>();
    const runs: Run[] = [];
    for (const entry of batch.toReversed()) {
      const run = this.runOf(entry, newest.get(entry.position));
      newest.set(entry.position, entry);
      if (run !== undefined) runs.push(run);
    }
    runs.sort((a, b) => a.slab - b.slab || a.at - b.at);
    const merged: Run[] = [];
    for (const run of runs) {
      const last = merged.at(-1);
      if (
        last !== undefined &&
        last.slab === run.slab &&
        last.end === run.at &&
        last.parts.length + run.parts.length <= partsMax
      ) {
        last.parts.push(...run.parts);
        last.end = run.end;
      } else merged.push(run);
    }
    return merged;
  }

  /** Copies long runs, as far as they fit, into memory that begins on a page and is used again: they then go past the page
   *  cache, whose fresh pages cost more than this copy (core/env/node/direct-file.ts). */
  private gather(runs: readonly Run[]): void {
    this.memory ??= allocatePages(this.options.roundBytes);
    let free = 0;
    for (const run of runs) {
      const bytes = run.end - run.at;
      if (bytes < gatheredBytesMin || free + bytes > this.memory.length) continue;
      const start = free;
      for (const part of run.parts) {
        this.memory.set(part, free);
        free += part.length;
      }
      run.parts = [this.memory.subarray(start, free)];
    }
  }

  /** `later` is the next entry of the block: where it begins, it has the newer image of the page. */
  private runOf(entry: Entry, later: Entry | undefined): Run | undefined {
    const slab = this.options.allocator.slab(slabOf(entry.position));
    if (slab === undefined) return undefined;
    const end = Math.min(entry.from + entry.bytes.length, later?.from ?? Infinity);
    if (end <= entry.from) return undefined;
    const base = blockOf(entry.position) * slab.blockBytes;
    const parts = [entry.bytes.subarray(0, end - entry.from)];
    parts.push(...zeros(pageCeil(end) - end));
    return { slab: slab.number, at: base + entry.from, end: base + pageCeil(end), parts };
  }

  private written(entry: Entry): void {
    if (!this.forget(entry)) return;
    const entries = this.blocks.get(entry.position);
    if (entries === undefined) return;
    // Entries leave in the order they came.
    entries.shift();
    if (entries.length === 0) this.blocks.delete(entry.position);
  }
}
