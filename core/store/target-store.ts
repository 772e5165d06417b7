// A target as a member of a chain of several replicas (design 4.2, 4.5): pending updates beside the committed content,
// commits, whole chunks of a resync, the exactly-once table, the noted chain version. What an update is worth the
// replica machine decides; here it is made durable. Rows are looked up in the calling turn.
//
// A pending update is a chunk record like any other, whose row has both contents; blocks that only one of them refers to
// are freed by the commit mark, or when the update is dropped.

import { CoreError } from '../base/errors.ts';
import type { ChainVer, ChunkId, SessionId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Place, VerifiedBytes } from './chunk-reader.ts';
import type { ChunkRow, Content } from './chunk-row.ts';
import type { ChunkEngine, NextRow } from './engine.ts';
import type { TargetSuperblock } from './superblock.ts';
import type { TagEntry } from './tag-row.ts';
import {
  type Erasure,
  type PendingUpdate,
  type Replacement,
  nextDropped,
  nextErased,
  nextPending,
  nextWhole,
} from './target-drafts.ts';
import type { StagedUpdate } from './types.ts';

export class TargetStore {
  private readonly engine: ChunkEngine;
  private readonly id: TargetId;
  /** Writes that are not durable yet. */
  private readonly running = new Set<Promise<void>>();
  /** Later writes wait for it: the exactly-once table or all pending updates change. */
  private barrier: Promise<void> | undefined;
  private noting: Promise<void> = Promise.resolve();

  /** Use `ChunkEngine.target`. */
  constructor(engine: ChunkEngine, id: TargetId) {
    this.engine = engine;
    this.id = id;
  }

  private get superblock(): TargetSuperblock {
    return this.engine.superblockOf(this.id);
  }

  /** Random, made with the target (design 4.1). */
  get identity(): Uint8Array {
    return this.superblock.identity;
  }

  /** The last chain version that it was noted to serve under. */
  get noted(): ChainVer {
    return this.superblock.servedVersion;
  }

  // --- what is there -----------------------------------------------------------------------------

  /** With all writes that are durable and all commits. May wait for the disk: see `warm`. @throws CoreError CORRUPT */
  row(chunk: ChunkId): ChunkRow | undefined {
    return this.engine.rowSync(this.id, chunk);
  }

  /** Reads the row into memory, where `row` finds it. @throws CoreError CORRUPT */
  warm(chunk: ChunkId): Promise<void> {
    return this.engine.warm(this.id, chunk);
  }

  /** The next rows in key order, fewer than `limit` only at the end; each as it was at some moment since the call.
   *  @throws CoreError CORRUPT */
  async rows(after: ChunkId | undefined, limit: number): Promise<(readonly [ChunkId, ChunkRow])[]> {
    const found: (readonly [ChunkId, ChunkRow])[] = [];
    let from = after;
    for (;;) {
      const wanted = limit - found.length;
      // oxlint-disable-next-line no-await-in-loop -- again only for chunks that are gone already
      const page = await this.engine.rows(this.id, from, wanted);
      for (const [chunk, row] of page) {
        from = chunk;
        // A commit is shown before the table has it, and may have come there since the page was made.
        const now = row.pending === undefined ? row : this.row(chunk);
        if (now !== undefined) found.push([chunk, now]);
      }
      if (page.length < wanted || found.length === limit) return found;
    }
  }

  pendingChunks(): ChunkId[] {
    const { pendings } = this.engine.parts;
    return pendings.of(this.id).filter((chunk) => this.row(chunk)?.pending !== undefined);
  }

  tag(session: SessionId, channel: number): TagEntry | undefined {
    return this.engine.parts.tags.get(this.id, session, channel);
  }

  tags(): TagEntry[] {
    return this.engine.parts.tags.entries(this.id);
  }

  /** Blocks of rows that are looked up in this turn stay as they are until `use` ends. */
  reading<T>(use: () => Promise<T>): Promise<T> {
    return this.engine.reading(this.id, use);
  }

  /** Bytes [from, to) of a row's content, verified; within `reading`. @throws CoreError CORRUPT */
  read(
    chunk: ChunkId,
    { content, unitBytes }: { readonly content: Content; readonly unitBytes: number },
    from: number,
    to: number,
  ): Promise<VerifiedBytes> {
    return this.engine.parts.reader.read(this.place(chunk), content, unitBytes, from, to);
  }

  // --- writes: durable when their promise resolves -----------------------------------------------

  /** The next version on top of the committed content, which stays readable.
   *  @throws CoreError CHUNK_VERSION_MISMATCH, CHECKSUM_MISMATCH, LIMIT_EXCEEDED, DISK_FULL, DISK_OFFLINE, CORRUPT */
  pending(update: PendingUpdate): Promise<void> {
    const { chunk } = update;
    return this.write(() =>
      this.store(chunk, (row) => nextPending(this.engine, this.place(chunk), row, update)),
    );
  }

