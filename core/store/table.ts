// A journaled table: what the journal made durable is visible at once from an overlay in memory and goes to
// the Kv with a checkpoint. Reads look at the overlay, the part being flushed, the row cache, then the Kv.
// The Kv is never the durability point and never trusted: every row carries a checksum. Values given to
// `apply` belong to the table from then on; values returned are its own. Neither may be changed.

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { asBuffer } from '../base/bytes.ts';
import { CoreError } from '../base/errors.ts';
import type { RecordNumber } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Events } from '../env/events.ts';
import { notNow } from '../env/kv.ts';
import type { Kv, KvEntry, KvMutation, KvRange } from '../env/kv.ts';
import { RowCache } from './table-cache.ts';
import type { CompactionReport } from './table-compaction.ts';
import { TableFlusher } from './table-flush.ts';
import type { TableCheck } from './table-flush.ts';
import { RowLoader } from './table-load.ts';
import { Overlay } from './table-overlay.ts';
import type { OverlayValue } from './table-overlay.ts';
import { RangeMerge } from './table-range.ts';
import { decodeRow, kvKey } from './table-row.ts';
import type { Table } from './types.ts';

export interface TableOptions {
  /** For errors and events. */
  readonly name: string;
  readonly kv: Kv;
  /** Goes before every key; at least one byte, not 0 first: those keys are the tables' summaries. */
  readonly prefix: Uint8Array;
  readonly events: Events;
  /** The overlay passed a limit: ask the journal for a checkpoint. Called again when that has ended and the overlay is
   *  large still or again: the checkpoint may have been a running one, which flushed before. Undefined: nobody
   *  to ask yet. */
  readonly onLarge?: () => Promise<void> | undefined;
  readonly overlayBytesMax?: number;
  readonly cacheBytesMax?: number;
  /** See limits.tableCompactRowsMin. */
  readonly compactRowsMin?: number;
}

/** @throws CoreError CORRUPT, or the Kv's error */
export async function openTable(options: TableOptions): Promise<JournaledTable> {
  assert(options.prefix.length > 0 && options.prefix[0] !== 0, 'a table prefix begins with 1…255');
  const { kv, name, prefix, events, compactRowsMin } = options;
  const flusher = new TableFlusher({
    kv,
    name,
    prefix: asBuffer(prefix),
    events,
    compactRowsMin,
  });
  await flusher.open();
  return new JournaledTable(options, flusher);
}

export class JournaledTable implements Table {
  readonly name: string;
  private readonly kv: Kv;
  private readonly loader: RowLoader;
  private readonly prefix: Buffer;
  private readonly flusher: TableFlusher;
  private readonly cache: RowCache;
  private readonly overlayBytesMax: number;
  private readonly onLarge: () => Promise<void> | undefined;

  private active = new Overlay();
  /** Being written to the Kv; still the newest state of its keys unless `active` knows better. */
  private frozen: Overlay | undefined;
  /** Grows when `frozen` is dropped: a Kv read that began before may have missed what was in it. */
  private drops = 0;
  private flushing: Promise<void> = Promise.resolve();
  /** A checkpoint was asked for and has not ended. */
  private asked = false;
  private applied = 0;

  /** Use `openTable`. */
  constructor(options: TableOptions, flusher: TableFlusher) {
    this.name = options.name;
    this.kv = options.kv;
    this.loader = new RowLoader(options.kv);
    this.prefix = asBuffer(options.prefix);
    this.flusher = flusher;
    this.cache = new RowCache(options.cacheBytesMax ?? limits.tableCacheBytesMax);
    this.overlayBytesMax = options.overlayBytesMax ?? limits.tableOverlayBytesMax;
    this.onLarge = options.onLarge ?? (() => undefined);
  }

  // --- changes -----------------------------------------------------------------------------------

  apply(number: RecordNumber, mutations: readonly KvMutation[]): void {
    assert(number >= this.applied, `record ${number} applied after ${this.applied}`);
    this.applied = number;
    for (const { key, value } of mutations)
      this.active.set(asBuffer(key).toString('latin1'), value ?? null);
    this.askWhenLarge();
  }

  /** @param inVain the last checkpoint that was asked for ended without a flush */
  private askWhenLarge(inVain = false): void {
    if (this.asked || !this.isLarge) return;
    const checkpoint = this.onLarge();
    if (checkpoint === undefined) return;
    this.asked = true;
    void this.askAgainAfter(checkpoint, inVain);
  }

  private async askAgainAfter(checkpoint: Promise<void>, inVain: boolean): Promise<void> {
    const { drops } = this;
    // The journal told everybody why it failed.
    const ended = await checkpoint.then(
      () => true,
      () => false,
    );
    this.asked = false;
    if (!ended) return;
    // Without a flush it was a running one that had flushed before. Twice in a row it is one that does nothing:
    // the next change asks.
    const flushed = drops !== this.drops;
    if (flushed || !inVain) this.askWhenLarge(!flushed);
  }

  /** Too much to hold, or too much for a range to read past. */
  private get isLarge(): boolean {
    return (
      this.overlayBytes > this.overlayBytesMax || this.active.removals > limits.tableRemovalsMax
    );
  }

  get overlayBytes(): number {
    return this.active.bytes + (this.frozen?.bytes ?? 0);
  }

  /** Everything applied so far is durable in the journal (rule 1), so all of it goes, not only what is
   *  below `below`; a record below it that was not applied yet would be lost. */
  flush(below: RecordNumber): Promise<void> {
    assert(Number.isSafeInteger(below), 'a record number');
    const run = this.flushing.then(() => this.runFlush(below));
    this.flushing = run.catch(() => undefined);
    return run;
  }

