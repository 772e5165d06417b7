// An ordered store in memory that forgets any subset of the batches written without sync. As with LevelDB,
// a synced batch makes itself durable and says nothing about earlier ones. Rows are copied on write, so that
// the states of a crash share what they have in common.

import { createHash } from 'node:crypto';
import { asBuffer } from '../../core/base/bytes.ts';
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
  /** Of this store in the trace. */
  readonly name?: string;
  /** Time before an operation takes effect and, as 'answer', before its result is seen; a microtask when absent. */
  readonly delay?: (operation: string) => Promise<void>;
}

/** Rows by key, one character a byte, so that strings compare as their bytes do. */
class Rows {
  private readonly map: Map<string, Uint8Array>;
  private sorted: string[] | undefined;
  private hashed: string | undefined;

  constructor(map = new Map<string, Uint8Array>()) {
    this.map = map;
  }

  get(key: string): Uint8Array | undefined {
    return this.map.get(key);
  }

  /** These rows with the batches over them; this object stays as it is. */
  with(batches: readonly Batch[]): Rows {
    if (batches.length === 0) return this;
    const map = new Map(this.map);
    for (const { mutations } of batches)
      for (const { key, value } of mutations) {
        if (value === undefined) map.delete(text(key));
        else map.set(text(key), value);
      }
    return new Rows(map);
  }

  keys(): readonly string[] {
    this.sorted ??= [...this.map.keys()].toSorted(compareText);
    return this.sorted;
  }

  /** Keys in [from, to). */
  keysIn(from: string, to: string): readonly string[] {
    const keys = this.keys();
    return keys.slice(indexOf(keys, from), Math.max(indexOf(keys, from), indexOf(keys, to)));
  }

  print(): string {
    if (this.map.size === 0) return '';
    if (this.hashed === undefined) {
      const hash = createHash('sha1');
      for (const key of this.keys())
        hash
          .update(key, 'latin1')
          .update('=')
          .update(this.map.get(key) as Uint8Array);
      this.hashed = hash.digest('base64');
    }
    return this.hashed;
  }
}

export class SimKv implements Kv {
  /** What a crash keeps for certain, before `batches`. */
  private base = new Rows();
  private seen = this.base;
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
    if (operation === this.failing) throw simulatedError(operation);
  }

  /** Every other time, so that both ways are taken. */
  getNow(key: Uint8Array): Uint8Array | undefined | typeof notNow {
    if (this.options.delay !== undefined || this.failing === 'get') return notNow;
    return this.lookups++ % 2 === 0 ? copied(this.seen.get(text(key))) : notNow;
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    if (this.failing === 'get') throw simulatedError('get');
    return copied(this.seen.get(text(key)));
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
    const found = this.seen.keysIn(text(from), text(to));
    const page = (reverse ? found.toReversed() : found)
      .slice(0, limit)
      .map((key): KvEntry => [bytes(key), Buffer.from(this.seen.get(key) as Uint8Array)]);
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

  /** Removed rows take no room here. */
  async storedBytes(from: Uint8Array, to: Uint8Array): Promise<number> {
    await this.perform('storedBytes');
    let stored = 0;
    for (const key of this.seen.keysIn(text(from), `${text(to)}\0`))
      stored += key.length + (this.seen.get(key)?.length ?? 0);
    return stored;
  }

  compact(): Promise<void> {
    return this.perform('compact');
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  /** Writes a batch at once; also how a trace is replayed. */
  apply(mutations: readonly KvMutation[], sync: boolean): void {
    const { trace, name = 'kv' } = this.options;
    trace?.events.push({ device: 'kv', kv: name, mutations, sync });
    const batch = { id: this.nextId++, mutations, sync };
    if (sync && this.batches.length === 0) {
      this.base = this.base.with([batch]);
      this.seen = this.base;
      return;
    }
    this.batches.push(batch);
    this.seen = this.seen.with([batch]);
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
    const after = new SimKv({ ...this.named(), ...options });
    after.base = this.base.with(this.batches.filter(({ id, sync }) => sync || survives(id)));
    after.seen = after.base;
    return after;
  }

  /** An independent store in the same state: what `kill -9` leaves. */
  copy(options: SimKvOptions = {}): SimKv {
    const copy = new SimKv({ ...this.named(), ...options });
    copy.base = this.base;
    copy.seen = this.seen;
    copy.batches = [...this.batches];
    copy.nextId = this.nextId;
    return copy;
  }

  private named(): SimKvOptions {
    const { name } = this.options;
    return name === undefined ? {} : { name };
  }

  /** Equal for equal rows; empty when there are none. */
  print(): string {
    return this.seen.print();
  }

  // --- damage ----------------------------------------------------------------------------------

  entries(): KvEntry[] {
    return this.seen.keys().map((key) => [bytes(key), this.seen.get(key) as Uint8Array]);
  }

  /** Replaces or loses an entry, as a damaged table file does. */
  damage(key: Uint8Array, value: Uint8Array | undefined): void {
    const damage = [{ id: 0, mutations: [{ key, value }], sync: true }];
    this.base = this.base.with(damage);
    this.seen = this.seen.with(damage);
  }
}

function simulatedError(operation: string): Error {
  return Object.assign(new Error(`EIO: simulated, kv ${operation}`), { code: 'EIO' });
}

/** Of the first key that is not below `key`. */
function indexOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One character a byte, so that strings compare as their bytes do. */
function text(key: Uint8Array): string {
  return asBuffer(key).toString('latin1');
}

function bytes(key: string): Buffer {
  return Buffer.from(key, 'latin1');
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function copied(value: Uint8Array | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
