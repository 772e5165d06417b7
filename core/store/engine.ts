// The chunk engine of one disk: updates, reads and recovery of chunks (design 4.6). It joins the parts that
// know one thing each: allocator (which blocks), slab files (bytes on disk), placements (bytes in memory),
// reader (verified content), drafter (next content), and commits through the disk's journal.
//
// An update: lock the chunk → draft its next row, large bytes written and synced → append one record with
// the absolute result → when that is durable, and only then, make it visible and free what it replaced.
// Recovery replays the same records through the same function. Formats, and how each ordering rule is kept:
// docs/internals/disk-format.md.

import { assert } from '../base/assert.ts';
import { CoreError } from '../base/errors.ts';
import type { ChunkId, RecordNumber, TargetId, UpdateVer } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import { prefixEnd } from '../base/bytes.ts';
import type { Events } from '../env/events.ts';
import type { KvMutation } from '../env/kv.ts';
import type { Allocator } from './allocator.ts';
import { ChunkLocks } from './chunk-lock.ts';
import type { ChunkReader } from './chunk-reader.ts';
import {
  type ChunkRecord,
  type Section,
  chunkRecordBytes,
  decodeChunkRecord,
  decodeSpaceRecord,
  encodeChunkRecord,
} from './chunk-record.ts';
import {
  type ChunkRow,
  assertUnit,
  chunkOfKey,
  decodeRow,
  emptyContent,
  encodeRow,
  positionsOf,
  rowKey,
  stateOf,
  targetKey,
} from './chunk-row.ts';
import type { Draft, Drafter, Written } from './draft.ts';
import type { Placements } from './placements.ts';
import { pageCeil, slabOf } from './position.ts';
import { slabKey } from './slab.ts';
import type { SlabFiles } from './slab-files.ts';
import type { SpaceManager } from './space.ts';
import { encodeSummary, summaryKey } from './summary.ts';
import type { Superblock, TargetSuperblock } from './superblock.ts';
import {
  type ChunkChange,
  type ChunkRead,
  type ChunkState,
  type ChunkStore,
  type ChunkUpdate,
  type Journal,
  type JournalRecord,
  type JournalUser,
  type StagedUpdate,
  type StoreSpace,
  type Table,
  type Ticket,
  type UpdateTag,
  recordKind,
} from './types.ts';
import { combineUnits, unitChecksums } from './unit-checksums.ts';

export interface EngineParts {
  readonly table: Table;
  readonly allocator: Allocator;
  readonly files: SlabFiles;
  readonly placements: Placements;
  readonly reader: ChunkReader;
  readonly drafter: Drafter;
  readonly space: SpaceManager;
  readonly events: Events;
  readonly diskIdentity: Uint8Array;
  readonly targets: ReadonlyMap<TargetId, Superblock<TargetSuperblock>>;
}

/** A planned record: everything but the block counts, which are known when it is submitted. */
interface Planned {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  readonly next: ChunkRow | undefined;
  readonly encoded: Uint8Array | undefined;
  readonly draft: Draft;
  readonly tag: UpdateTag;
  readonly release: () => void;
}

/** Tag of folds and moves: they change no content and answer nobody. */
const noTag = { session: 0, channel: 0, sequence: 0 } as UpdateTag;

export class ChunkEngine implements ChunkStore, JournalUser {
  readonly name = 'chunks';
  readonly kinds = [recordKind.chunk, recordKind.space, recordKind.commitMark] as const;
  readonly parts: EngineParts;
  private readonly locks = new ChunkLocks();
  private journal: Journal | undefined;
  private failure: CoreError | undefined;
  private lastApplied = 0;
  /** Slabs that replayed records name and nobody knows: a later record must remove them. */
  private readonly unknownSlabs = new Set<number>();
  /** Told of every chunk that has patches after an update: what the background may fold. */
  onPatched: (target: TargetId, chunk: ChunkId, patches: number) => void = () => undefined;
  /** Told once, when the disk stops accepting updates. */
  onOffline: (error: CoreError) => void = () => undefined;

  constructor(parts: EngineParts) {
    this.parts = parts;
    // Rule 4: freeing cancels outstanding placements, once no reader needs the bytes.
    parts.allocator.onForgotten = (position) => parts.placements.cancel(position);
  }

