// MetaStore: the narrow interface over a transactional ordered key-value store that all metadata stands on.
// Adapters (memory, level on the journal; etcd and PostgreSQL later) are held to one contract suite,
// test/contracts/meta-store.ts. Rules:
// - Transactions are optimistic and serializable: every read adds a conflict unless it is a snapshot read;
//   commit fails with CONFLICT when a read key or range was changed by a transaction that committed after
//   this one's first read. A transaction that will not commit may see an inconsistent state: do not assert
//   on what it read before commit.
// - Only durable commits are visible.
// - Values are at most limits.metaValueBytesMax; the other limits are in core/base/limits.ts.

export interface KeyRange {
  /** Inclusive. */
  readonly from: Uint8Array;
  /** Exclusive. */
  readonly to: Uint8Array;
}

export interface RangeRead extends KeyRange {
  readonly limit: number;
  readonly reverse?: boolean;
}

export type MetaEntry = readonly [key: Uint8Array, value: Uint8Array];

export interface MetaReader {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  range(range: RangeRead): Promise<MetaEntry[]>;
  rangeMany(ranges: readonly RangeRead[]): Promise<MetaEntry[][]>;
}

export interface MetaTransaction extends MetaReader {
  /** The same reads without a conflict. */
  readonly snapshot: MetaReader;
  /** Adds a conflict without reading. A range read conflicts on the part of the range that it returned. */
  conflict(range: KeyRange | Uint8Array): void;
  set(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /** Queues `value` on an outbox topic (design 6): visible iff this commits, in commit order. */
  outbox(topic: string, value: Uint8Array): void;
  /** A random 16-byte token put into the write set: after COMMIT_UNKNOWN a retry that finds it has committed. */
  token(token: Uint8Array): void;
  /** Validates and queues synchronously in the calling turn; resolves when durable and visible.
   *  @throws CoreError CONFLICT, TRANSACTION_TOO_LARGE, TRANSACTION_TOO_OLD, COMMIT_UNKNOWN, DISK_OFFLINE */
  commit(): Promise<CommitPosition>;
}

/** Position of a commit: compares and sorts as a byte string within one store. */
export type CommitPosition = string;

export interface OutboxEntry {
  readonly position: CommitPosition;
  readonly value: Uint8Array;
}

export interface MetaStore extends MetaReader {
  begin(): MetaTransaction;
  /** Runs `body` in a transaction and commits, again on CONFLICT up to the retry limit; on COMMIT_UNKNOWN
   *  looks for the token and answers the committed result or runs again. `body` must be repeatable. */
  transact<T>(body: (transaction: MetaTransaction) => Promise<T>): Promise<T>;
  /** Resolves at the first commit that changes `key` after the call; rejects when cancelled. */
  watch(key: Uint8Array): { readonly changed: Promise<void>; cancel(): void };
  /** Entries of a topic after `after` (from the start when undefined), in position order; never one before a position already returned. */
  readOutbox(
    topic: string,
    after: CommitPosition | undefined,
    limit: number,
  ): Promise<OutboxEntry[]>;
  trimOutbox(topic: string, through: CommitPosition): Promise<void>;
  close(): Promise<void>;
}
