// One optimistic transaction: reads the newest visible state, remembers the version of each read as its
// conflict, keeps its writes to itself until commit, and sees them in its own reads. It judges nothing; the
// store does at commit. Owns no buffers: bytes given to it must not change afterwards.

import { assert } from '../../base/assert.ts';
import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { byteKey } from '../../base/sorted-map.ts';
import type { KvMutation, KvRange } from '../../env/kv.ts';
import type {
  CommitPosition,
  KeyRange,
  MetaEntry,
  MetaReader,
  MetaTransaction,
  RangeRead,
} from '../meta-store.ts';
import { isReservedKey, tokenKey, tokenValue } from './keyspace.ts';
import { mergeOwnWrites } from './own-writes.ts';

/** The store as its transactions see it. */
export interface TransactionHost {
  /** Number of the newest visible commit. */
  readonly visible: number;
  nowMs(): number;
  wallMs(): number;
  /** @throws CoreError DISK_OFFLINE, UNAVAILABLE */
  assertServing(): void;
  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  range(range: KvRange): Promise<MetaEntry[]>;
  commit(transaction: OptimisticTransaction, before?: () => void): Promise<CommitPosition>;
  /** @throws CoreError CONFLICT, TRANSACTION_TOO_OLD when what it read does not hold any more */
  validate(transaction: OptimisticTransaction): void;
}

/** A range conflict: bounds as byte keys, and the newest commit that was visible when it was read. */
export interface RangeConflict {
  readonly from: string;
  readonly to: string;
  readonly version: number;
}

export interface OutboxWrite {
  readonly topic: string;
  readonly value: Uint8Array;
}

export class OptimisticTransaction implements MetaTransaction {
  readonly snapshot: MetaReader;
  /** By byte key: the version at the first read of the key. */
  readonly points = new Map<string, number>();
  readonly ranges: RangeConflict[] = [];
  readonly writes = new Map<string, KvMutation>();
  readonly outboxWrites: OutboxWrite[] = [];
  private readonly host: TransactionHost;
  private readonly startedMs: number;
  private readonly reads: TransactionReader;
  /** Keys, values and conflict bounds. */
  private bytes = 0;
  private over = false;

  constructor(host: TransactionHost) {
    this.host = host;
    this.startedMs = host.nowMs();
    this.reads = new TransactionReader(this, host, true);
    this.snapshot = new TransactionReader(this, host, false);
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.reads.get(key);
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.reads.getMany(keys);
  }

  range(range: RangeRead): Promise<MetaEntry[]> {
    return this.reads.range(range);
  }

  rangeMany(ranges: readonly RangeRead[]): Promise<MetaEntry[][]> {
    return this.reads.rangeMany(ranges);
  }

  conflict(range: KeyRange | Uint8Array): void {
    assert(!this.over, 'the transaction is over');
    if (range instanceof Uint8Array) this.addPoint(byteKey(range), this.host.visible);
    else this.addRange(byteKey(range.from), byteKey(range.to), this.host.visible);
  }

  set(key: Uint8Array, value: Uint8Array): void {
    assert(!isReservedKey(key), 'keyspaces O and T belong to the store');
    this.write(key, value);
  }

  delete(key: Uint8Array): void {
    assert(!isReservedKey(key), 'keyspaces O and T belong to the store');
    this.write(key, undefined);
  }

  /** Deletes rows of the keyspaces that belong to the store. */
  deleteReserved(keys: readonly Uint8Array[]): void {
    for (const key of keys) this.write(key, undefined);
  }

  outbox(topic: string, value: Uint8Array): void {
    this.checkValue(value);
    this.outboxWrites.push({ topic, value });
    this.grow(topic.length + value.length);
  }

  token(token: Uint8Array): void {
    const key = tokenKey(token);
    // The conflict makes two attempts with one token exclusive, however late the first one lands.
    this.addPoint(byteKey(key), this.host.visible);
    this.write(key, tokenValue(this.host.wallMs()));
  }

  commit(before?: () => void): Promise<CommitPosition> {
    assert(!this.over, 'the transaction is over');
    this.over = true;
    return this.host.commit(this, before);
  }

  /** Checks, without committing, that everything read still holds. @throws CoreError as the host's validate */
  validate(): void {
    this.over = true;
    this.host.validate(this);
  }

  get readOnly(): boolean {
    return this.writes.size === 0 && this.outboxWrites.length === 0;
  }

  /** @throws CoreError TRANSACTION_TOO_OLD */
  checkAge(): void {
    const ageMs = this.host.nowMs() - this.startedMs;
    if (ageMs > limits.metaTransactionMsMax) {
      throw new CoreError(
        'TRANSACTION_TOO_OLD',
        `the transaction began ${Math.round(ageMs)} ms ago, at most ${limits.metaTransactionMsMax} ms; run it again`,
      );
    }
  }

  checkUsable(): void {
    assert(!this.over, 'the transaction is over');
    this.host.assertServing();
  }

  addPoint(key: string, version: number): void {
    // The first read of a key is the strictest one.
    if (this.points.has(key)) return;
    this.points.set(key, version);
    this.grow(key.length);
    this.checkConflicts();
  }

