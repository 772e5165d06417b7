// What the optimistic resolver remembers: which commit wrote each key last, for the commits that a running
// transaction may have missed. Pure and synchronous; numbers are commit numbers, time is a parameter.
//
// A commit is remembered from the moment it is queued until limits.metaTransactionMsMax after it became
// visible: a transaction that read before then is too old to commit. When the keys exceed
// limits.metaConflictKeysMax the oldest visible commits are forgotten earlier; reads older than `floor` cannot
// be judged any more and make their transaction TRANSACTION_TOO_OLD.

import { SortedMap } from '../../base/sorted-map.ts';
import { limits } from '../../base/limits.ts';

interface RememberedCommit {
  readonly number: number;
  readonly keys: readonly string[];
  /** Clock time at which it became visible; undefined while it is queued. */
  visibleMs: number | undefined;
}

export class RecentWrites {
  private readonly newest = new SortedMap<number>((number) => number);
  /** In order of commit numbers, without gaps. Those before `first` are forgotten. */
  private commits: RememberedCommit[] = [];
  private first = 0;
  /** Keys of remembered commits, counted once per commit. */
  private keyCount = 0;
  /** Highest forgotten commit: a read at a lower version cannot be judged. */
  floor: number;
  private readonly keysMax: number;

  /** `floor` is the newest commit before the store opened. */
  constructor(floor: number, keysMax: number = limits.metaConflictKeysMax) {
    this.floor = floor;
    this.keysMax = keysMax;
  }

  queued(number: number, keys: readonly string[]): void {
    for (const key of keys) this.newest.set(key, number);
    this.commits.push({ number, keys, visibleMs: undefined });
    this.keyCount += keys.length;
  }

  /** Call in order of numbers. */
  visible(number: number, nowMs: number): void {
    const oldest = this.commits[this.first];
    if (oldest === undefined || number < oldest.number) return;
    const commit = this.commits[this.first + number - oldest.number];
    if (commit !== undefined) commit.visibleMs = nowMs;
    this.forget(nowMs);
  }

  /** Number of the newest commit that wrote `key`; 0 when none is remembered. */
  newestOf(key: string): number {
    return this.newest.get(key) ?? 0;
  }

  newestIn(from: string, to: string): number {
    return this.newest.largestMark(from, to);
  }

  private forget(nowMs: number): void {
    for (; this.first < this.commits.length; this.first++) {
      const commit = this.commits[this.first] as RememberedCommit;
      if (commit.visibleMs === undefined) break;
      const old = commit.visibleMs + limits.metaTransactionMsMax < nowMs;
      if (!old && this.keyCount <= this.keysMax) break;
      for (const key of commit.keys) {
        if (this.newest.get(key) === commit.number) this.newest.delete(key);
      }
      this.keyCount -= commit.keys.length;
      this.floor = commit.number;
    }
    if (this.first > 1024 && this.first * 2 > this.commits.length) {
      this.commits = this.commits.slice(this.first);
      this.first = 0;
    }
  }
}
