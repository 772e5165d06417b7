// An ordered store in memory that forgets any subset of the batches written without sync. As with LevelDB,
// a synced batch makes itself durable and says nothing about earlier ones.

import { asBuffer, compareBytes } from '../../core/base/bytes.ts';
import { notNow } from '../../core/env/kv.ts';
import type { Kv, KvEntry, KvMutation, KvRange } from '../../core/env/kv.ts';
import type { Trace } from './trace.ts';

interface Batch {
  readonly id: number;
  readonly mutations: readonly KvMutation[];
  readonly sync: boolean;
}

export interface SimKvOptions {
  readonly trace?: Trace;
  /** Time before an operation takes effect and, as 'answer', before its result is seen; a microtask when absent. */
  readonly delay?: (operation: string) => Promise<void>;
}

export class SimKv implements Kv {
  /** What a crash keeps for certain, before `batches`. */
  private base = new Map<string, Uint8Array>();
  private seen = new Map<string, Uint8Array>();
  private sorted: string[] | undefined;
  /** Since `base`, in order; the first one is unsynced. */
  private batches: Batch[] = [];
  private nextId = 1;
  private lookups = 0;
  private failing: string | undefined;
  private readonly options: SimKvOptions;

  constructor(options: SimKvOptions = {}) {
    this.options = options;
  }

  private async perform(operation: string): Promise<void> {
    await (this.options.delay?.(operation) ?? Promise.resolve());
    if (operation === this.failing)
      throw Object.assign(new Error(`EIO: simulated, kv ${operation}`), { code: 'EIO' });
  }

  /** Every second time, so that both ways are run; never where operations are to take time. */
  getNow(key: Uint8Array): Uint8Array | undefined | typeof notNow {
    if (this.options.delay !== undefined || this.failing === 'get') return notNow;
    return this.lookups++ % 2 === 0 ? copied(this.seen.get(text(key))) : notNow;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.perform('get');
    const value = copied(this.seen.get(text(key)));
    await this.perform('answer');
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    await this.perform('get');
    const values = keys.map((key) => copied(this.seen.get(text(key))));
    await this.perform('answer');
    return values;
  }

  async range({ from, to, reverse = false, limit }: KvRange): Promise<KvEntry[]> {
    await this.perform('range');
    // Strings of one character a byte are ordered as their bytes are.
    this.sorted ??= [...this.seen.keys()].toSorted();
    const first = lowerBound(this.sorted, text(from));
    const end = Math.max(first, lowerBound(this.sorted, text(to)));
    const count = Math.min(limit, end - first);
    const found = reverse
      ? this.sorted.slice(end - count, end).toReversed()
      : this.sorted.slice(first, first + count);
    const page = found.map((key): KvEntry => [
      bytes(key),
      Buffer.from(this.seen.get(key) as Uint8Array),
    ]);
    await this.perform('answer');
    return page;
  }

  async batch(mutations: readonly KvMutation[], options: { sync: boolean }): Promise<void> {
    const copies = mutations.map(({ key, value }) => ({
      key: Buffer.from(key),
      value: copied(value),
    }));
    await this.perform('batch');
    this.apply(copies, options.sync);
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  /** Writes a batch at once; also how a trace is replayed. */
  apply(mutations: readonly KvMutation[], sync: boolean): void {
    this.options.trace?.events.push({ device: 'kv', mutations, sync });
    write(this.seen, mutations);
    this.sorted = undefined;
    this.batches.push({ id: this.nextId++, mutations, sync });
    while (this.batches[0]?.sync === true)
      write(this.base, (this.batches.shift() as Batch).mutations);
  }

  /** Every `operation` from now on fails with EIO. */
  fail(operation: 'get' | 'range' | 'batch' | undefined): void {
    this.failing = operation;
  }

  /** Ids of the batches that a crash may lose. */
  unsynced(): number[] {
    return this.batches.filter((batch) => !batch.sync).map((batch) => batch.id);
  }

  crash(survives: (id: number) => boolean, options: SimKvOptions = {}): SimKv {
    const after = new SimKv(options);
    after.base = new Map(this.base);
    for (const batch of this.batches)
      if (batch.sync || survives(batch.id)) write(after.base, batch.mutations);
    after.seen = new Map(after.base);
    return after;
  }

  /** An independent store in the same state: what `kill -9` leaves. */
  copy(options: SimKvOptions = {}): SimKv {
    const copy = new SimKv(options);
    copy.base = new Map(this.base);
    copy.seen = new Map(this.seen);
    copy.batches = [...this.batches];
    copy.nextId = this.nextId;
    return copy;
  }

  // --- damage ----------------------------------------------------------------------------------

  entries(): KvEntry[] {
    const keys = [...this.seen.keys()].toSorted(compareText);
    return keys.map((key) => [bytes(key), this.seen.get(key) as Uint8Array]);
  }

  /** Replaces or loses an entry, as a damaged table file does. */
  damage(key: Uint8Array, value: Uint8Array | undefined): void {
    for (const map of [this.base, this.seen]) write(map, [{ key, value }]);
    this.sorted = undefined;
  }
}

/** Index of the first key that is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function write(map: Map<string, Uint8Array>, mutations: readonly KvMutation[]): void {
  for (const { key, value } of mutations) {
    if (value === undefined) map.delete(text(key));
    else map.set(text(key), value);
  }
}

/** One character a byte, so that strings compare as their bytes do. */
function text(key: Uint8Array): string {
  return asBuffer(key).toString('latin1');
}

function bytes(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

function compareText(a: string, b: string): number {
  return compareBytes(bytes(a), bytes(b));
}

function copied(value: Uint8Array | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
