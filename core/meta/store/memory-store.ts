// MetaStore in memory, for the simulator, tests and as the model that other adapters are compared with.
// Nothing outlives it. `sync` stands for the disk: commits become durable, and so visible, when it resolves.

import type { RecordNumber } from '../../base/ids.ts';
import { SortedMap, byteKey } from '../../base/sorted-map.ts';
import type { Clock } from '../../env/clock.ts';
import type { KvMutation, KvRange } from '../../env/kv.ts';
import type { Rng } from '../../env/rng.ts';
import type { MetaEntry, MetaStore } from '../meta-store.ts';
import { type MetaBackend, OptimisticStore } from './optimistic-store.ts';

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  /** Called once a commit, in order; at once when absent. A rejection takes the store offline. */
  readonly sync?: () => Promise<void>;
}

export function openMemoryMetaStore(options: MemoryStoreOptions): MetaStore {
  const backend = new MemoryBackend(options.sync ?? (() => Promise.resolve()));
  return new OptimisticStore({
    backend,
    clock: options.clock,
    rng: options.rng,
    newestCommit: 0,
  });
}

class MemoryBackend implements MetaBackend {
  private readonly rows = new SortedMap<MetaEntry>();
  private readonly sync: () => Promise<void>;
  private durable = Promise.resolve();
  private offline: (error: unknown) => void = () => undefined;

  constructor(sync: () => Promise<void>) {
    this.sync = sync;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(byteKey(key))?.[1];
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return Promise.resolve(keys.map((key) => this.get(key)));
  }

  range({ from, to, limit, reverse }: KvRange): Promise<MetaEntry[]> {
    const page: MetaEntry[] = [];
    const take = (entry: MetaEntry): boolean => page.push(entry) < limit;
    const bounds = [byteKey(from), byteKey(to)] as const;
    if (limit > 0) {
      if (reverse === true) this.rows.descend(...bounds, take);
      else this.rows.ascend(...bounds, take);
    }
    return Promise.resolve(page);
  }

  append(number: number, _mutations: readonly KvMutation[], onDurable: () => void): RecordNumber {
    this.durable = Promise.all([this.sync(), this.durable]).then(onDurable);
    this.durable.catch((error: unknown) => this.offline(error));
    return number as RecordNumber;
  }

  apply(_record: RecordNumber, _number: number, mutations: readonly KvMutation[]): void {
    for (const { key, value } of mutations) {
      if (value === undefined) this.rows.delete(byteKey(key));
      else this.rows.set(byteKey(key), [key, value]);
    }
  }

  room(): undefined {
    return undefined;
  }

  onOffline(listener: (error: unknown) => void): void {
    this.offline = listener;
  }
}
