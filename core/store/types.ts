// The interfaces of core/store that other layers see: the journal, its users, the journaled table and the
// chunk store. Formats: docs/internals/journal.md and docs/internals/disk-format.md.

import type { CoreError } from '../base/errors.ts';
import type {
  ChainVer,
  ChunkId,
  RecordNumber,
  SessionId,
  TargetId,
  UpdateVer,
} from '../base/ids.ts';
import type { KvEntry, KvMutation, KvRange } from '../env/kv.ts';
import type { PlacingStore } from './place.ts';

// --- journal -------------------------------------------------------------------------------------

/** Kinds of journal records. Part of the disk format; numbers are never reused. */
export const recordKind = {
  /** A chunk's new absolute state, with its bytes when they are small. */
  chunk: 1,
  /** Placement facts of the chunk store: slab made or freed, block lengths, fold and compaction results. */
  space: 2,
  /** A metadata transaction: mutations with absolute values. */
  meta: 3,
  /** A frame of a log chunk (design 6). Format reserved in docs/internals/journal.md. */
  logFrame: 4,
  /** A cut of a log chunk's tail (design 6). Reserved. */
  logCut: 5,
  /** A chunk's commit mark, journaled without waiting (design 4.2). */
  commitMark: 6,
  /** The exactly-once table of a target was dropped, or entries were handed over to it. */
  tags: 7,
} as const;
export type RecordKind = (typeof recordKind)[keyof typeof recordKind];

export interface Ticket {
  /** Records are numbered without gaps; a durable record implies that every lower one is durable. */
  readonly number: RecordNumber;
  /** Resolves after the fdatasync of the record's group. Rejects with DISK_OFFLINE when it failed. */
  readonly durable: Promise<void>;
}

export interface JournalRecord {
  readonly number: RecordNumber;
  readonly kind: RecordKind;
  /** Valid until the callback's promise resolves; copy what outlives it. */
  readonly payload: Uint8Array;
}

/** A component whose state is recovered from the journal. One checkpoint covers every user (design 4.6 rule 5). */
export interface JournalUser {
  readonly name: string;
  readonly kinds: readonly RecordKind[];
  /** Called in record order for each record at or above the superblock's number, of the user's kinds. */
  replay(record: JournalRecord): void | Promise<void>;
  /** Before the first `replay`: records from `from` to the one below `next` will come. What lies below
   *  `from` must be there without the journal, and nothing of `next` or later can be.
   *  @throws CoreError DISK_REFUSED when the user's files are not of this journal's time */
  recovering?(from: RecordNumber, next: RecordNumber): void;
  /** After the last record; the user may then serve. */
  replayed(): Promise<void>;
  /** Makes every record below `below` recoverable without the journal: bytes placed and synced, `level`
   *  batches written with sync. Updates go on meanwhile; later records may be included. Must not wait for
   *  `Journal.room`. `onDurable` of every record below `below` has run before. */
  checkpoint(below: RecordNumber): Promise<void>;
  /** The checkpoint is durable: no recovery will replay a record below `below` again, so that positions
   *  freed by such records may be reused (rule 4). */
  checkpointed?(below: RecordNumber): void;
}

/** Bytes of a record; with their CRC32C where it is known, so that they are not read for it. */
export type RecordPart = Uint8Array | { readonly bytes: Uint8Array; readonly crc32c: number };

export interface Journal {
  /** Queues a record; synchronous, so that records appended in one turn keep their order and share a group.
   *  The parts must not change until the ticket is durable. `onDurable` is called synchronously when the
   *  record became durable, in record order and before `Ticket.durable` resolves: the place to make a record
   *  visible, since no checkpoint can come between. @throws CoreError DISK_OFFLINE, LIMIT_EXCEEDED, and BUSY
   *  when callers that skip `room` overfill the queue */
  append(kind: RecordKind, parts: readonly RecordPart[], onDurable?: () => void): Ticket;
  /** As `append`, of a small record that nobody waits for: it is written with the next record of others, or after
   *  `journalLazyMs`. It keeps its place in the order of records. @throws CoreError DISK_OFFLINE, LIMIT_EXCEEDED */
  appendLazily(kind: RecordKind, parts: readonly RecordPart[], onDurable?: () => void): Ticket;
  /** Waits while the journal is full (rule 8). Call before `append` of `bytes`. */
  room(bytes: number): Promise<void>;
  /** Number of the newest durable record. */
  readonly durableNumber: RecordNumber;
  /** Runs a checkpoint now; concurrent calls share one. */
  checkpoint(): Promise<void>;
  /** Calls `listener` once when the journal goes offline, at once if it already is. */
  onOffline(listener: (error: CoreError) => void): void;
}

// --- journaled table -----------------------------------------------------------------------------

/** An ordered table whose changes are durable through the journal and written to `level` lazily: a sorted
 *  in-memory overlay over a Kv, every stored value carrying a CRC32C over key and value. */