  addRange(from: string, to: string, version: number): void {
    if (from >= to) return;
    this.ranges.push({ from, to, version });
    this.grow(from.length + to.length);
    this.checkConflicts();
  }

  private write(key: Uint8Array, value: Uint8Array | undefined): void {
    assert(!this.over, 'the transaction is over');
    assert(key.length > 0, 'a key has at least one byte');
    if (key.length > limits.metaKeyBytesMax) {
      throw tooLarge(`a key of ${key.length} bytes, at most ${limits.metaKeyBytesMax}`);
    }
    if (value !== undefined) this.checkValue(value);
    const name = byteKey(key);
    const replaced = this.writes.get(name);
    if (replaced !== undefined) this.grow(-key.length - (replaced.value?.length ?? 0));
    this.writes.set(name, { key, value });
    this.grow(key.length + (value?.length ?? 0));
  }

  private checkValue(value: Uint8Array): void {
    if (value.length > limits.metaValueBytesMax) {
      throw tooLarge(`a value of ${value.length} bytes, at most ${limits.metaValueBytesMax}`);
    }
  }

  private grow(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > limits.metaTransactionBytesMax) {
      throw tooLarge(`more than ${limits.metaTransactionBytesMax} bytes`);
    }
    const mutations = this.writes.size + this.outboxWrites.length;
    if (mutations > limits.metaMutationsMax) {
      throw tooLarge(`${mutations} mutations, at most ${limits.metaMutationsMax}`);
    }
  }

  private checkConflicts(): void {
    const conflicts = this.points.size + this.ranges.length;
    if (conflicts > limits.metaReadConflictsMax) {
      throw tooLarge(`${conflicts} read conflicts, at most ${limits.metaReadConflictsMax}`);
    }
  }
}

function tooLarge(what: string): CoreError {
  return new CoreError(
    'TRANSACTION_TOO_LARGE',
    `a transaction with ${what}; do it in several transactions`,
  );
}

/** The reads of a transaction, with conflicts or without. Versions are taken before the state is read: what
 *  commits in between counts as later, seen or not. */
class TransactionReader implements MetaReader {
  private readonly transaction: OptimisticTransaction;
  private readonly host: TransactionHost;
  private readonly conflicts: boolean;

  constructor(transaction: OptimisticTransaction, host: TransactionHost, conflicts: boolean) {
    this.transaction = transaction;
    this.host = host;
    this.conflicts = conflicts;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.transaction.checkUsable();
    const name = byteKey(key);
    const own = this.transaction.writes.get(name);
    if (own !== undefined) return own.value;
    if (this.conflicts) this.transaction.addPoint(name, this.host.visible);
    return this.host.get(key);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.transaction.checkUsable();
    const version = this.host.visible;
    const own = keys.map((key) => {
      const name = byteKey(key);
      const write = this.transaction.writes.get(name);
      if (write === undefined && this.conflicts) this.transaction.addPoint(name, version);
      return write;
    });
    if (own.every((write) => write === undefined)) return this.host.getMany(keys);
    const found = await this.host.getMany(keys.filter((_, at) => own[at] === undefined));
    let next = 0;
    return own.map((write) => (write === undefined ? found[next++] : write.value));
  }

  async range(range: RangeRead): Promise<MetaEntry[]> {
    this.transaction.checkUsable();
    checkRange(range);
    const version = this.host.visible;
    const from = byteKey(range.from);
    const to = byteKey(range.to);
    if (from >= to || range.limit === 0) return [];
    const own = ownWritesIn(this.transaction.writes, from, to);
    // Each own write can hide one stored entry, so this many always fill the page.
    const stored = await this.host.range({ ...range, limit: range.limit + own.length });
    const page = own.length === 0 ? stored : mergeOwnWrites(stored, own, range);
    if (this.conflicts) this.addConflict(range, from, to, page, version);
    return page;
  }

  async rangeMany(ranges: readonly RangeRead[]): Promise<MetaEntry[][]> {
    return Promise.all(ranges.map((range) => this.range(range)));
  }

  /** A full page says nothing about what lies behind it. */
  private addConflict(
    range: RangeRead,
    from: string,
    to: string,
    page: readonly MetaEntry[],
    version: number,
  ): void {
    const last = page.length < range.limit ? undefined : page.at(-1);
    if (last === undefined) this.transaction.addRange(from, to, version);
    else if (range.reverse === true) this.transaction.addRange(byteKey(last[0]), to, version);
    else this.transaction.addRange(from, `${byteKey(last[0])}\0`, version);
  }
}

/** Asserts the bounds of a range read that limits cannot excuse. */
export function checkRange(range: RangeRead): void {
  assert(
    Number.isSafeInteger(range.limit) &&
      range.limit >= 0 &&
      range.limit <= limits.metaRangeEntriesMax,
    `range limit ${range.limit}`,
  );
}

function ownWritesIn(
  writes: ReadonlyMap<string, KvMutation>,
  from: string,
  to: string,
): [string, KvMutation][] {
  if (writes.size === 0) return [];
  return [...writes].filter(([key]) => key >= from && key < to);
}
