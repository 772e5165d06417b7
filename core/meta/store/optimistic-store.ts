// A MetaStore with one writer process: judges optimistic transactions at commit, numbers them, hands them to
// a backend that makes them durable in order, and shows them in that order. The memory and the level adapter
// are this class over two backends.
//
// A commit is judged and queued in one synchronous turn against every commit after its reads, those still
// queued included; only durable commits are applied, so that no reader sees what a crash could take back.
// A failure of the backend ends the service: queued commits are COMMIT_UNKNOWN, everything later DISK_OFFLINE.

import { assert } from '../../base/assert.ts';
import { CoreError } from '../../base/errors.ts';
import type { RecordNumber } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import type { Clock } from '../../env/clock.ts';
import type { KvMutation, KvRange } from '../../env/kv.ts';
import type { Rng } from '../../env/rng.ts';
import type {
  CommitPosition,
  MetaEntry,
  MetaStore,
  MetaTransaction,
  OutboxEntry,
  RangeRead,
  TransactOptions,
} from '../meta-store.ts';
import { commitPosition, outboxKey } from './keyspace.ts';
import { readOutbox, trimOutbox } from './outbox.ts';
import { RecentWrites } from './recent-writes.ts';
import { TokenKeeper } from './tokens.ts';
import { transact } from './transact.ts';
import { OptimisticTransaction, type TransactionHost, checkRange } from './transaction.ts';
import { Watchers } from './watchers.ts';

/** Where the rows live. Reads see exactly what was applied. */
export interface MetaBackend {
  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  range(range: KvRange): Promise<MetaEntry[]>;
  /** Starts to make a commit durable, in the calling turn, and answers the number of its record. `onDurable` is called when it is, in order of
   *  numbers, never within this call. @throws CoreError when nothing was started: DISK_OFFLINE, BUSY */
  append(number: number, mutations: readonly KvMutation[], onDurable: () => void): RecordNumber;
  /** Makes a durable commit visible to reads. Called in order of numbers. */
  apply(record: RecordNumber, number: number, mutations: readonly KvMutation[]): void;
  /** What a new transaction waits for while the disk is behind; undefined when nothing. */
  room(): Promise<void> | undefined;
  /** Calls `listener` when nothing more can be written: what was appended and is not yet durable may or may
   *  not be there after a restart. */
  onOffline(listener: (error: unknown) => void): void;
}

export interface OptimisticStoreOptions {
  readonly backend: MetaBackend;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Number of the newest commit in the backend; 0 when new. */
  readonly newestCommit: number;
}

interface QueuedCommit {
  readonly record: RecordNumber;
  readonly number: number;
  readonly mutations: readonly KvMutation[];
  resolve(position: CommitPosition): void;
  reject(error: CoreError): void;
  /** Attempts that lost to this commit and wait until it is visible. */
  waiting: (() => void)[] | undefined;
}

/** Resolves when the commit is visible or the store has ended. */
function shown(commit: QueuedCommit | undefined): Promise<void> | undefined {
  if (commit === undefined) return undefined;
  return new Promise((resolve) => {
    (commit.waiting ??= []).push(resolve);
  });
}

/** CONFLICT that names the commit it lost to. */
class ConflictError extends CoreError {
  readonly commit: number;

  constructor(commit: number) {
    super('CONFLICT', 'another transaction changed what this one read; run it again');
    this.commit = commit;
  }
}

export class OptimisticStore implements MetaStore, TransactionHost {
  readonly clock: Clock;
  readonly rng: Rng;
  /** This process judges and writes every commit, so that an unknown one ends the service: no tokens needed. */
  readonly tokens = false;
  private readonly backend: MetaBackend;
  private readonly recent: RecentWrites;
  private readonly watchers = new Watchers();
  private readonly tokenKeeper: TokenKeeper;
  /** Judged and not yet visible: numbers `visible + 1` to `newest`, without gaps. */
  private queue: QueuedCommit[] = [];
  private newest: number;
  private newestVisible: number;
  private ended: CoreError | undefined;

  constructor(options: OptimisticStoreOptions) {
    this.backend = options.backend;
    this.clock = options.clock;
    this.rng = options.rng;
    this.newest = options.newestCommit;
    this.newestVisible = options.newestCommit;
    this.recent = new RecentWrites(options.newestCommit);
    this.tokenKeeper = new TokenKeeper(options.clock);
    options.backend.onOffline((error) => this.fail(error));
  }

  // --- reads of the newest visible state ----------------------------------------------------------

  get visible(): number {
    return this.newestVisible;
  }

  nowMs(): number {
    return this.clock.now();
  }

  wallMs(): number {
    return this.tokenKeeper.wallMs();
  }

  assertServing(): void {
    if (this.ended !== undefined) throw this.ended;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.assertServing();
    return this.backend.get(key);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.assertServing();
    return this.backend.getMany(keys);
  }

  async range(range: RangeRead): Promise<MetaEntry[]> {
    this.assertServing();
    checkRange(range);
    return this.backend.range(range);
  }

  async rangeMany(ranges: readonly RangeRead[]): Promise<MetaEntry[][]> {
    return Promise.all(ranges.map((range) => this.range(range)));
  }

  // --- transactions -------------------------------------------------------------------------------

  begin(): OptimisticTransaction {
    return new OptimisticTransaction(this);
  }

