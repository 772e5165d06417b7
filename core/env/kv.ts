// An ordered key-value store on this machine (`level` in production). It is never the durability point:
// any subset of the batches written without `sync` may be lost by a crash, and values carry their own
// checksums (see core/store/table.ts).

export interface KvRange {
  /** Inclusive. */
  readonly from: Uint8Array;
  /** Exclusive. */
  readonly to: Uint8Array;
  readonly reverse?: boolean;
  readonly limit: number;
}

export type KvEntry = readonly [key: Uint8Array, value: Uint8Array];

export interface KvMutation {
  readonly key: Uint8Array;
  /** undefined removes the key. */
  readonly value: Uint8Array | undefined;
}

/** What `getNow` answers when the value can only be had by `get`. */
export const notNow = Symbol('not now');

export interface Kv {
  /** The value in the calling turn, where the store expects to have it in memory: a trip to another thread
   *  costs twenty times the lookup. @throws the same as `get` */
  getNow(key: Uint8Array): Uint8Array | undefined | typeof notNow;
  /** The value in the calling turn, whatever that takes: for those that cannot wait. @throws the same as `get` */
  getSync(key: Uint8Array): Uint8Array | undefined;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** One page, in key order (descending with `reverse`), at most `limit` entries. */
  range(range: KvRange): Promise<KvEntry[]>;
  /** Atomic. With `sync` the batch is durable when it returns; earlier unsynced ones may still be lost
   *  (LevelDB starts a new log file without syncing the old one). */
  batch(mutations: readonly KvMutation[], options: { sync: boolean }): Promise<void>;
  /** About the bytes that are stored of keys in [from, to], removed rows that still take room included. */
  storedBytes(from: Uint8Array, to: Uint8Array): Promise<number>;
  /** Makes removed rows of keys in [from, to] cost nothing any more, beside reads and writes. Takes seconds for a large
   *  part. */
  compact(from: Uint8Array, to: Uint8Array): Promise<void>;
  close(): Promise<void>;
}