export interface Table {
  /** Sees only what `apply` was given. Synchronous when the overlay knows the key. @throws CORRUPT */
  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  range(range: KvRange): Promise<KvEntry[]>;
  /** Makes a durable record's mutations visible. Call in record order, after the record is durable. The values
   *  belong to the table from then on: nobody changes them. */
  apply(number: RecordNumber, mutations: readonly KvMutation[]): void;
  /** Writes everything applied below `below` to the Kv with sync: the table's part of a checkpoint. */
  flush(below: RecordNumber): Promise<void>;
  /** Whether the Kv is of the time of a journal that holds the records from `from` to below `next`: an
   *  index that lost its newest batches, or an older copy, would otherwise pass for a whole one.
   *  @throws CoreError DISK_REFUSED */
  expect(from: RecordNumber, next: RecordNumber): void;
  /** Bytes held in the overlay. */
  readonly overlayBytes: number;
}

// --- chunk store ---------------------------------------------------------------------------------

/** Names an update for exactly-once replay (design 4.2). */
export interface UpdateTag {
  readonly session: SessionId;
  readonly channel: number;
  readonly sequence: number;
}

export type ChunkChange =
  /** Overwrites or extends; a gap between the old length and `offset` is filled with zeros.
   *  `crc32c` is the sender's checksum of `bytes`, verified before anything is stored; undefined when nobody
   *  stated one. `given`: nobody changes `bytes` any more, so that they are kept without a copy. */
  | {
      readonly kind: 'write';
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly crc32c: number | undefined;
      readonly given?: boolean;
    }
  | { readonly kind: 'truncate'; readonly length: number }
  | { readonly kind: 'seal' }
  | { readonly kind: 'remove' };

/** How a chunk is laid out; a hint, and no part of its content. */
export interface ChunkShape {
  /** 64 KiB by default; 4 KiB for blobs that are read at random. Fixed at the chunk's first write. */
  readonly checksumUnitBytes?: number;
  /** Length that the chunk will have when it is whole, of a write that begins it: its block is chosen for
   *  that, so that the pieces that follow are appended in place. */
  readonly expectedBytes?: number;
}

export interface ChunkUpdate extends ChunkShape {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  readonly change: ChunkChange;
  /** Version that the head assigns; a chain of one target lets the store assign the next one. */
  readonly version?: UpdateVer;
  readonly chainVersion: ChainVer;
  readonly tag: UpdateTag;
  /** The chunk is known not to exist (a fresh blob id): no index lookup. */
  readonly fresh?: boolean;
}

export interface ChunkState {
  readonly version: UpdateVer;
  readonly chainVersion: ChainVer;
  readonly length: number;
  /** CRC32C of the chunk's logical content. */
  readonly crc32c: number;
  readonly sealed: boolean;
  readonly log: boolean;
}

/** An update that is planned, its space reserved and its large bytes synced, not yet in the journal. The
 *  chunk's engine lock is held from `stage` until the record is durable or the stage is aborted. */
export interface StagedUpdate {
  /** Appends the record. Synchronous: several stages and a metadata commit submitted in one turn are one
   *  group or consecutive ones, in that order (design 4.6, "put(chunk updates, transaction)"). */
  submit(): Ticket;
  abort(): void;
  /** The state that the chunk has once durable; undefined after a remove. */
  readonly next: ChunkState | undefined;
}

export interface ChunkRead {
  readonly state: ChunkState;
  /** The requested bytes, clipped at the chunk's length; verified against their unit checksums. */
  readonly bytes: Uint8Array;
  /** CRC32C of `bytes`, for the check end to end. */
  readonly crc32c: number;
}

export interface StoreSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Bytes in blocks that chunks own, slack included. */
  readonly usedBytes: number;
  /** New data is refused (DISK_FULL); reads, removes and replication go on. */
  readonly full: boolean;
}

export interface ChunkStore extends PlacingStore {
  /** @throws CoreError CHECKSUM_MISMATCH, DISK_FULL, DISK_OFFLINE, CHUNK_NOT_FOUND, CHUNK_SEALED, LIMIT_EXCEEDED */
  stage(update: ChunkUpdate): Promise<StagedUpdate>;
  /** stage, submit and wait: the usual single update. */
  update(update: ChunkUpdate): Promise<ChunkState | undefined>;
  /** @param into `length` bytes that a read of whole checksum units may use for what comes from the disk; whether
   *  it did shows in the answer's bytes. Nobody else touches it until the promise settles.
   *  @throws CoreError CHUNK_NOT_FOUND, CORRUPT */
  read(
    target: TargetId,
    chunk: ChunkId,
    offset: number,
    length: number,
    into?: Buffer,
  ): Promise<ChunkRead>;
  stat(target: TargetId, chunk: ChunkId): Promise<ChunkState | undefined>;
  /** Chunks of a target in key order after `after`, at most `limit`: recovery, fsck, scrub, janitor. */
  scan(
    target: TargetId,
    after: ChunkId | undefined,
    limit: number,
  ): Promise<{ chunk: ChunkId; state: ChunkState }[]>;
  space(): StoreSpace;
  /** For whoever adds rows to the same disk without a chunk. @throws CoreError DISK_FULL when new data is refused */
  admit(): void;
}
