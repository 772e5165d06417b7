// A target's disk in virtual time: what is written becomes durable in order and in groups, one sync in flight; a commit
// shows at once and is durable with a later group. A crash keeps a prefix of the group in flight.

import { Buffer } from 'node:buffer';
import { assert } from '../../../core/base/assert.ts';
import type { ChainVer, ChunkId, TargetId } from '../../../core/base/ids.ts';
import type { TargetEnv } from '../../../core/replica/host.ts';
import {
  type ReplicaRow,
  type StoreOutcome,
  type StoreWrite,
  chunkKey,
} from '../../../core/replica/types.ts';
import { pointOfMessage, pointOfWrite } from './fault-points.ts';
import type { Observer } from './observer.ts';
import type { DiskImage } from './target-disk.ts';
import type { World } from './world.ts';

interface Entry {
  readonly write: StoreWrite | { readonly kind: 'commit'; readonly chunk: ChunkId };
  readonly done: ((outcome: StoreOutcome) => void) | undefined;
}

const nothing = { bytes: Buffer.alloc(0), crc32c: 0, sealed: false };

/** A commit mark alone is flushed after this time. */
const markFlushMs = 20;

/** A target that a store process runs: simulated, or the chunk engine's (engine-sim-target.ts). */
export interface ClusterTarget {
  readonly env: TargetEnv;
  readonly noted: ChainVer;
  /** What is on disk, once nothing is on its way. */
  readonly durable: DiskImage;
  slowness: number;
  failNext: boolean;
  /** Opens what the last crash left; `ready` runs at once or later. */
  open(ready: () => void): void;
  crash(): void;
  /** Looks at everything that is stored, and reports to the observer. */
  verify?(): Promise<void>;
}

export type MakeTarget = (parts: SimTargetParts) => ClusterTarget;

export interface SimTargetParts {
  readonly world: World;
  readonly id: TargetId;
  readonly image: DiskImage;
  readonly send: TargetEnv['send'];
  /** A timer or completion of the process: it runs if the process is still there, when it is not paused. */
  readonly later: (ms: number, run: () => void) => void;
  readonly observer: Observer;
  /** Whether the replica serves by the chain version that it acts under. */
  readonly serves: () => boolean;
  readonly onIoError: () => void;
  /** What it has of former times is dropped: a copy of the disk as it was. */
  readonly forgets: (copy: DiskImage) => void;
  /** The process takes a step at which it may die. */
  readonly reach: (point: string) => void;
}

export class SimTarget implements ClusterTarget {
  private readonly parts: SimTargetParts;
  /** Durable state, which survives. */
  readonly durable: DiskImage;
  /** What the process sees. */
  private readonly view: DiskImage;
  private queue: Entry[] = [];
  private syncing: Entry[] | undefined;
  private flushing = false;
  private dead = false;
  /** Multiplies the time of a sync. */
  slowness = 1;
  /** The next sync fails, and with it the disk. */
  failNext = false;
  /** No space for new data. */
  full = false;
  /** The next transfer of a filling is said to be written and is not: the disk lies. */
  loseNext = false;
  /** It did, in this filling: the machine repairs it once, and gives the target up the second time. */
  private lied = false;

  constructor(parts: SimTargetParts) {
    this.parts = parts;
    this.durable = parts.image;
    this.view = parts.image.copy();
  }

  open(ready: () => void): void {
    ready();
  }

  get noted(): ChainVer {
    return this.durable.noted;
  }

  get env(): TargetEnv {
    const { view, parts } = this;
    return {
      row: (chunk) => view.row(chunk),
      rows: (after, limit, done) =>
        parts.later(0.1 * this.slowness, () => done(this.page(after, limit))),
      pendingChunks: () =>
        view.sorted().flatMap(({ chunk, pending }) => (pending === undefined ? [] : [chunk])),
      tag: (session, channel) => view.tags.get(`${session}/${channel}`),
      tags: () => [...view.tags.values()],
      persist: (write, done) => {
        this.queue.push({ write, done });
        this.pump();
        parts.reach(pointOfWrite('persist', write));
      },
      commit: (chunk) => {
        const pending = view.chunks.get(chunkKey(chunk))?.pending;
        assert(pending !== undefined, 'what is committed is pending');
        const { state: update, bytes } = pending;
        parts.observer.committed(parts.id, { chunk, update, bytes, serves: parts.serves() });
        view.commit(chunk);
        this.queue.push({ write: { kind: 'commit', chunk }, done: undefined });
        this.flushSoon();
        parts.reach('commit');
      },
      read: (chunk, which, { offset, length }, done) => {
        const stored = view.chunks.get(chunkKey(chunk));
        const content = which === 'committed' ? stored?.committed : stored?.pending;
        const bytes = content?.bytes.subarray(offset, offset + length);
        parts.later(0.1 * this.slowness * (1 + parts.world.prng.unit()), () => done(bytes));
      },
      send: (to, message) => {
        parts.send(to, message);
        parts.reach(pointOfMessage(message));
      },
      after: parts.later,
    };
  }

