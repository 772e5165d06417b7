// How chunk records get into force: submitted to the journal, applied when durable, replayed after a crash,
// covered by checkpoints. The one place that changes the index and the block counts, so the live path and
// recovery cannot part. Ordering rules of design 4.6 that are kept here: 1 (absolute records, nothing enters
// the table before it is durable), 5 (checkpoint), 6 (nothing is shown that could be lost).

import { assert } from '../base/assert.ts';
import { CoreError, toCoreError } from '../base/errors.ts';
import type { ChunkId, RecordNumber, TargetId, UpdateVer } from '../base/ids.ts';
import { mark } from '../base/mark.ts';
import type { Events } from '../env/events.ts';
import type { KvMutation } from '../env/kv.ts';
import type { Allocator } from './allocator.ts';
import { lockKey } from './chunk-lock.ts';
import {
  type ChunkRecord,
  type RefChange,
  type Section,
  type TagsRecord,
  decodeChunkRecord,
  decodeCommitMark,
  decodeSpaceRecord,
  decodeTagsRecord,
  encodeChunkRecord,
  encodeCommitMark,
  encodeTagsRecord,
} from './chunk-record.ts';
import {
  type ChunkRow,
  blocksOf,
  committedRow,
  decodeRow,
  encodeRow,
  isPending,
  rowKey,
} from './chunk-row.ts';
import type { Draft } from './draft.ts';
import type { PendingIndex } from './pending-index.ts';
import type { Placements } from './placements.ts';
import { pageCeil, slabOf } from './position.ts';
import { slabKey } from './slab.ts';
import type { SlabFiles } from './slab-files.ts';
import type { SpaceManager } from './space.ts';
import { encodeSummary, summaryKey } from './summary.ts';
import type { JournaledTable } from './table.ts';
import type { TagTables } from './tag-tables.ts';
import {
  type Journal,
  type JournalRecord,
  type JournalUser,
  type Ticket,
  type UpdateTag,
  recordKind,
} from './types.ts';

export interface CommitParts {
  readonly table: JournaledTable;
  readonly allocator: Allocator;
  readonly files: SlabFiles;
  readonly placements: Placements;
  readonly space: SpaceManager;
  readonly pendings: PendingIndex;
  readonly tags: TagTables;
  readonly events: Events;
  readonly diskIdentity: Uint8Array;
}

/** A planned record: everything but the block counts, which are known when it is submitted. */
export interface Planned {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  /** undefined: the chunk is removed. */
  readonly next: ChunkRow | undefined;
  /** `next`, encoded. */
  readonly row: Uint8Array | undefined;
  readonly draft: Draft;
  readonly tag: UpdateTag;
  /** The tag enters the exactly-once table with this version. */
  readonly tagged?: UpdateVer | undefined;
  /** Unlocks the chunk: when the record is in force or can never be. */
  readonly release: () => void;
}

export class ChunkCommits implements JournalUser {
  readonly name = 'chunks';
  readonly kinds = [
    recordKind.chunk,
    recordKind.space,
    recordKind.commitMark,
    recordKind.tags,
  ] as const;
  private readonly parts: CommitParts;
  private openJournal: Journal | undefined;
  private failure: CoreError | undefined;
  private lastApplied = 0;
  /** Rows whose commit mark is on its way: newer than the table's; undefined: the chunk is gone. */
  private readonly marked = new Map<string, { readonly row: ChunkRow | undefined }>();
  /** Slabs that replayed records name and nobody knows: a later record must remove them. */
  private readonly unknownSlabs = new Set<number>();
  /** Told of every chunk that has patches after an update: what the background may fold. */
  onPatched: (target: TargetId, chunk: ChunkId, patches: number) => void = () => undefined;
  /** Told once, when the disk stops accepting updates. */
  onOffline: (error: CoreError) => void = () => undefined;

  constructor(parts: CommitParts) {
    this.parts = parts;
    // Rule 4: freeing cancels outstanding placements, once no reader needs the bytes.
    parts.allocator.onForgotten = (position) => parts.placements.cancel(position);
  }

  serve(journal: Journal): void {
    this.openJournal = journal;
  }

  get offline(): CoreError | undefined {
    return this.failure;
  }