  /** The journal that was opened with this engine among its users; updates are accepted from now on. */
  serve(journal: Journal): void {
    this.journal = journal;
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

  usedJournal(): Journal {
    if (this.failure !== undefined) throw this.offlineError(this.failure);
    if (this.journal === undefined)
      throw new CoreError('UNAVAILABLE', 'the chunk store is not open yet');
    return this.journal;
  }

  private offlineError(cause: CoreError): CoreError {
    return new CoreError('DISK_OFFLINE', `the disk is offline: ${cause.message}`, { cause });
  }

  get targets(): TargetId[] {
    return [...this.parts.targets.keys()];
  }

  get appliedNumber(): number {
    return this.lastApplied;
  }

  // --- updates -----------------------------------------------------------------------------------

  async update(update: ChunkUpdate): Promise<ChunkState | undefined> {
    const staged = await this.stage(update);
    await staged.submit().durable;
    return staged.next;
  }

  async stage(update: ChunkUpdate): Promise<StagedUpdate> {
    const { target, chunk, change } = update;
    this.usedJournal();
    this.checkTarget(target);
    const unitBytes = update.checksumUnitBytes ?? limits.checksumUnitBytes;
    assertUnit(unitBytes);
    const written = checkChange(change, unitBytes);
    if (change.kind === 'write') this.parts.space.admit();
    const release = await this.locks.acquire(lockKey(target, chunk));
    try {
      const row = update.fresh === true ? undefined : await this.row(target, chunk);
      const version = checkVersion(update, row);
      const before = row ?? newRow(update, unitBytes);
      const draft = await this.draft(update, row, before, written);
      const sealed = before.sealed || change.kind === 'seal';
      const { chainVersion } = update;
      const next =
        change.kind === 'remove'
          ? undefined
          : { ...before, version, chainVersion, sealed, content: draft.content };
      return await this.staged({ target, chunk, next, draft, release, tag: update.tag });
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Moves a chunk's content into a block of its own without changing it: fold and compaction.
   *  @returns whether there was anything to do */
  async rewrite(
    target: TargetId,
    chunk: ChunkId,
    wanted: (row: ChunkRow) => boolean,
  ): Promise<boolean> {
    const release = await this.locks.acquire(lockKey(target, chunk));
    let staged: StagedUpdate;
    try {
      const row = await this.row(target, chunk);
      // Design 4.6: fold runs only without a pending update.
      if (row === undefined || row.pending !== undefined || !wanted(row)) {
        release();
        return false;
      }
      const draft = await this.parts.drafter.rewrite({ target, chunk }, row);
      const next = { ...row, content: draft.content };
      staged = await this.staged({ target, chunk, next, draft, release, tag: noTag });
    } catch (error) {
      release();
      throw error;
    }
    await staged.submit().durable;
    return true;
  }

  private draft(
    update: ChunkUpdate,
    row: ChunkRow | undefined,
    before: ChunkRow,
    written: Written | undefined,
  ): Promise<Draft> {
    const { target, chunk, change } = update;
    const place = { target, chunk };
    const { drafter } = this.parts;
    if (change.kind === 'remove') {
      const freed = row === undefined ? [] : positionsOf(row.content);
      return Promise.resolve({ content: emptyContent, taken: [], freed, sections: [] });
    }
    if (change.kind !== 'write' && row === undefined)
      throw new CoreError('CHUNK_NOT_FOUND', `no chunk ${chunk.blob}/${chunk.index}`);
    if (change.kind === 'seal')
      return Promise.resolve({ content: before.content, taken: [], freed: [], sections: [] });
    if (before.sealed)
      throw new CoreError('CHUNK_SEALED', `chunk ${chunk.blob}/${chunk.index} is sealed`);
    if (change.kind === 'truncate') return drafter.truncate(place, before, change.length);
    assert(written !== undefined, 'a write has bytes');
    if (before.unitBytes === unitBytesOf(update)) return drafter.write(place, before, written);
    const checksums = unitChecksums([written.bytes], before.unitBytes);
    return drafter.write(place, before, { ...written, checksums });
  }

  private async staged(planned: Omit<Planned, 'encoded'>): Promise<StagedUpdate> {
    const { drafter, placements } = this.parts;
    const { target, chunk, draft, next, tag, release } = planned;
    const encoded = next === undefined ? undefined : encodeRow(next);
    try {
      const { sections } = draft;
      await placements.room();
      await this.usedJournal().room(
        chunkRecordBytes({ target, chunk, row: encoded, tag, sections }),
      );
    } catch (error) {
      drafter.drop(draft);
      throw error;
    }
    let open = true;
    const end = (): void => {
      assert(open, 'a staged update is submitted or aborted once');
      open = false;
    };
    const abort = (): void => {
      drafter.drop(draft);
      release();
    };
    return {
      next: next === undefined ? undefined : stateOf(next),
      submit: () => {
        end();
        try {
          return this.submit({ ...planned, encoded });
        } catch (error) {
          abort();
          throw error;
        }
      },
      abort: () => {
        end();
        mark('engine.abort');
        abort();
      },
    };
  }

  private submit(planned: Planned): Ticket {
    const { target, chunk, next, encoded, draft, tag, release } = planned;
    const { allocator } = this.parts;
    const journal = this.usedJournal();
    const refs = [
      ...draft.taken.map((position) => [position, allocator.submit(position, 1)] as const),
      ...draft.freed.map((position) => [position, allocator.submit(position, -1)] as const),
    ];
    const { sections } = draft;
    const record: ChunkRecord = { target, chunk, row: encoded, tag, refs, sections };
    let ticket: Ticket;
    try {
      ticket = journal.append(recordKind.chunk, encodeChunkRecord(record), () => {
        this.apply(ticket.number, record, sections);
        const patches = next?.content.patches.length ?? 0;
        if (patches > 0) this.onPatched(target, chunk, patches);
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
      this.fail(error as CoreError);
      release();
    });
    return ticket;
  }

  /** Replay may write these bytes from now on, until a checkpoint passes the record. */
  private noteSections(number: number, sections: readonly Section[]): void {
    for (const { position, from, bytes } of sections)
      this.parts.allocator.journaled(position, number, pageCeil(from + bytes.length));
  }

  /** A record became durable, now or before a restart: its row, block counts and bytes come into force. */
  private apply(number: RecordNumber, record: ChunkRecord, sections: readonly Section[]): void {
    const { table, allocator, placements } = this.parts;
    const key = rowKey(record.target, record.chunk);
    table.apply(number, [{ key, value: record.row }]);
    this.lastApplied = number;
    for (const [position, refs] of record.refs)
      if (!allocator.apply(position, refs)) this.unknownSlabs.add(slabOf(position));
    for (const section of sections) placements.add(section);
    allocator.drain();
    placements.nudge();
  }

  private checkTarget(target: TargetId): void {
    if (!this.parts.targets.has(target))
      throw new CoreError('INVALID_ARGUMENT', `target ${target} is not on this disk`);
  }

  // --- reads -------------------------------------------------------------------------------------

  async read(target: TargetId, chunk: ChunkId, offset: number, length: number): Promise<ChunkRead> {
    if (!isCount(offset) || !isCount(length))
      throw new CoreError('INVALID_ARGUMENT', `read of ${length} bytes at ${offset}`);
    this.checkTarget(target);
    const { allocator, reader } = this.parts;
    const inside = allocator.epochs.enter();
    try {
      const row = await this.row(target, chunk);
      if (row === undefined || row.version === 0)
        throw new CoreError('CHUNK_NOT_FOUND', `no chunk ${chunk.blob}/${chunk.index}`);
      const { content, unitBytes } = row;
      const from = Math.min(offset, content.length);
      const to = Math.min(offset + length, content.length);
      const found = await reader.read({ target, chunk }, content, unitBytes, from, to);
      return { state: stateOf(row), bytes: found.bytes, crc32c: found.crc32c };
    } finally {
      allocator.epochs.leave(inside);
      allocator.drain();
    }
  }

  async stat(target: TargetId, chunk: ChunkId): Promise<ChunkState | undefined> {
    this.checkTarget(target);
    const row = await this.row(target, chunk);
    return row === undefined ? undefined : stateOf(row);
  }

  async scan(
    target: TargetId,
    after: ChunkId | undefined,
    limit: number,
  ): Promise<{ chunk: ChunkId; state: ChunkState }[]> {
    const rows = await this.rows(target, after, limit);
    return rows.map(([chunk, row]) => ({ chunk, state: stateOf(row) }));
  }

  /** Rows of a target in key order. */
  async rows(
    target: TargetId,
    after: ChunkId | undefined,
    limit: number,
  ): Promise<(readonly [ChunkId, ChunkRow])[]> {
    this.checkTarget(target);
    const prefix = targetKey(target);
    const to = prefixEnd(prefix);
    assert(to !== undefined, 'a prefix with an end');
    // Exclusive start: the smallest key behind `after`.
    const from = after === undefined ? prefix : Uint8Array.from([...rowKey(target, after), 0]);
    const entries = await this.parts.table.range({ from, to, limit });
    return entries.map(([key, value]) => [chunkOfKey(key), decodeRow(value)] as const);
  }

  private async row(target: TargetId, chunk: ChunkId): Promise<ChunkRow | undefined> {
    const found = this.parts.table.get(rowKey(target, chunk));
    const value = found instanceof Promise ? await found : found;
    return value === undefined ? undefined : decodeRow(value);
  }

  space(): StoreSpace {
    return this.parts.space.space();
  }

  // --- recovery and checkpoints (JournalUser) ----------------------------------------------------

  async replay(record: JournalRecord): Promise<void> {
    if (record.kind === recordKind.space) {
      const change = decodeSpaceRecord(record.payload);
      this.parts.space.replay(change);
      if (change.kind === 'removed') this.unknownSlabs.delete(change.slab);
      return;
    }
    if (record.kind !== recordKind.chunk)
      throw new CoreError(
        'DISK_REFUSED',
        `journal record ${record.number} is of kind ${record.kind}, which only chains of several ` +
          'targets write; start a build that has them',
      );
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

  async replayed(): Promise<void> {
    const { space, placements, files } = this.parts;
    const [unknown] = this.unknownSlabs;
    if (unknown !== undefined)
      throw new CoreError(
        'DISK_REFUSED',
        `the journal names slab ${unknown}, which the index does not know: a slab row was lost; ` +
          'restore the index from a backup or rebuild this disk from replicas',
      );
    await space.reconcile();
    // Rule 6: bytes that survived only in the page cache are made durable before they are shown.
    await placements.placeAll();
    await files.syncAll();
    await space.refresh();
  }

  /** Rule 5: bytes placed and synced, then rows of slabs and chunks written with sync. */
  async checkpoint(below: RecordNumber): Promise<void> {
    if (this.failure !== undefined) throw this.offlineError(this.failure);
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
    const { allocator, space, diskIdentity } = this.parts;
    const rows: KvMutation[] = [];
    for (const number of allocator.takeRemoved())
      rows.push({ key: slabKey(number), value: undefined });
    for (const slab of allocator.slabs()) {
      if (!slab.dirty) continue;
      slab.dirty = false;
      rows.push({ key: slabKey(slab.number), value: slab.encode() });
    }
    const { nextSlab, slabs } = space;
    const value = encodeSummary({ diskIdentity, nextSlab, slabs });
    rows.push({ key: summaryKey, value });
    return rows;
  }
}

function lockKey(target: TargetId, chunk: ChunkId): string {
  return `${target}/${chunk.blob}/${chunk.index}`;
}

function unitBytesOf(update: ChunkUpdate): number {
  return update.checksumUnitBytes ?? limits.checksumUnitBytes;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** @throws CoreError INVALID_ARGUMENT, LIMIT_EXCEEDED, CHECKSUM_MISMATCH */
function checkChange(change: ChunkChange, unitBytes: number): Written | undefined {
  if (change.kind === 'seal' || change.kind === 'remove') return undefined;
  const end = change.kind === 'write' ? change.offset + change.bytes.length : change.length;
  if (!isCount(end) || (change.kind === 'write' && !isCount(change.offset)))
    throw new CoreError('INVALID_ARGUMENT', `${change.kind} up to ${end}`);
  if (end > limits.blockBytesMax)
    throw new CoreError(
      'LIMIT_EXCEEDED',
      `a chunk of ${end} bytes, ${limits.blockBytesMax} at most`,
    );
  if (change.kind === 'truncate') return undefined;
  const { offset, bytes } = change;
  // One pass gives the checksums to store and the one to compare.
  const checksums = unitChecksums([bytes], unitBytes);
  const crc = combineUnits(checksums, bytes.length, unitBytes);
  if (crc !== change.crc32c)
    throw new CoreError('CHECKSUM_MISMATCH', `${bytes.length} bytes do not match their checksum`);
  return { offset, bytes, crc32c: crc, checksums };
}

function checkVersion(update: ChunkUpdate, row: ChunkRow | undefined): UpdateVer {
  const next = ((row?.version ?? 0) + 1) as UpdateVer;
  const mismatch = (what: string): CoreError =>
    new CoreError(
      'CHUNK_VERSION_MISMATCH',
      `chunk ${update.chunk.blob}/${update.chunk.index}: ${what}`,
    );
  if (row?.pending !== undefined) throw mismatch(`update ${row.pending.version} is pending`);
  if (update.version !== undefined && update.version !== next)
    throw mismatch(`update ${update.version} does not follow ${next - 1}`);
  if (row !== undefined && update.chainVersion < row.chainVersion)
    throw mismatch(`chain version ${update.chainVersion} is older than ${row.chainVersion}`);
  return next;
}

function newRow(update: ChunkUpdate, unitBytes: number): ChunkRow {
  return {
    version: 0 as UpdateVer,
    chainVersion: update.chainVersion,
    epoch: 0,
    unitBytes,
    sealed: false,
    log: false,
    content: emptyContent,
  };
}
