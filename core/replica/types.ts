// What a replica is asked, what replicas say to each other, and what the machine needs of the world (design 4.2,
// 4.3, 4.5). The machine never waits: everything that takes time is started through `ReplicaEnv` and continues in
// a callback, which compares the chain again before it acts.

import type { ErrorName } from '../base/errors.ts';
import type { ChainVer, ChunkId, TargetId, UpdateVer } from '../base/ids.ts';
import type { TagEntry } from '../store/tag-row.ts';
import type { ChunkChange, ChunkShape, UpdateTag } from '../store/types.ts';

export type { TagEntry } from '../store/tag-row.ts';

// --- what is stored ------------------------------------------------------------------------------

/** Names one update of a chunk for ever: one head assigns under one chain version, and no version twice, not even when
 *  the chunk is removed and made anew. A chunk's first version is therefore not always 1. */
export interface UpdateIdentity {
  readonly version: UpdateVer;
  /** Chain version under which the head assigned `version`. */
  readonly assigned: ChainVer;
}

export interface ContentState extends UpdateIdentity {
  readonly length: number;
  /** CRC32C of the logical content. */
  readonly crc32c: number;
  readonly sealed: boolean;
}

export interface PendingState extends ContentState {
  readonly tag: UpdateTag;
  /** The update removes the chunk; length and checksum are 0. */
  readonly remove: boolean;
}

/** A chunk on one replica; at least one member is there. */
export interface ReplicaRow {
  readonly committed?: ContentState;
  readonly pending?: PendingState;
  /** Goes along with the whole content. */
  readonly shape?: ChunkShape;
}

export interface FullContent {
  readonly bytes: Uint8Array;
  readonly crc32c: number;
  readonly sealed: boolean;
  readonly shape?: ChunkShape | undefined;
}

/** What an update does to a chunk: a change on top of the committed content, or all of it. */
export type UpdateBody =
  | {
      readonly kind: 'change';
      readonly change: ChunkChange;
      readonly shape?: ChunkShape | undefined;
    }
  | { readonly kind: 'full'; readonly content: FullContent }
  | { readonly kind: 'remove' };

/** Writes that are durable when their callback runs. */
export type StoreWrite =
  /** The next version on top of the committed content, with its tag; the committed content stays readable. */
  | {
      readonly kind: 'pending';
      readonly chunk: ChunkId;
      readonly identity: UpdateIdentity;
      readonly tag: UpdateTag;
      readonly body: UpdateBody;
    }
  /** A filled chunk: committed whatever was there. */
  | {
      readonly kind: 'replace';
      readonly chunk: ChunkId;
      readonly identity: UpdateIdentity;
      readonly tag: UpdateTag | undefined;
      readonly content: FullContent;
    }
  /** A chunk that the predecessor does not have (or has just removed). */
  | {
      readonly kind: 'erase';
      readonly chunk: ChunkId;
      readonly identity: UpdateIdentity | undefined;
      readonly tag: UpdateTag | undefined;
    }
  /** Of a target that enters SYNCING: all pending updates and the exactly-once table go. */
  | { readonly kind: 'forget' }
  /** Handed over at the end of a resync; the higher sequence of a channel stays. */
  | { readonly kind: 'tags'; readonly entries: readonly TagEntry[] }
  /** The chain version is noted (design 4.1). */
  | { readonly kind: 'note'; readonly version: ChainVer };

export type StoreOutcome =
  | { readonly ok: true }
  /** Nothing was changed. IO errors are not outcomes: they end the target. */
  | { readonly ok: false; readonly error: ErrorName };

// --- what clients ask ----------------------------------------------------------------------------

export interface UpdateRequest {
  readonly chainVersion: ChainVer;
  readonly chunk: ChunkId;
  readonly change: ChunkChange;
  readonly shape?: ChunkShape;
  readonly tag: UpdateTag;
}

export interface ReadRequest {
  readonly chainVersion: ChainVer;
  readonly chunk: ChunkId;
  readonly offset: number;
  readonly length: number;
}

/** routing: another chain version or another replica is meant · fenced: no lease · busy: try again · tail: ask the
 *  tail. `routing`, `fenced` and `busy` of an update leave its effect unknown: repeat it with the same tag. */
export type RefusalReason = 'routing' | 'fenced' | 'busy' | 'tail';

export type UpdateAnswer =
  | { readonly ok: true; readonly version: UpdateVer }
  | { readonly ok: false; readonly refused: RefusalReason; readonly chainVersion: ChainVer }
  /** It had no effect, and no copy of it will under the chain version that it named. Of a request that was sent
   *  several times it counts as an answer to the newest one alone: an older one, answered late, says nothing of
   *  what was sent under a newer chain version. Removing what is not there is CHUNK_NOT_FOUND. CANCELLED: the
   *  channel was used again; nothing is said of the effect. */
  | { readonly ok: false; readonly error: ErrorName };

export type ReadAnswer =
  | { readonly ok: true; readonly version: UpdateVer; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly refused: RefusalReason; readonly chainVersion: ChainVer }
  | { readonly ok: false; readonly error: ErrorName };

// --- what replicas say to each other -------------------------------------------------------------

/** Row of a replica in a resync snapshot: committed content alone, pending ones were dropped. */
export interface SnapshotRow extends ContentState {
  readonly chunk: ChunkId;
}

/** Chunks of a slice, and a digest over their (key, version, assigned, length, checksum, sealed). */
export interface SliceDigest {
  readonly count: number;
  readonly digest: number;
}