  /** Takes the disk offline for updates; reads that can be verified go on. The first failure counts. */
  fail(error: CoreError): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.parts.events.emit('error', 'disk-offline', { reason: error.message });
    this.onOffline(error);
  }

  /** @throws CoreError DISK_OFFLINE, UNAVAILABLE before `serve` */
  get journal(): Journal {
    if (this.failure !== undefined) throw offlineError(this.failure);
    if (this.openJournal === undefined)
      throw new CoreError('UNAVAILABLE', 'the chunk store is not open yet');
    return this.openJournal;
  }

  /** Appends the record; it comes into force when it is durable. @throws CoreError DISK_OFFLINE, BUSY */
  submit(planned: Planned): Ticket {
    const { target, chunk, next, row, draft, tag, tagged, release } = planned;
    const { allocator } = this.parts;
    const { journal } = this;
    const refs = [
      ...draft.taken.map((position) => [position, allocator.submit(position, 1)] as const),
      ...draft.freed.map((position) => [position, allocator.submit(position, -1)] as const),
    ];
    const { sections } = draft;
    const untagged = { target, chunk, row, tag, refs, sections };
    const record: ChunkRecord = tagged === undefined ? untagged : { ...untagged, tagged };
    let ticket: Ticket;
    try {
      ticket = journal.append(recordKind.chunk, encodeChunkRecord(record), () => {
        this.apply(ticket.number, record, sections);
        if (next?.pending === undefined) this.notePatches(target, chunk, next);
        release();
      });
    } catch (error) {
      for (const position of draft.taken) allocator.unsubmit(position, 1);
      for (const position of draft.freed) allocator.unsubmit(position, -1);
      throw error;
    }
    this.noteSections(ticket.number, sections);
    // The journal failed: nobody gets an answer, and nothing waits for this chunk for ever.
    ticket.durable.catch((error: unknown) => {
      this.fail(toCoreError(error));
      release();
    });
    return ticket;
  }

  private notePatches(target: TargetId, chunk: ChunkId, row: ChunkRow | undefined): void {
    const patches = row?.content.patches.length ?? 0;
    if (patches > 0) this.onPatched(target, chunk, patches);
  }

  /** The chunk's row where it is newer than the table's. */
  ahead(target: TargetId, chunk: ChunkId): { readonly row: ChunkRow | undefined } | undefined {
    return this.marked.size === 0 ? undefined : this.marked.get(lockKey(target, chunk));
  }

  /** The pending update becomes the committed content, at once for all that ask the engine, in the table and on
   *  disk with the next records. @throws CoreError DISK_OFFLINE */
  commit(target: TargetId, chunk: ChunkId, before: ChunkRow): void {
    const { allocator } = this.parts;
    const { pending } = before;
    assert(pending !== undefined, 'what is committed is pending');
    const row = committedRow(before);
    const kept = new Set(blocksOf(row));
    const freed = blocksOf(before).filter((position) => !kept.has(position));
    const refs = freed.map((position) => [position, allocator.submit(position, -1)] as const);
    const { version, chainVersion } = pending;
    const key = lockKey(target, chunk);
    const newest = { row };
    const payload = encodeCommitMark({ target, chunk, version, chainVersion, refs });
    let ticket: Ticket;
    try {
      ticket = this.journal.appendLazily(recordKind.commitMark, [payload], () => {
        const encoded = row === undefined ? undefined : encodeRow(row);
        this.apply(ticket.number, { target, chunk, row: encoded, refs }, []);
        if (this.marked.get(key) === newest) this.marked.delete(key);
        this.notePatches(target, chunk, row);
      });
    } catch (error) {
      for (const position of freed) allocator.unsubmit(position, -1);
      throw error;
    }
    this.marked.set(key, newest);
    ticket.durable.catch((error: unknown) => this.fail(toCoreError(error)));
  }

  /** @throws CoreError DISK_OFFLINE, BUSY */
  submitTags(record: TagsRecord): Ticket {
    const payload = encodeTagsRecord(record);
    const ticket: Ticket = this.journal.append(recordKind.tags, [payload], () =>
      this.applyTags(ticket.number, record),
    );
    return ticket;
  }

  private applyTags(number: RecordNumber, record: TagsRecord): void {
    this.parts.table.apply(number, this.parts.tags.apply(record));
    this.lastApplied = number;
  }

  /** Replay may write these bytes from now on, until a checkpoint passes the record. */
  private noteSections(number: number, sections: readonly Section[]): void {
    for (const { position, from, bytes } of sections)
      this.parts.allocator.journaled(position, number, pageCeil(from + bytes.length));
  }

  /** A record became durable, now or before a restart: its row, block counts and bytes come into force. */
  private apply(number: RecordNumber, record: Applied, sections: readonly Section[]): void {
    const { table, allocator, placements, pendings } = this.parts;
    const { target, chunk, row } = record;
    const rows: KvMutation[] = [{ key: rowKey(target, chunk), value: row }];
    if (record.tagged !== undefined && record.tag !== undefined)
      rows.push(
        ...this.parts.tags.merge(target, [{ ...record.tag, chunk, version: record.tagged }]),
      );
    table.apply(number, rows);
    this.lastApplied = number;
    pendings.note(target, chunk, isPending(row));
    for (const [position, refs] of record.refs)
      if (!allocator.apply(position, refs)) this.unknownSlabs.add(slabOf(position));
    for (const section of sections) placements.add(section);
    allocator.drain();
    placements.nudge();
  }

  // --- recovery and checkpoints ------------------------------------------------------------------

  recovering(from: RecordNumber, next: RecordNumber): void {
    this.parts.table.expect(from, next);
  }

  async replay(record: JournalRecord): Promise<void> {
    if (record.kind === recordKind.space) {
      const change = decodeSpaceRecord(record.payload);
      this.parts.space.replay(change);
      if (change.kind === 'removed') this.unknownSlabs.delete(change.slab);
      return;
    }
    if (record.kind === recordKind.commitMark) return this.replayMark(record);
    if (record.kind === recordKind.tags) {
      this.applyTags(record.number, decodeTagsRecord(record.payload));
      return;
    }
    const decoded = decodeChunkRecord(record.payload);
    const row = decoded.row === undefined ? undefined : Uint8Array.from(decoded.row);
    // A slab that a later record removes has no file any more; its bytes need not go anywhere.
    const sections = decoded.sections
      .filter((section) => this.parts.space.hasFile(slabOf(section.position)))
      .map((section) => ({ ...section, bytes: Uint8Array.from(section.bytes) }));
    this.noteSections(record.number, sections);
    this.apply(record.number, { ...decoded, row }, sections);
    await this.parts.placements.room();
    mark('engine.replay');
  }

  /** The row is the one before the mark, or a later one that replay has yet to restate, when the index was newer. */
  private async replayMark({ number, payload }: JournalRecord): Promise<void> {
    const { target, chunk, version, chainVersion, refs } = decodeCommitMark(payload);
    const bytes = await this.parts.table.get(rowKey(target, chunk));
    const row = bytes === undefined ? undefined : decodeRow(bytes);
    const isNext = row?.pending?.version === version && row.pending.chainVersion === chainVersion;
    const committed = row !== undefined && isNext ? committedRow(row) : row;
    const encoded = committed === undefined ? undefined : encodeRow(committed);
    this.apply(number, { target, chunk, row: encoded, refs }, []);
    if (isNext) mark('engine.replayCommit');
    else mark('engine.replayCommitted');
  }

  async replayed(): Promise<void> {
    const { space } = this.parts;
    const [unknown] = this.unknownSlabs;
    if (unknown !== undefined)
      throw new CoreError(
        'DISK_REFUSED',
        `the journal names slab ${unknown}, which the index does not know: a slab row was lost; ` +
          'restore the index from a backup or rebuild this disk from replicas',
      );
    this.parts.allocator.replayed();
    await space.reconcile();
    await space.refresh();
  }

  /** Rule 5: bytes placed and synced, then rows of slabs and chunks written with sync. */
  async checkpoint(below: RecordNumber): Promise<void> {
    if (this.failure !== undefined) throw offlineError(this.failure);
    const { table, placements, files } = this.parts;
    await placements.placeAll();
    await files.syncAll();
    // All of these are results of durable records; those at or above `below` are replayed as well.
    this.lastApplied = Math.max(this.lastApplied, below - 1);
    table.apply(this.lastApplied as RecordNumber, this.spaceRows());
    await table.flush((this.lastApplied + 1) as RecordNumber);
    mark('engine.checkpoint');
  }

  checkpointed(below: RecordNumber): void {
    this.parts.allocator.checkpointDone(below);
  }

  private spaceRows(): KvMutation[] {
    const { allocator, space, diskIdentity, pendings } = this.parts;
    const rows: KvMutation[] = pendings.takeDirty();
    for (const number of allocator.takeDirty())
      rows.push({ key: slabKey(number), value: allocator.slab(number)?.encode() });
    const { nextSlab, slabs } = space;
    const value = encodeSummary({ diskIdentity, nextSlab, slabs });
    rows.push({ key: summaryKey, value });
    return rows;
  }
}

/** What of a record comes into force beside its bytes. */
interface Applied {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  readonly row: Uint8Array | undefined;
  readonly refs: readonly RefChange[];
  readonly tag?: UpdateTag;
  readonly tagged?: UpdateVer;
}

function offlineError(cause: CoreError): CoreError {
  return new CoreError('DISK_OFFLINE', `the disk is offline: ${cause.message}`, { cause });
}