  private async runFlush(below: RecordNumber): Promise<void> {
    // Left by a flush that failed.
    if (this.frozen !== undefined) await this.writeFrozen(this.frozen, this.flusher.through ?? 0);
    this.frozen = this.active;
    this.active = new Overlay();
    // An empty one too: the Kv states that it is complete, or the next open would take it for an old one.
    await this.writeFrozen(this.frozen, Math.max(below - 1, this.applied));
  }

  private async writeFrozen(frozen: Overlay, through: number): Promise<void> {
    // What was written lately is read soon; and the cache may hold what these rows replace.
    await this.flusher.write(frozen, through, (text, value) => this.cache.set(text, value));
    this.frozen = undefined;
    this.drops++;
  }

  // --- reads -------------------------------------------------------------------------------------

  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const text = asBuffer(key).toString('latin1');
    const known = this.lookup(text);
    if (known !== undefined) return known ?? undefined;
    const inKv = kvKey(this.prefix, text);
    const row = this.kv.getNow(inKv);
    return row === notNow ? this.load(text, inKv) : this.loaded(text, inKv, row, this.drops);
  }

  /** As `get`, in the calling turn: a row that only the Kv has is read there, and may wait for the disk. */
  getSync(key: Uint8Array): Uint8Array | undefined {
    const text = asBuffer(key).toString('latin1');
    const known = this.lookup(text);
    if (known !== undefined) return known ?? undefined;
    const inKv = kvKey(this.prefix, text);
    return this.loaded(text, inKv, this.kv.getSync(inKv), this.drops);
  }

  private lookup(text: string): OverlayValue | undefined {
    const changed = this.active.get(text);
    if (changed !== undefined) return changed;
    const flushed = this.frozen?.get(text);
    if (flushed !== undefined) mark('table.frozenRead');
    return flushed === undefined ? this.cache.get(text) : flushed;
  }

  private async load(text: string, key: Buffer): Promise<Uint8Array | undefined> {
    const { drops } = this;
    return this.loaded(text, key, await this.loader.get(key), drops);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const texts = keys.map((key) => asBuffer(key).toString('latin1'));
    const found = texts.map((text) => this.lookup(text));
    const waiting: { readonly index: number; readonly text: string; readonly key: Buffer }[] = [];
    for (const [index, text] of texts.entries()) {
      if (found[index] !== undefined) continue;
      const key = kvKey(this.prefix, text);
      const row = this.kv.getNow(key);
      if (row === notNow) waiting.push({ index, text, key });
      else found[index] = this.loaded(text, key, row, this.drops) ?? null;
    }
    if (waiting.length > 0) {
      const { drops } = this;
      const rows = await this.kv.getMany(waiting.map(({ key }) => key));
      for (const [at, { index, text, key }] of waiting.entries())
        found[index] = this.loaded(text, key, rows[at], drops) ?? null;
    }
    return found.map((value) => value ?? undefined);
  }

  /** Verifies a row and caches it, unless it may be outdated: its key is being written, or a flush ended
   *  since the read began. A later change is found in an overlay first and replaces the cached row when flushed. */
  private loaded(
    text: string,
    key: Buffer,
    row: Uint8Array | undefined,
    drops: number,
  ): Uint8Array | undefined {
    const value = row === undefined ? undefined : this.decode(key, row);
    if (drops === this.drops && this.frozen?.get(text) === undefined)
      this.cache.set(text, value ?? null);
    return value;
  }

  /** One consistent page: the state of one moment, at which all Kv pages read are still current. */
  async range({ from, to, reverse = false, limit }: KvRange): Promise<KvEntry[]> {
    for (;;) {
      const { drops } = this;
      const merge = new RangeMerge(
        { from: asBuffer(from), to: asBuffer(to), reverse, limit },
        { prefix: this.prefix, decode: (key, row) => this.decode(key, row) },
      );
      while (drops === this.drops) {
        const done = merge.result(this.active, this.frozen);
        if (done !== undefined) return done;
        // oxlint-disable-next-line no-await-in-loop -- page after page
        merge.add(await this.kv.range(merge.nextPage()), this.active, this.frozen);
      }
    }
  }

  private decode(key: Uint8Array, row: Uint8Array): Buffer {
    const value = decodeRow(key, row);
    if (value !== undefined) return value;
    const hex = asBuffer(key).toString('hex', this.prefix.length);
    throw new CoreError(
      'CORRUPT',
      `row ${hex} of table ${this.name} does not match its checksum; run lampyr fsck`,
    );
  }

  /** A bounded piece of the work that removals leave in the Kv, beside reads and flushes: call every few seconds, again at
   *  once while it answers a report. One step at a time. */
  async compactStep(): Promise<CompactionReport | undefined> {
    return this.flusher.compaction.step();
  }

  // --- checks ------------------------------------------------------------------------------------

  expect(from: RecordNumber, next: RecordNumber): void {
    const { through } = this.flusher;
    if (through === undefined) return;
    const whatToDo = 'restore the whole data directory from one backup';
    if (through < from - 1)
      throw new CoreError(
        'DISK_REFUSED',
        `the rows of table ${this.name} end at journal record ${through}, and the journal begins at ` +
          `${from}: files of its index were lost or are of an older copy; ${whatToDo}`,
      );
    if (through >= next)
      throw new CoreError(
        'DISK_REFUSED',
        `the rows of table ${this.name} are of journal record ${through}, and the journal ends before ` +
          `${next}: its last records were lost or it is of an older copy; ${whatToDo}`,
      );
  }

  /** Reads every row and compares count and checksums with the summary, while reads and flushes go on. */
  verify(): Promise<TableCheck> {
    return this.flusher.verify();
  }
}