  transact<T>(
    body: (transaction: MetaTransaction) => Promise<T>,
    options?: TransactOptions,
  ): Promise<T> {
    return transact(this, body, options);
  }

  /** Synchronous up to its first await: judged and appended in the turn of the call. */
  async commit(transaction: OptimisticTransaction, before?: () => void): Promise<CommitPosition> {
    this.assertServing();
    if (transaction.readOnly) {
      this.validate(transaction);
      before?.();
      return commitPosition(this.newestVisible);
    }
    transaction.checkAge();
    this.judge(transaction, this.newest);
    if (this.queue.length >= limits.metaCommitsQueuedMax) {
      mark('store.busy');
      const waiting = this.queue.length;
      throw new CoreError('BUSY', `${waiting} commits wait for the disk; try again later`);
    }
    before?.();
    return this.append(transaction);
  }

  /** A read-only transaction is placed at the newest visible commit: nothing to judge when its reads all saw
   *  that, and queued commits come after it. */
  validate(transaction: OptimisticTransaction): void {
    const { points, ranges } = transaction;
    const stale = (version: number): boolean => version < this.newestVisible;
    if (ranges.some(({ version }) => stale(version)) || [...points.values()].some(stale)) {
      this.judge(transaction, this.newestVisible);
    }
  }

  /** Against the commits up to `through`. @throws CoreError CONFLICT, TRANSACTION_TOO_OLD */
  private judge({ points, ranges }: OptimisticTransaction, through: number): void {
    const { recent } = this;
    let conflict = 0;
    let oldest = through;
    for (const [key, version] of points) {
      conflict = Math.max(conflict, recent.newestOf(key, version, through));
      oldest = Math.min(oldest, version);
    }
    for (const { from, to, version } of ranges) {
      conflict = Math.max(conflict, recent.newestIn(from, to, version, through));
      oldest = Math.min(oldest, version);
    }
    if (conflict > 0) {
      mark('store.conflict');
      throw new ConflictError(conflict);
    }
    if (oldest < recent.floor) {
      mark('store.tooOld');
      throw new CoreError(
        'TRANSACTION_TOO_OLD',
        'too many commits followed what the transaction read; run it again',
      );
    }
  }

  private append(transaction: OptimisticTransaction): Promise<CommitPosition> {
    const number = this.newest + 1;
    const mutations = [...transaction.writes.values()];
    for (const [index, { topic, value }] of transaction.outboxWrites.entries()) {
      mutations.push({ key: outboxKey(topic, number, index), value });
    }
    const record = this.backend.append(number, mutations, () => this.show(number));
    this.newest = number;
    // Outbox keys are new with each commit and need no memory: their readers read the visible state.
    this.recent.queued(number, [...transaction.writes.keys()]);
    return new Promise((resolve, reject) => {
      this.queue.push({ record, number, mutations, resolve, reject, waiting: undefined });
    });
  }

  /** Shows the oldest queued commit. */
  private show(number: number): void {
    if (this.ended !== undefined) return;
    const commit = this.queue.shift();
    assert(commit?.number === number, 'commits become visible in order');
    this.backend.apply(commit.record, number, commit.mutations);
    this.newestVisible = number;
    this.recent.visible(number, this.clock.now());
    this.watchers.changed(commit.mutations);
    commit.resolve(commitPosition(number));
    for (const proceed of commit.waiting ?? []) proceed();
  }

  private fail(cause: unknown): void {
    if (this.ended !== undefined) return;
    this.end(
      new CoreError('DISK_OFFLINE', 'the metadata journal failed; nothing more is served', {
        cause,
      }),
    );
  }

  private end(error: CoreError): void {
    this.ended = error;
    const { queue } = this;
    this.queue = [];
    for (const commit of queue) {
      commit.reject(
        new CoreError(
          'COMMIT_UNKNOWN',
          'the store ended before the commit was known to be durable',
          {
            cause: error,
          },
        ),
      );
      for (const proceed of commit.waiting ?? []) proceed();
    }
    this.watchers.end(error);
  }

  ready(): Promise<void> | undefined {
    const { queue } = this;
    return queue.length < limits.metaCommitsQueuedMax ? this.backend.room() : shown(queue[0]);
  }

  settled(error: CoreError): Promise<void> | undefined {
    if (!(error instanceof ConflictError) || error.commit <= this.newestVisible) return undefined;
    mark('store.settles');
    return shown(this.queue[error.commit - this.newestVisible - 1]);
  }

  // --- watch, outbox, housekeeping ----------------------------------------------------------------

  watch(key: Uint8Array): { readonly changed: Promise<void>; cancel(): void } {
    this.assertServing();
    return this.watchers.watch(key);
  }

  readOutbox(
    topic: string,
    after: CommitPosition | undefined,
    limit: number,
  ): Promise<OutboxEntry[]> {
    return readOutbox(this, topic, after, limit);
  }

  trimOutbox(topic: string, through: CommitPosition): Promise<void> {
    return trimOutbox(this, topic, through);
  }

  maintain(): Promise<void> {
    return this.tokenKeeper.prune(this);
  }

  /** Waits for the commits under way, then refuses everything with UNAVAILABLE. */
  async close(): Promise<void> {
    await shown(this.queue.at(-1));
    if (this.ended === undefined) this.end(new CoreError('UNAVAILABLE', 'the store is closed'));
  }
}