  /** The pending update becomes the committed content: in `row` at once, on disk with the next records.
   *  @throws CoreError DISK_OFFLINE */
  commit(chunk: ChunkId): void {
    const row = this.row(chunk);
    if (row?.pending === undefined)
      throw new CoreError('CHUNK_VERSION_MISMATCH', `nothing is pending on ${named(chunk)}`);
    mark('target.commit');
    this.engine.commits.commit(this.id, chunk, row);
  }

  /** A whole chunk, committed whatever was there. @throws as `pending` */
  replace(replacement: Replacement): Promise<void> {
    const { chunk } = replacement;
    return this.write(() =>
      this.store(chunk, (row) => nextWhole(this.engine, this.place(chunk), row, replacement)),
    );
  }

  /** The chunk goes, pending update and all. @throws CoreError DISK_OFFLINE */
  erase(erasure: Erasure): Promise<void> {
    return this.write(() => this.store(erasure.chunk, (row) => nextErased(row, erasure)));
  }

  /** Of a target that enters SYNCING: all pending updates and the exactly-once table go, after all writes before.
   *  A crash in the middle leaves a target that has to enter SYNCING again. @throws CoreError DISK_OFFLINE */
  forget(): Promise<void> {
    return this.alone(async () => {
      mark('target.forget');
      const staged: StagedUpdate[] = [];
      for (const chunk of this.engine.parts.pendings.of(this.id)) {
        // oxlint-disable-next-line no-await-in-loop -- rows of memory, locks that nobody holds for long
        const each = await this.engine.stageNext(this.place(chunk), nextDropped);
        if (each !== undefined) staged.push(each);
      }
      for (const each of staged) each.submit();
      await this.submitTags({ forget: true, entries: [] });
    });
  }

  /** Entries that are handed over; the higher sequence of a channel stays. @throws CoreError DISK_OFFLINE */
  mergeTags(entries: readonly TagEntry[]): Promise<void> {
    return this.alone(async () => {
      let last = Promise.resolve();
      for (let at = 0; at < entries.length; at += limits.tagsPerRecordMax) {
        const some = entries.slice(at, at + limits.tagsPerRecordMax);
        // oxlint-disable-next-line no-await-in-loop -- the journal takes them as it has room
        await this.engine.commits.journal.room(64 * some.length);
        last = this.submitTags({ forget: false, entries: some });
      }
      await last;
    });
  }

  /** Sessions below it are over: nobody repeats their updates. @throws CoreError DISK_OFFLINE */
  endSessions(below: SessionId): Promise<void> {
    return this.alone(() => this.submitTags({ forget: false, endedBelow: below, entries: [] }));
  }

  private submitTags(parts: {
    readonly forget: boolean;
    readonly endedBelow?: SessionId;
    readonly entries: readonly TagEntry[];
  }): Promise<void> {
    const none = 0 as SessionId;
    return this.engine.commits.submitTags({ target: this.id, endedBelow: none, ...parts }).durable;
  }

  /** The chain version is noted, before the target serves under it (design 4.1). */
  note(version: ChainVer): Promise<void> {
    this.noting = this.noting.then(() => this.engine.noteServed(this.id, version));
    return this.noting;
  }

  // --- order -------------------------------------------------------------------------------------

  private write(run: () => Promise<void>): Promise<void> {
    return this.track(this.barrier === undefined ? run() : this.barrier.then(run));
  }

  private async track(write: Promise<void>): Promise<void> {
    this.running.add(write);
    try {
      await write;
    } finally {
      this.running.delete(write);
    }
  }

  /** After all writes that were asked for before it, and before all that come later. */
  private alone(run: () => Promise<void>): Promise<void> {
    const write = runAfter([...this.running], run);
    const barrier = runAfter([write], () => Promise.resolve());
    this.barrier = barrier;
    void this.lift(barrier);
    return this.track(write);
  }

  private async lift(barrier: Promise<void>): Promise<void> {
    await barrier;
    if (this.barrier === barrier) this.barrier = undefined;
  }

  // --- rows --------------------------------------------------------------------------------------

  private place(chunk: ChunkId): Place {
    return { target: this.id, chunk };
  }

  private async store(
    chunk: ChunkId,
    make: (row: ChunkRow | undefined) => Promise<NextRow | undefined>,
  ): Promise<void> {
    const staged = await this.engine.stageNext(this.place(chunk), make);
    await staged?.submit().durable;
  }
}

async function runAfter(others: readonly Promise<void>[], run: () => Promise<void>): Promise<void> {
  await Promise.allSettled(others);
  await run();
}

function named({ blob, index }: ChunkId): string {
  return `chunk ${blob}/${index}`;
}
