// A Kv whose unsynced batches stay in this process's memory, over the real store. A synced batch is durable and
// carries nobody with it: as in core/env/kv.ts, earlier unsynced batches may still be lost, and here they are,
// but for keys that a later synced batch wrote as well. `level` writes its own files, so a power loss of
// these is played here and not in the file system.

import fs from 'node:fs';
import { Buffer } from 'node:buffer';
import { byteKey } from '../../../base/sorted-map.ts';
import type { Kv, KvEntry, KvMutation, KvRange } from '../../kv.ts';

/** Above it everything is written through: LevelDB makes its log durable when it compacts. */
const unsyncedBytesMax = 64 * 1024 * 1024;

interface Unsynced {
  /** Of the batch. */
  readonly number: number;
  readonly value: Buffer | undefined;
}

export interface LossyKvOptions {
  /** Where unsynced batches of a killed process are found. */
  readonly cacheFile: string;
  /** A kill ends this process alone: keep its unsynced batches there. */
  readonly survives: boolean;
}

/** A line of the cache file. */
interface CacheLine {
  readonly set?: readonly (readonly [key: string, value: string | null])[];
  readonly synced?: readonly string[];
}

export class LossyKv implements Kv {
  private readonly kv: Kv;
  private readonly options: LossyKvOptions;
  private readonly unsynced = new Map<string, Unsynced>();
  private unsyncedBytes = 0;
  private nextNumber = 1;

  constructor(kv: Kv, options: LossyKvOptions) {
    this.kv = kv;
    this.options = options;
    for (const { set = [], synced = [] } of readLines(options.cacheFile)) {
      for (const [key, value] of set)
        this.hold(key, value === null ? undefined : Buffer.from(value, 'latin1'), 0);
      for (const key of synced) this.unsynced.delete(key);
    }
    fs.rmSync(options.cacheFile, { force: true });
  }

  private hold(key: string, value: Buffer | undefined, number: number): void {
    this.unsynced.set(key, { number, value });
    this.unsyncedBytes += key.length + (value?.length ?? 0);
  }

  private note(line: CacheLine): void {
    if (this.options.survives)
      fs.appendFileSync(this.options.cacheFile, `${JSON.stringify(line)}\n`);
  }

  getNow(key: Uint8Array): ReturnType<Kv['getNow']> {
    const held = this.unsynced.get(byteKey(key));
    return held === undefined ? this.kv.getNow(key) : copyOf(held.value);
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    const held = this.unsynced.get(byteKey(key));
    return held === undefined ? this.kv.getSync(key) : copyOf(held.value);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const held = this.unsynced.get(byteKey(key));
    return held === undefined ? this.kv.get(key) : copyOf(held.value);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const held = keys.map((key) => this.unsynced.get(byteKey(key)));
    const stored = await this.kv.getMany(keys);
    return held.map((each, index) => (each === undefined ? stored[index] : copyOf(each.value)));
  }

  async range(range: KvRange): Promise<KvEntry[]> {
    const { from, to, reverse = false, limit } = range;
    const [first, end] = [byteKey(from), byteKey(to)];
    const held = [...this.unsynced].filter(([key]) => key >= first && key < end);
    if (held.length === 0) return this.kv.range(range);
    // As many more as the held ones could take away.
    const stored = await this.kv.range({ ...range, limit: limit + held.length });
    const merged = new Map(stored.map(([key, value]) => [byteKey(key), value]));
    for (const [key, { value }] of held) {
      if (value === undefined) merged.delete(key);
      else merged.set(key, Buffer.from(value));
    }
    const sorted = [...merged].toSorted(([a], [b]) => (a < b === reverse ? 1 : -1));
    return sorted.slice(0, limit).map(([key, value]) => [Buffer.from(key, 'latin1'), value]);
  }

  async batch(mutations: readonly KvMutation[], { sync }: { sync: boolean }): Promise<void> {
    const number = this.nextNumber++;
    if (sync) {
      await this.kv.batch(mutations, { sync });
      const keys = mutations.map(({ key }) => byteKey(key));
      // What came after it stays, unsynced.
      const superseded = keys.filter((key) => (this.unsynced.get(key)?.number ?? number) < number);
      for (const key of superseded) this.unsynced.delete(key);
      if (superseded.length > 0) this.note({ synced: superseded });
      return;
    }
    const set = mutations.map(({ key, value }) => [byteKey(key), copyOf(value)] as const);
    for (const [key, value] of set) this.hold(key, value, number);
    this.note({ set: set.map(([key, value]) => [key, value?.toString('latin1') ?? null]) });
    if (this.unsyncedBytes > unsyncedBytesMax) await this.writeThrough();
  }

  storedBytes(from: Uint8Array, to: Uint8Array): Promise<number> {
    return this.kv.storedBytes(from, to);
  }

  compact(from: Uint8Array, to: Uint8Array): Promise<void> {
    return this.kv.compact(from, to);
  }

  private async writeThrough(): Promise<void> {
    const mutations = [...this.unsynced].map(([key, { value }]) => ({
      key: Buffer.from(key, 'latin1'),
      value,
    }));
    this.unsyncedBytes = 0;
    await this.batch(mutations, { sync: true });
  }

  /** An orderly end loses nothing. */
  async close(): Promise<void> {
    await this.writeThrough();
    await this.kv.close();
    fs.rmSync(this.options.cacheFile, { force: true });
  }

  /** The end without anything: for tests in one process. */
  async kill(): Promise<void> {
    await this.kv.close();
  }
}

function readLines(path: string): CacheLine[] {
  if (!fs.existsSync(path)) return [];
  const lines = fs.readFileSync(path, 'utf8').split('\n');
  // The last one is empty, or was cut by the kill.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as CacheLine);
}

function copyOf(value: Uint8Array | undefined): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