  private page(
    after: ChunkId | undefined,
    limit: number,
  ): readonly (readonly [ChunkId, ReplicaRow])[] {
    const all = this.view.sorted();
    const from = after === undefined ? 0 : all.findIndex(({ chunk }) => isBehind(chunk, after));
    if (from < 0) return [];
    return all.slice(from, from + limit).map(({ chunk, row }) => [chunk, row] as const);
  }

  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    this.parts.later(markFlushMs, () => {
      this.flushing = false;
      this.pump();
    });
  }

  private pump(): void {
    if (this.syncing !== undefined || this.queue.length === 0 || this.dead) return;
    this.syncing = this.queue;
    this.queue = [];
    const ms = (0.2 + this.parts.world.prng.unit()) * this.slowness;
    this.parts.later(ms, () => this.synced());
  }

  private synced(): void {
    const group = this.syncing ?? [];
    if (this.failNext) {
      this.dead = true;
      this.parts.onIoError();
      return;
    }
    this.syncing = undefined;
    const refused = new Set(group.filter(({ write }) => this.isRefused(write)));
    const lost = new Set(group.filter(({ write }) => this.isLost(write)));
    const isStored = (entry: Entry): boolean => !refused.has(entry) && !lost.has(entry);
    for (const entry of group) if (isStored(entry)) this.keep(entry.write, this.parts.serves());
    for (const entry of group) {
      const { write, done } = entry;
      if (write.kind === 'commit') continue;
      this.parts.reach(pointOfWrite('durable', write));
      if (isStored(entry)) this.view.apply(write);
      done?.(refused.has(entry) ? { ok: false, error: 'DISK_FULL' } : { ok: true });
    }
    this.pump();
  }

  /** A full disk takes what makes room and what is small. */
  private isRefused(write: Entry['write']): boolean {
    if (!this.full) return false;
    return write.kind === 'replace' || (write.kind === 'pending' && write.body.kind !== 'remove');
  }

  private isLost(write: Entry['write']): boolean {
    if (write.kind === 'forget') this.lied = false;
    if (!this.loseNext || this.lied || this.parts.serves()) return false;
    // What comes after the digests is compared with nothing: a live update, which has a tag.
    const isTransfer = write.kind === 'replace' || write.kind === 'erase';
    if (!isTransfer || write.tag !== undefined) return false;
    this.loseNext = false;
    this.lied = true;
    return true;
  }

  private keep(write: Entry['write'], serves: boolean): void {
    if (write.kind === 'commit') {
      this.durable.commit(write.chunk);
      return;
    }
    if (write.kind === 'forget') this.parts.forgets(this.durable.copy());
    this.durable.apply(write);
    tellObserver(this.parts, write, serves);
  }

  /** The process is gone: of the group in flight a prefix is on disk. */
  crash(): void {
    if (this.dead) return;
    this.dead = true;
    const group = this.syncing ?? [];
    const kept = this.parts.world.prng.below(group.length + 1);
    for (const { write } of group.slice(0, kept))
      if (!this.isRefused(write)) this.keep(write, false);
  }
}

function isBehind(a: ChunkId, b: ChunkId): boolean {
  return a.blob === b.blob ? a.index > b.index : a.blob > b.blob;
}

/** What a target that is being filled takes whole is committed at once; it may have begun to serve meanwhile. */
export function tellObserver(
  { observer, id }: Pick<SimTargetParts, 'observer' | 'id'>,
  write: StoreWrite,
  serves: boolean,
): void {
  if (write.kind === 'forget') observer.forgot(id);
  if ((write.kind !== 'erase' && write.kind !== 'replace') || write.tag === undefined) return;
  const { chunk, identity, tag } = write;
  if (identity === undefined) return;
  const { version, assigned } = identity;
  const remove = write.kind === 'erase';
  const content = remove ? nothing : write.content;
  const { crc32c, sealed } = content;
  const bytes = Buffer.from(content.bytes);
  const update = { version, assigned, tag, remove, length: bytes.length, crc32c, sealed };
  observer.committed(id, { chunk, update, bytes, serves });
}