export type PeerBody =
  /** An update on its way to the tail. Without a body it asks whether the successor has it already. */
  | {
      readonly kind: 'forward';
      readonly chunk: ChunkId;
      readonly identity: UpdateIdentity;
      readonly tag: UpdateTag;
      readonly remove: boolean;
      readonly body: UpdateBody | undefined;
      /** What the sender had committed before it. */
      readonly base: ContentState | undefined;
    }
  | { readonly kind: 'sync-rows'; readonly after: ChunkId | undefined; readonly limit: number }
  | {
      readonly kind: 'sync-write';
      readonly chunk: ChunkId;
      readonly identity: UpdateIdentity;
      readonly content: FullContent;
    }
  | { readonly kind: 'sync-remove'; readonly chunk: ChunkId }
  | { readonly kind: 'sync-tags'; readonly entries: readonly TagEntry[] }
  | { readonly kind: 'sync-digest'; readonly slice: number }
  | { readonly kind: 'sync-done' }
  /** What cannot be was found: the receiver must not serve. */
  | { readonly kind: 'sync-failed'; readonly reason: string };

export type PeerReply =
  | { readonly kind: 'done'; readonly crc32c?: number }
  | { readonly kind: 'need-full' }
  /** The receiver is under another chain version: once both have learnt the newer one, the sender starts anew. */
  | { readonly kind: 'other-version' }
  /** Rows behind the asked key up to `upTo`; undefined: to the end. */
  | {
      readonly kind: 'rows';
      readonly rows: readonly SnapshotRow[];
      readonly upTo: ChunkId | undefined;
    }
  | { readonly kind: 'digest'; readonly digest: SliceDigest };

export type ReplicaMessage =
  | {
      readonly kind: 'call';
      readonly chainVersion: ChainVer;
      readonly incarnation: number;
      readonly link: number;
      readonly sequence: number;
      readonly call: number;
      readonly body: PeerBody;
    }
  | {
      readonly kind: 'reply';
      readonly chainVersion: ChainVer;
      readonly incarnation: number;
      readonly call: number;
      readonly reply: PeerReply;
    }
  /** From a replica with a pending update to the tail: which version is committed? */
  | {
      readonly kind: 'query';
      readonly chainVersion: ChainVer;
      readonly incarnation: number;
      readonly query: number;
      readonly chunk: ChunkId;
    }
  | {
      readonly kind: 'queried';
      readonly chainVersion: ChainVer;
      readonly incarnation: number;
      readonly query: number;
      /** undefined: refused, or too long pending. */
      readonly answer: UpdateIdentity | 'missing' | undefined;
    };

// --- what the machine needs of the world ---------------------------------------------------------

export interface ReplicaEnv {
  /** The target's lease holds now (design 4.4). */
  leaseHolds(): boolean;
  /** As of all writes whose callback ran, and of all commits. */
  row(chunk: ChunkId): ReplicaRow | undefined;
  /** The next rows in key order, fewer than `limit` only at the end: each as it was at some moment between the call and
   *  `done`. An index of many millions is read from disk, page by page. */
  rows(
    after: ChunkId | undefined,
    limit: number,
    done: (page: readonly (readonly [ChunkId, ReplicaRow])[]) => void,
  ): void;
  pendingChunks(): readonly ChunkId[];
  tag(session: number, channel: number): TagEntry | undefined;
  tags(): readonly TagEntry[];
  /** Writes to one chunk are durable in order; `forget` and `tags` after all before them, and before all after them;
   *  `note` by itself. The callback runs once, or never when the target ends. `forget`, `tags` and `note` are not
   *  refused. */
  persist(write: StoreWrite, done: (outcome: StoreOutcome) => void): void;
  /** The pending update becomes the committed content: in `row` at once, on disk with the next write. */
  commit(chunk: ChunkId): void;
  /** Bytes of the content that is committed, or pending, now; clipped at its length; undefined when they cannot
   *  be verified. The content is kept until then. */
  read(
    chunk: ChunkId,
    which: 'committed' | 'pending',
    range: { readonly offset: number; readonly length: number },
    done: (bytes: Uint8Array | undefined) => void,
  ): void;
  send(to: TargetId, message: ReplicaMessage): void;
  after(ms: number, fire: () => void): void;
  /** The target can go on no more without harm: it is taken offline, and the reason shown. */
  fatal(reason: string): void;
  /** The target has everything: from now on it is reported UPTODATE. */
  upToDate(): void;
}

export interface ReplicaSettings {
  /** A call without an answer is sent again, on a new link. */
  readonly callMs: number;
  /** Before a call is repeated that met another chain version. */
  readonly otherVersionMs: number;
  /** A read of a chunk whose update is pending waits at most so long. */
  readonly readWaitMs: number;
  readonly syncRows: number;
  /** Chunks that are transferred at the same time. */
  readonly syncWindow: number;
  /** Number of slices that digests are compared by. */
  readonly slices: number;
}

export function chunkKey({ blob, index }: ChunkId): string {
  return `${blob}/${index}`;
}

export function isSameUpdate(
  a: UpdateIdentity | undefined,
  b: UpdateIdentity | undefined,
): boolean {
  return a?.version === b?.version && a?.assigned === b?.assigned;
}

/** Of two updates of one chunk. */
export function isNewer(a: UpdateIdentity, b: UpdateIdentity): boolean {
  return a.assigned > b.assigned || (a.assigned === b.assigned && a.version > b.version);
}

export function isSameContent(a: ContentState | undefined, b: ContentState | undefined): boolean {
  return isSameUpdate(a, b) && a?.crc32c === b?.crc32c && a?.length === b?.length;
}
