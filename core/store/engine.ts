// The chunk engine of one disk: updates, reads and recovery of chunks (design 4.6). It joins the parts that
// know one thing each: allocator (which blocks), slab files (bytes on disk), placements (bytes in memory),
// reader (verified content), drafter (next content), and commits through the disk's journal.
//
// An update: lock the chunk → draft its next row, large bytes written and synced → append one record with
// the absolute result → when that is durable, and only then, make it visible and free what it replaced.
// Recovery replays the same records through the same function. Formats, and how each ordering rule is kept:
// docs/internals/disk-format.md.

import { assert } from '../base/assert.ts';
import { prefixEnd } from '../base/bytes.ts';
import { CoreError, isCoreError } from '../base/errors.ts';
import type { ChainVer, ChunkId, RecordNumber, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import { ChunkLocks, lockKey } from './chunk-lock.ts';
import type { ChunkReader, Place } from './chunk-reader.ts';
import { chunkRecordBytes } from './chunk-record.ts';
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
import { ChunkCommits, type CommitParts, type Planned } from './commits.ts';
import type { Draft, Drafter, Written } from './draft.ts';
import type { ChunkPlace } from './place.ts';
import type { Superblock, TargetSuperblock } from './superblock.ts';
import { TargetStore } from './target-store.ts';
import type {
  ChunkChange,
  ChunkRead,
  ChunkState,
  ChunkStore,
  ChunkUpdate,
  Journal,
  JournalRecord,
  JournalUser,
  StagedUpdate,
  StoreSpace,
  Ticket,
} from './types.ts';
import { unitChecksums } from './unit-checksums.ts';
import { checkChange, checkVersion, isCount, newRow, noTag } from './update-checks.ts';

export interface EngineParts extends CommitParts {
  readonly reader: ChunkReader;
  readonly drafter: Drafter;
  readonly targets: ReadonlyMap<TargetId, Superblock<TargetSuperblock>>;
}

/** What `stageNext` stages. */
export type NextRow = Pick<Planned, 'next' | 'draft' | 'tag' | 'tagged'>;

export class ChunkEngine implements ChunkStore, JournalUser {
  readonly parts: EngineParts;
  readonly commits: ChunkCommits;
  private readonly locks = new ChunkLocks();
  private readonly stores = new Map<TargetId, TargetStore>();
  private closed = false;

  constructor(parts: EngineParts) {
    this.parts = parts;
    this.commits = new ChunkCommits(parts);
  }

  /** The journal that was opened with this engine among its users; updates are accepted from now on. */
  serve(journal: Journal): void {
    this.commits.serve(journal);
  }

  /** Why updates are refused, once a write or sync of the disk failed. */
  get offline(): CoreError | undefined {
    return this.commits.offline;
  }

  get targets(): TargetId[] {
    return [...this.parts.targets.keys()];
  }

  /** A target as a member of a chain of several. @throws CoreError INVALID_ARGUMENT: it is not on this disk */
  target(id: TargetId): TargetStore {
    this.checkTarget(id);
    let store = this.stores.get(id);
    if (store === undefined) {
      store = new TargetStore(this, id);
      this.stores.set(id, store);
    }
    return store;
  }

  superblockOf(target: TargetId): TargetSuperblock {
    return (this.parts.targets.get(target) as Superblock<TargetSuperblock>).value;
  }

  /** Durably notes that the target serves under this chain version; call before it does (design 4.1). */
  async noteServed(target: TargetId, version: ChainVer): Promise<void> {
    this.checkTarget(target);
    const superblock = this.parts.targets.get(target) as Superblock<TargetSuperblock>;
    if (superblock.value.servedVersion >= version) return;
    await superblock.update({ ...superblock.value, servedVersion: version });
  }

  /** Refuses further updates, takes a checkpoint so that the next start replays nothing, and lets go of the
   *  slab files. The journal is closed after it, by its owner. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.offline === undefined) await this.commits.journal.checkpoint();
    await this.parts.files.closeAll();
  }

  // --- updates -----------------------------------------------------------------------------------

  async update(update: ChunkUpdate): Promise<ChunkState | undefined> {
    const staged = await this.stage(update);
    await staged.submit().durable;
    return staged.next;
  }

  async stage(update: ChunkUpdate): Promise<StagedUpdate> {
    const { target, chunk, change } = update;
    this.checkOpen();
    this.checkTarget(target);
    const unitBytes = update.checksumUnitBytes ?? limits.checksumUnitBytes;
    assertUnit(unitBytes);
    const written = checkChange(change, unitBytes, update.expectedBytes);
    if (change.kind === 'write') this.parts.space.admit();
    const lock = this.locks.acquire(lockKey(target, chunk));
    const release = lock instanceof Promise ? await lock : lock;
    try {
      const row = update.fresh === true ? undefined : await this.row(target, chunk);
      const version = checkVersion(update, row);
      const before = row ?? newRow(update, unitBytes);
      const drafted = this.draft({ target, chunk }, change, row, { before, written, unitBytes });
      const draft = drafted instanceof Promise ? await drafted : drafted;
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
   *  @returns the bytes of the content; undefined when there was nothing to do */
  async rewrite(
    target: TargetId,
    chunk: ChunkId,
    wanted: (row: ChunkRow) => boolean,
  ): Promise<number | undefined> {
    const release = await this.locks.acquire(lockKey(target, chunk));
    let staged: StagedUpdate;
    try {
      const row = await this.row(target, chunk);
      // Design 4.6: fold runs only without a pending update.
      if (row === undefined || row.pending !== undefined || !wanted(row)) {
        release();
        return undefined;
      }
      const draft = await this.parts.drafter.rewrite({ target, chunk }, row);
      const next = { ...row, content: draft.content };
      staged = await this.staged({ target, chunk, next, draft, release, tag: noTag });
    } catch (error) {
      release();
      throw error;
    }
    await staged.submit().durable;
    return staged.next?.length;
  }

  /** Locks the chunk and stages what `make` drafts from its newest row: for core/store/target-store.ts.
   *  @returns undefined when there is nothing to do */
  async stageNext(
    place: Place,
    make: (row: ChunkRow | undefined) => Promise<NextRow | undefined>,
  ): Promise<StagedUpdate | undefined> {
    this.checkOpen();
    const { target, chunk } = place;
    const release = await this.locks.acquire(lockKey(target, chunk));
    try {
      const next = await make(await this.row(target, chunk));
      if (next !== undefined) return await this.staged({ target, chunk, release, ...next });
      release();
      return undefined;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** What a change makes of the committed content. `row` is the chunk's row, `before` the same or that of a new chunk;
   *  `written` are the checked bytes of a write, with checksums of units of `unitBytes`. */
  draft(
    place: Place,
    change: ChunkChange,
    row: ChunkRow | undefined,
    {
      before,
      written,
      unitBytes,
    }: { before: ChunkRow; written: Written | undefined; unitBytes: number },
  ): Draft | Promise<Draft> {
    const { chunk } = place;
    const { drafter } = this.parts;
    if (change.kind === 'remove') {
      const freed = row === undefined ? [] : positionsOf(row.content);
      return { content: emptyContent, taken: [], freed, sections: [] };
    }
    if (change.kind !== 'write' && row === undefined)
      throw new CoreError('CHUNK_NOT_FOUND', `no chunk ${chunk.blob}/${chunk.index}`);
    if (change.kind === 'seal')
      return { content: before.content, taken: [], freed: [], sections: [] };
    if (before.sealed)
      throw new CoreError('CHUNK_SEALED', `chunk ${chunk.blob}/${chunk.index} is sealed`);
    if (change.kind === 'truncate') return drafter.truncate(place, before, change.length);
    assert(written !== undefined, 'a write has bytes');
    if (before.unitBytes === unitBytes) return drafter.write(place, before, written);
    const checksums = unitChecksums([written.bytes], before.unitBytes);
    return drafter.write(place, before, { ...written, checksums });
  }

  /** Waits until memory and journal have room for the record. */
  private async staged(update: Omit<Planned, 'row'>): Promise<StagedUpdate> {
    const { target, chunk, draft, next, tag } = update;
    const { drafter, placements } = this.parts;
    const row = next === undefined ? undefined : encodeRow(next);
    try {
      const { sections } = draft;
      if (placements.full) await placements.room();
      await this.commits.journal.room(chunkRecordBytes({ target, chunk, row, tag, sections }));
    } catch (error) {
      drafter.drop(draft);
      throw error;
    }
    return new Staged({ ...update, row }, this.commits, drafter);
  }

  private checkOpen(): void {
    if (this.closed) throw new CoreError('UNAVAILABLE', 'the chunk store is closed');
    void this.commits.journal;
  }

  private checkTarget(target: TargetId): void {
    if (!this.parts.targets.has(target))
      throw new CoreError('INVALID_ARGUMENT', `target ${target} is not on this disk`);
  }

  // --- reads -------------------------------------------------------------------------------------

  async read(
    target: TargetId,
    chunk: ChunkId,
    offset: number,
    length: number,
    into?: Buffer,
  ): Promise<ChunkRead> {
    if (!isCount(offset) || !isCount(length))
      throw new CoreError('INVALID_ARGUMENT', `read of ${length} bytes at ${offset}`);
    this.checkTarget(target);
    return this.withRow(target, chunk, async (row) => {
      const { content, unitBytes } = row;
      const from = Math.min(offset, content.length);
      const to = Math.min(offset + length, content.length);
      const { reader } = this.parts;
      const found = await reader.read({ target, chunk }, content, unitBytes, from, to, into);
      return { state: stateOf(row), bytes: found.bytes, crc32c: found.crc32c };
    });
  }

  async place(
    target: TargetId,
    chunk: ChunkId,
    offset: number,
    length: number,
  ): Promise<ChunkPlace | undefined> {
    this.checkTarget(target);
    const row = await this.row(target, chunk);
    if (row === undefined || row.version === 0) return undefined;
    const placed = this.parts.reader.place(row.content, row.unitBytes, offset, offset + length);
    return placed && { index: chunk.index, ...placed };
  }

  /** Runs a reader of a chunk's committed row; the blocks of that row are not reused before it ends.
   *  @throws CoreError CHUNK_NOT_FOUND */
  async withRow<T>(
    target: TargetId,
    chunk: ChunkId,
    use: (row: ChunkRow) => Promise<T>,
  ): Promise<T> {
    return this.reading(target, async () => {
      const row = await this.row(target, chunk);
      if (row === undefined || row.version === 0)
        throw new CoreError('CHUNK_NOT_FOUND', `no chunk ${chunk.blob}/${chunk.index}`);
      return use(row);
    });
  }

  /** Blocks of a row that is looked up from now on are not reused before the reader ends. */
  async reading<T>(target: TargetId, use: () => Promise<T>): Promise<T> {
    const { allocator, events } = this.parts;
    const inside = allocator.epochs.enter();
    try {
      return await use();
    } catch (error) {
      if (isCoreError(error, 'CORRUPT'))
        events.emit('error', 'chunk-corrupt', { target, detail: error.message });
      throw error;
    } finally {
      allocator.epochs.leave(inside);
      allocator.drain();
    }
  }

  async stat(target: TargetId, chunk: ChunkId): Promise<ChunkState | undefined> {
    this.checkTarget(target);
    const row = await this.row(target, chunk);
    return row === undefined || row.version === 0 ? undefined : stateOf(row);
  }

  async scan(
    target: TargetId,
    after: ChunkId | undefined,
    limit: number,
  ): Promise<{ chunk: ChunkId; state: ChunkState }[]> {
    const rows = await this.rows(target, after, limit);
    return rows
      .filter(([, row]) => row.version > 0)
      .map(([chunk, row]) => ({ chunk, state: stateOf(row) }));
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

  /** The newest row, in the calling turn; may wait for the disk. @throws CoreError CORRUPT */
  rowSync(target: TargetId, chunk: ChunkId): ChunkRow | undefined {
    const ahead = this.commits.ahead(target, chunk);
    if (ahead !== undefined) return ahead.row;
    const value = this.parts.table.getSync(rowKey(target, chunk));
    return value === undefined ? undefined : decodeRow(value);
  }

  /** Makes `rowSync` find the row in memory. */
  async warm(target: TargetId, chunk: ChunkId): Promise<void> {
    await this.parts.table.get(rowKey(target, chunk));
  }

  private async row(target: TargetId, chunk: ChunkId): Promise<ChunkRow | undefined> {
    const ahead = this.commits.ahead(target, chunk);
    if (ahead !== undefined) return ahead.row;
    const found = this.parts.table.get(rowKey(target, chunk));
    const value = found instanceof Promise ? await found : found;
    return value === undefined ? undefined : decodeRow(value);
  }

  space(): StoreSpace {
    return this.parts.space.space();
  }

  admit(): void {
    this.parts.space.admit();
  }

  // --- journal user ------------------------------------------------------------------------------

  get name(): string {
    return this.commits.name;
  }

  get kinds(): JournalUser['kinds'] {
    return this.commits.kinds;
  }

  recovering(from: RecordNumber, next: RecordNumber): void {
    this.commits.recovering(from, next);
  }

  replay(record: JournalRecord): Promise<void> {
    return this.commits.replay(record);
  }

  replayed(): Promise<void> {
    return this.commits.replayed();
  }

  checkpoint(below: RecordNumber): Promise<void> {
    return this.commits.checkpoint(below);
  }

  checkpointed(below: RecordNumber): void {
    this.commits.checkpointed(below);
  }
}

class Staged implements StagedUpdate {
  private readonly planned: Planned;
  private readonly commits: ChunkCommits;
  private readonly drafter: Drafter;
  private open = true;

  constructor(planned: Planned, commits: ChunkCommits, drafter: Drafter) {
    this.planned = planned;
    this.commits = commits;
    this.drafter = drafter;
  }

  get next(): ChunkState | undefined {
    const { next } = this.planned;
    return next === undefined ? undefined : stateOf(next);
  }

  submit(): Ticket {
    this.end();
    try {
      return this.commits.submit(this.planned);
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  abort(): void {
    this.end();
    mark('engine.abort');
    this.drop();
  }

  private end(): void {
    assert(this.open, 'a staged update is submitted or aborted once');
    this.open = false;
  }

  private drop(): void {
    this.drafter.drop(this.planned.draft);
    this.planned.release();
  }
}
