// What the optimistic resolver remembers: the keys written by the commits that a running transaction may have
// missed. Pure and synchronous; numbers are commit numbers, time is a parameter.
//
// A key's newest commit is found in a map. A range is looked for in the commits themselves, newest first: most
// transactions have missed few. Commits in whole runs of `runCommits` are searched in the run's sorted keys,
// made when the first range asks for them, so that a long transaction costs a search per run.
//
// A commit is remembered from the moment it is queued until limits.metaTransactionMsMax after it became
// visible: a transaction that read before then is too old to commit. When the keys exceed
// limits.metaConflictKeysMax the oldest visible commits are forgotten earlier; reads older than `floor` cannot
// be judged any more and make their transaction TRANSACTION_TOO_OLD.

import { assert } from '../../base/assert.ts';
import { lowerBound } from '../../base/bisect.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';

interface RememberedCommit {
  readonly number: number;
  readonly keys: readonly string[];
  /** Clock time at which it became visible; undefined while it is queued. */
  visibleMs: number | undefined;
}

const runCommits = 256;

export class RecentWrites {
  private readonly newest = new Map<string, number>();
  /** In order of commit numbers, without gaps. Those before `first` are forgotten. */
  private commits: (RememberedCommit | undefined)[] = [];
  private first = 0;
  /** Sorted keys of whole runs, by their last commit's number divided by `runCommits`. */
  private readonly runs = new Map<number, readonly string[]>();
  /** Keys of remembered commits, counted once per commit. */
  private keyCount = 0;
  private newestNumber: number;
  /** Highest forgotten commit: a read at a lower version cannot be judged. */
  floor: number;
  private readonly keysMax: number;

  /** `floor` is the newest commit before the store opened. */
  constructor(floor: number, keysMax: number = limits.metaConflictKeysMax) {
    this.floor = floor;
    this.newestNumber = floor;
    this.keysMax = keysMax;
  }

  queued(number: number, keys: readonly string[]): void {
    assert(number === this.newestNumber + 1, 'commits are numbered without gaps');
    this.newestNumber = number;
    for (const key of keys) this.newest.set(key, number);
    this.commits.push({ number, keys, visibleMs: undefined });
    this.keyCount += keys.length;
  }

  /** Call in order of numbers. */
  visible(number: number, nowMs: number): void {
    (this.at(number) as RememberedCommit).visibleMs = nowMs;
    this.forget(nowMs);
  }

  /** The same for one key. */
  newestOf(key: string, version: number, through = this.newestNumber): number {
    const newest = this.newest.get(key) ?? 0;
    if (newest <= version) return 0;
    return newest <= through ? newest : this.newestIn(key, `${key}\0`, version, through);
  }

  /** Number of the newest commit after `version` and up to `through` that wrote a key in [from, to); 0 when
   *  there is none. */
  newestIn(from: string, to: string, version: number, through = this.newestNumber): number {
    const oldest = Math.max(version, this.floor) + 1;
    for (let number = through; number >= oldest; number--) {
      const run = number / runCommits;
      if (Number.isInteger(run) && number - runCommits + 1 >= oldest) {
        if (!this.runTouches(run, from, to)) {
          number -= runCommits - 1;
          continue;
        }
      }
      if (this.at(number)?.keys.some((key) => key >= from && key < to) === true) return number;
    }
    return 0;
  }

  /** The commit of a number above `floor`. */
  private at(number: number): RememberedCommit | undefined {
    return this.commits[this.first + number - this.floor - 1];
  }

  private runTouches(run: number, from: string, to: string): boolean {
    let keys = this.runs.get(run);
    if (keys === undefined) {
      mark('store.run');
      const start = this.first + run * runCommits - runCommits - this.floor;
      const commits = this.commits.slice(start, start + runCommits);
      // Default order of strings is by code unit, which is the order of bytes here.
      keys = commits.flatMap((commit) => commit?.keys ?? []).toSorted();
      this.runs.set(run, keys);
    }
    const next = keys[lowerBound(keys, from)];
    return next !== undefined && next < to;
  }

  private forget(nowMs: number): void {
    for (; this.first < this.commits.length; this.first++) {
      const commit = this.commits[this.first] as RememberedCommit;
      if (commit.visibleMs === undefined) break;
      const old = commit.visibleMs + limits.metaTransactionMsMax < nowMs;
      if (!old) {
        if (this.keyCount <= this.keysMax) break;
        mark('store.forgotEarly');
      }
      for (const key of commit.keys) {
        if (this.newest.get(key) === commit.number) this.newest.delete(key);
      }
      this.keyCount -= commit.keys.length;
      this.floor = commit.number;
      this.runs.delete(Math.ceil(commit.number / runCommits));
      this.commits[this.first] = undefined;
    }
    if (this.first > 1024 && this.first * 2 > this.commits.length) {
      this.commits = this.commits.slice(this.first);
      this.first = 0;
    }
  }
}
