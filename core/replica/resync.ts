// Filling the SYNCING successor (design 4.5): range by range, its rows first and then the own ones; each transfer
// under the chunk's lock; then the exactly-once table, a digest of every slice, and the word that it is complete.
// A new chain version ends the job, whatever it was doing; the next one begins anew.

import type { ChunkId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { type Chain, successorOf } from '../chain/chain.ts';
import type { ChunkLocks } from './chunk-locks.ts';
import { decide } from './decide.ts';
import type { SuccessorLink } from './links.ts';
import { digestOf, sliceOf } from './slices.ts';
import {
  type PeerBody,
  type PeerReply,
  type ReplicaEnv,
  type ReplicaRow,
  type ReplicaSettings,
  type SliceDigest,
  type SnapshotRow,
  type TagEntry,
  chunkKey,
} from './types.ts';

export interface ResyncParts {
  readonly env: ReplicaEnv;
  readonly settings: ReplicaSettings;
  readonly locks: ChunkLocks;
  readonly link: SuccessorLink;
  readonly self: TargetId;
}

type OwnRow = readonly [ChunkId, ReplicaRow];

interface Work {
  readonly chunk: ChunkId;
  readonly how: 'send' | 'remove';
}

export class Resync {
  private readonly parts: ResyncParts;
  /** Counts the jobs: what belongs to an earlier one is dropped. */
  private job = 0;

  constructor(parts: ResyncParts) {
    this.parts = parts;
  }

  /** The link is reset already. */
  setChain(chain: Chain): void {
    this.job++;
    const { self } = this.parts;
    const me = chain.targets.find(({ id }) => id === self);
    if (me?.state !== 'SERVING' || successorOf(chain, self)?.state !== 'SYNCING') return;
    this.fillFrom(
      undefined,
      () => true,
      () => this.handOver(),
    );
  }

  /** A callback that does nothing once the job is over. */
  private mine<T>(run: (value: T) => void): (value: T) => void {
    const { job } = this;
    return (value) => {
      if (job === this.job) run(value);
    };
  }

  private call(body: PeerBody, onReply: (reply: PeerReply) => void): void {
    this.parts.link.call(body, this.mine(onReply));
  }

  private fail(chunk: string, what: string): void {
    // The successor must not serve: it leaves, with this reason, and an operator looks at it.
    this.call({ kind: 'sync-failed', reason: `${chunk}: ${what}` }, () => undefined);
  }

  // --- rows --------------------------------------------------------------------------------------

  /** All chunks behind `after` that are in `range`; then `done`. At a time as far as a page of both reaches: who is
   *  empty is sent the rest of a target page by page, too. */
  private fillFrom(
    after: ChunkId | undefined,
    range: (chunk: ChunkId) => boolean,
    done: () => void,
  ): void {
    const { syncRows } = this.parts.settings;
    this.call({ kind: 'sync-rows', after, limit: syncRows }, (reply) => {
      if (reply.kind !== 'rows') return;
      const compared = this.mine((own: readonly OwnRow[]) => {
        const upTo = nearer(reply.upTo, own.length < syncRows ? undefined : own.at(-1)?.[0]);
        const within = (chunk: ChunkId): boolean => upTo === undefined || !isBehind(chunk, upTo);
        const work = this.compare(
          own.filter(([chunk]) => within(chunk)),
          reply.rows.filter(({ chunk }) => within(chunk)),
          range,
        );
        if (work === undefined) return;
        this.transfer(work, () => {
          if (upTo === undefined) done();
          else this.fillFrom(upTo, range, done);
        });
      });
      this.parts.env.rows(after, syncRows, compared);
    });
  }

  /** What differs in a range of both. @returns undefined when it must not go on */
  private compare(
    own: readonly OwnRow[],
    remote: readonly SnapshotRow[],
    range: (chunk: ChunkId) => boolean,
  ): Work[] | undefined {
    const theirs = new Map(remote.map((row) => [chunkKey(row.chunk), row]));
    const work: Work[] = [];
    for (const [chunk, row] of own) {
      const other = theirs.get(chunkKey(chunk));
      theirs.delete(chunkKey(chunk));
      if (!range(chunk)) continue;
      const how = decide(row, other);
      if (how === 'fatal') {
        this.fail(`chunk ${chunkKey(chunk)}`, 'the returning target is ahead of a serving one');
        return undefined;
      }
      if (how !== 'skip') work.push({ chunk, how });
    }
    for (const { chunk } of theirs.values()) if (range(chunk)) work.push({ chunk, how: 'remove' });
    return work;
  }

  // --- transfers ---------------------------------------------------------------------------------

  private transfer(work: readonly Work[], done: () => void): void {
    let next = 0;
    let running = 0;
    const pump = (): void => {
      if (next === work.length && running === 0) {
        done();
        return;
      }
      while (running < this.parts.settings.syncWindow && next < work.length) {
        running++;
        this.transferOne(work[next++] as Work, () => {
          running--;
          pump();
        });
      }
    };
    pump();
  }

  private transferOne({ chunk, how }: Work, done: () => void): void {
    const { locks } = this.parts;
    const { job } = this;
    const finish = (): void => {
      locks.release(chunk);
      if (job === this.job) done();
    };
    locks.acquire(
      chunk,
      () => {
        if (job !== this.job) locks.release(chunk);
        else if (how === 'remove') this.removeRemote(chunk, finish);
        else this.sendChunk(chunk, finish);
      },
      () => undefined,
    );
  }

  /** The lock falls with the job when no answer comes any more. */
  private underLock(chunk: ChunkId, body: PeerBody, finish: () => void): void {
    this.held.set(chunkKey(chunk), finish);
    this.call(body, () => {
      this.held.delete(chunkKey(chunk));
      finish();
    });
  }

  private readonly held = new Map<string, () => void>();

  /** Before the next job: locks that wait for answers of the former link. */
  dropLocks(): void {
    this.job++;
    const held = [...this.held.values()];
    this.held.clear();
    for (const finish of held) finish();
  }

  private removeRemote(chunk: ChunkId, finish: () => void): void {
    if (this.parts.env.row(chunk) === undefined)
      this.underLock(chunk, { kind: 'sync-remove', chunk }, finish);
    else finish();
  }

  private sendChunk(chunk: ChunkId, finish: () => void): void {
    const row = this.parts.env.row(chunk);
    const committed = row?.committed;
    if (committed === undefined) {
      finish();
      return;
    }
    const { version, assigned, length, crc32c, sealed } = committed;
    const { job } = this;
    this.parts.env.read(chunk, 'committed', { offset: 0, length }, (bytes) => {
      if (job !== this.job) {
        finish();
        return;
      }
      if (bytes === undefined) {
        this.parts.env.fatal(`chunk ${chunkKey(chunk)}: cannot be read to fill another target`);
        return;
      }
      const content = { bytes, crc32c, sealed, shape: row?.shape };
      const identity = { version, assigned };
      this.underLock(chunk, { kind: 'sync-write', chunk, identity, content }, finish);
    });
  }

  // --- the end -----------------------------------------------------------------------------------

  private handOver(): void {
    // What is pending here reaches the successor with its own tag; the tag alone would answer a repeated request for
    // an update that nobody has.
    const entries = this.parts.env.tags().filter(({ chunk, session, channel, sequence }) => {
      const tag = this.parts.env.row(chunk)?.pending?.tag;
      const isPending =
        tag?.session === session && tag.channel === channel && tag.sequence === sequence;
      return !isPending;
    });
    this.sendTags(entries);
  }

  /** In pages that fit a message; what is newer came, and comes, with live updates. */
  private sendTags(entries: readonly TagEntry[]): void {
    const page = entries.slice(0, limits.tagsPerRecordMax);
    this.call({ kind: 'sync-tags', entries: page }, () => {
      if (page.length < entries.length) this.sendTags(entries.slice(page.length));
      else this.compareSlice(0, true);
    });
  }

  private compareSlice(slice: number, mayRepair: boolean): void {
    const { env, settings, locks } = this.parts;
    if (slice === settings.slices) {
      this.call({ kind: 'sync-done' }, () => undefined);
      return;
    }
    const inSlice = (chunk: ChunkId): boolean => sliceOf(chunk, settings.slices) === slice;
    const compare = this.mine((own: SliceDigest) => {
      this.call({ kind: 'sync-digest', slice }, (reply) => {
        locks.lower();
        if (reply.kind !== 'digest') return;
        const { count, digest } = reply.digest;
        if (count === own.count && digest === own.digest) this.compareSlice(slice + 1, true);
        else if (mayRepair)
          this.fillFrom(undefined, inSlice, () => this.compareSlice(slice, false));
        else this.fail(`slice ${slice}`, 'differs after it was transferred again');
      });
    });
    const { slices, syncRows: page } = settings;
    locks.raise(inSlice, () => digestOf(env, { slice, slices, page }, compare));
  }
}

/** The end that comes first; undefined: none. */
function nearer(a: ChunkId | undefined, b: ChunkId | undefined): ChunkId | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isBehind(a, b) ? b : a;
}

function isBehind(a: ChunkId, b: ChunkId): boolean {
  return a.blob === b.blob ? a.index > b.index : a.blob > b.blob;
}
