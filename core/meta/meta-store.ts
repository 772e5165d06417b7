// MetaStore: the narrow interface over a transactional ordered key-value store that all metadata stands on.
// Adapters (memory, level on the journal; etcd and PostgreSQL later) are held to one contract suite,
// test/contracts/meta-store.ts. How it works and is stored: docs/internals/metadata-store.md. Rules:
// - Transactions are optimistic and serializable. A read returns the newest visible state and adds a
//   conflict unless it is a snapshot read; commit fails with CONFLICT when a transaction that committed after
//   the read changed what it read. A transaction that will not commit may see an inconsistent state (`transact`
//   never lets an error out that rests on one).
// - A transaction sees its own writes, in snapshot reads too. Writes alone (blind) never conflict.
// - Only durable commits are visible.
// - Bytes given to a store must not change afterwards; bytes that it returns must not be modified.
// - Keys have 1 to limits.metaKeyBytesMax bytes, values at most limits.metaValueBytesMax; the other limits are
//   in core/base/limits.ts too. Keys that begin with O or T belong to the store (outbox, transactions).

export interface KeyRange {
  /** Inclusive. */
  readonly from: Uint8Array;
  /** Exclusive. */
  readonly to: Uint8Array;
}

export interface RangeRead extends KeyRange {
  /** At most limits.metaRangeEntriesMax. */
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
  /** A random 16-byte token put into the write set: after COMMIT_UNKNOWN a retry that finds its row (`tokenKey`
   *  of core/meta/store/keyspace.ts) has committed. Of two attempts with one token, at most one commits. */
  token(token: Uint8Array): void;
  /** Validates and queues synchronously in the calling turn; resolves when durable and visible. Without
   *  writes it only validates, at the newest visible state. `before` as TransactOptions.beforeCommit.
   *  @throws CoreError CONFLICT, TRANSACTION_TOO_LARGE, TRANSACTION_TOO_OLD, COMMIT_UNKNOWN, DISK_OFFLINE, BUSY */
  commit(before?: () => void): Promise<CommitPosition>;
}

/** Position of a commit or of an outbox entry: compares and sorts as a byte string within one store. A
 *  commit's own position stands right before its outbox entries. */
export type CommitPosition = string;

export interface OutboxEntry {
  readonly position: CommitPosition;
  readonly value: Uint8Array;
}

export interface TransactOptions {
  /** Called when a commit is about to be queued, in the same synchronous turn: a record that it submits to a
   *  journal that the store shares precedes the transaction's own (design 4.6). A local store calls it only
   *  when the commit will not conflict any more; what it throws ends the commit. */
  readonly beforeCommit?: () => void;
}

export interface MetaStore extends MetaReader {
  begin(): MetaTransaction;
  /** Runs `body` in a transaction and commits, again on CONFLICT and TRANSACTION_TOO_OLD up to the retry limits.
   *  Stores whose commits can be unknown while they go on (not the local ones) add a token; on COMMIT_UNKNOWN
   *  they look for it and answer the committed result or run again. `body` must be repeatable; an error that
   *  it throws ends the attempts only if what it read still holds. */
  transact<T>(
    body: (transaction: MetaTransaction) => Promise<T>,
    options?: TransactOptions,
  ): Promise<T>;
  /** Resolves when the first commit that writes `key` becomes visible after the call; rejects with CANCELLED,
   *  or the reason why the store ended. @throws CoreError BUSY above limits.metaWatchersMax */
  watch(key: Uint8Array): { readonly changed: Promise<void>; cancel(): void };
  /** Entries of a topic after `after` (from the start when undefined), in position order; never one before a position already returned. */
  readOutbox(
    topic: string,
    after: CommitPosition | undefined,
    limit: number,
  ): Promise<OutboxEntry[]>;
  /** Removes entries up to and including `through`. */
  trimOutbox(topic: string, through: CommitPosition): Promise<void>;
  /** A bounded step of housekeeping (drops commit tokens past limits.commitTokenKeptMs): call every few seconds. */
  maintain(): Promise<void>;
  /** Waits for the commits under way; everything later fails with UNAVAILABLE. */
  close(): Promise<void>;
}
