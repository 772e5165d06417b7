// A target of the chunk engine as the replica machine sees it: `ReplicaEnv` over `TargetStore`. The machine's writes and
// reads run beside each other and come back in callbacks; what cannot be made durable ends the target.
//
// A machine never waits, so rows are looked up in the calling turn. Whoever brings it requests calls `warm` for the
// chunk before, so that this finds the row in memory; without that it may wait for the disk, and is right all the same.

import { assert } from '../base/assert.ts';
import { type ErrorName, isCoreError, toCoreError } from '../base/errors.ts';
import type { ChunkId, SessionId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { ChunkRow } from '../store/chunk-row.ts';
import { emptyContent } from '../store/chunk-row.ts';
import type { PendingUpdate } from '../store/target-drafts.ts';
import type { TargetStore } from '../store/target-store.ts';
import type { TargetEnv } from './host.ts';
import { ReadBudget } from './read-budget.ts';
import type {
  ContentState,
  FullContent,
  PendingState,
  ReplicaRow,
  StoreOutcome,
  StoreWrite,
  UpdateBody,
} from './types.ts';

export interface EngineTargetParts {
  readonly store: TargetStore;
  readonly send: TargetEnv['send'];
  readonly after: TargetEnv['after'];
  /** The target can serve no more: its disk failed, or its index is damaged. Called once. */
  readonly failed: (reason: string) => void;
}

/** What a write may be refused for and the target go on: it changed nothing. */
const refusals: ReadonlySet<ErrorName> = new Set([
  'CHECKSUM_MISMATCH',
  'CHUNK_NOT_FOUND',
  'CHUNK_SEALED',
  'CHUNK_VERSION_MISMATCH',
  'CORRUPT',
  'DISK_FULL',
  'INVALID_ARGUMENT',
  'LIMIT_EXCEEDED',
]);

export class EngineTarget {
  private readonly store: TargetStore;
  private readonly parts: EngineTargetParts;
  private readonly reads = new ReadBudget(limits.replicaReadBytesMax);
  private ended = false;

  constructor(parts: EngineTargetParts) {
    this.parts = parts;
    this.store = parts.store;
  }

  get env(): TargetEnv {
    const { store, parts } = this;
    return {
      row: (chunk) => known(this.guarded(() => store.row(chunk))),
      rows: (after, limit, done) => this.rows(after, limit, done),
      pendingChunks: () => this.guarded(() => store.pendingChunks()),
      tag: (session, channel) => store.tag(session as SessionId, channel),
      tags: () => store.tags(),
      persist: (write, done) => this.persist(write, done),
      commit: (chunk) => this.guarded(() => store.commit(chunk)),
      read: (chunk, which, range, done) => this.read(chunk, which, range, done),
      send: parts.send,
      after: parts.after,
    };
  }

  /** Reads what the machine will look up of the chunk into memory. */
  warm(chunk: ChunkId): Promise<void> {
    return this.store.warm(chunk);
  }

  // --- what is there -----------------------------------------------------------------------------

  private rows(
    after: ChunkId | undefined,
    limit: number,
    done: (page: readonly (readonly [ChunkId, ReplicaRow])[]) => void,
  ): void {
    void this.run(async () => {
      const page = await this.store.rows(after, limit);
      return () => done(page.map(([chunk, row]) => [chunk, replicaRow(row)] as const));
    });
  }

  /** Memory is bounded: reads above the budget wait, and keep the blocks that they will read. */
  private read(
    chunk: ChunkId,
    which: 'committed' | 'pending',
    { offset, length }: { readonly offset: number; readonly length: number },
    done: (bytes: Uint8Array | undefined) => void,
  ): void {
    const row = this.guarded(() => this.store.row(chunk));
    const content = which === 'committed' ? row?.content : row?.pending?.content;
    assert(row !== undefined && content !== undefined, 'what is read is there');
    const from = Math.min(offset, content.length);
    const to = Math.min(offset + length, content.length);
    const { unitBytes } = row;
    const reading = this.store.reading(() =>
      this.reads.run(to - from, () => this.store.read(chunk, { content, unitBytes }, from, to)),
    );
    void this.run(async () => {
      try {
        const { bytes } = await reading;
        return () => done(bytes);
      } catch (error) {
        if (!isCoreError(error, 'CORRUPT')) throw error;
        return () => done(undefined);
      }
    });
  }

  // --- what is written ---------------------------------------------------------------------------

  private persist(write: StoreWrite, done: (outcome: StoreOutcome) => void): void {
    const written = this.write(write);
    void this.run(async () => {
      try {
        await written;
        return () => done({ ok: true });
      } catch (error) {
        const { errorName } = toCoreError(error);
        if (!('chunk' in write) || !refusals.has(errorName)) throw error;
        return () => done({ ok: false, error: errorName });
      }
    });
  }

  private write(write: StoreWrite): Promise<void> {
    const { store } = this;
    switch (write.kind) {
      case 'pending': {
        const { chunk, identity, tag, body } = write;
        const { version, assigned: chainVersion } = identity;
        return store.pending({ chunk, version, chainVersion, tag, ...bodyOf(body) });
      }
      case 'replace': {
        const { chunk, identity, tag, content } = write;
        const { version, assigned: chainVersion } = identity;
        return store.replace({ chunk, version, chainVersion, tag, ...wholeOf(content) });
      }
      case 'erase': {
        const { chunk, identity, tag } = write;
        const isTagged = identity !== undefined && tag !== undefined;
        const tagged = isTagged ? { tag, version: identity.version } : undefined;
        return store.erase({ chunk, tagged });
      }
      case 'forget':
        return store.forget();
      case 'tags':
        return store.mergeTags(write.entries);
      case 'note':
        return store.note(write.version);
    }
  }

  // --- the end -----------------------------------------------------------------------------------

  /** Work that ends in a callback of the machine, which nothing reaches after the end. What either throws is a failed
   *  disk, a damaged row or a bug, and ends the target. */
  private async run(work: () => Promise<() => void>): Promise<void> {
    try {
      const callback = await work();
      if (!this.ended) callback();
    } catch (error) {
      this.end(error);
    }
  }

  /** A damaged row cannot be answered: "no such chunk" would be wrong. It ends the target, and the caller's turn.
   *  @throws CoreError CORRUPT, DISK_OFFLINE */
  private guarded<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      this.end(error);
      throw error;
    }
  }

  private end(error: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.parts.failed(toCoreError(error).message);
  }
}

function bodyOf(body: UpdateBody): Pick<PendingUpdate, 'body' | 'shape'> {
  if (body.kind === 'remove') return { body };
  if (body.kind === 'change') return { body: body.change, shape: body.shape };
  const { content, shape } = wholeOf(body.content);
  return { body: { kind: 'whole', content }, shape };
}

function wholeOf({ bytes, crc32c, sealed, shape }: FullContent): {
  readonly content: { bytes: Uint8Array; crc32c: number; sealed: boolean };
  readonly shape: PendingUpdate['shape'];
} {
  return { content: { bytes, crc32c, sealed }, shape };
}

function known(row: ChunkRow | undefined): ReplicaRow | undefined {
  return row === undefined ? undefined : replicaRow(row);
}

function replicaRow(row: ChunkRow): ReplicaRow {
  const { version, chainVersion: assigned, content, sealed, pending, unitBytes } = row;
  const { length, crc32c } = content;
  const committed: ContentState = { version, assigned, length, crc32c, sealed };
  return {
    ...(version === 0 ? {} : { committed }),
    ...(pending === undefined ? {} : { pending: pendingState(pending) }),
    shape: { checksumUnitBytes: unitBytes },
  };
}

function pendingState(pending: NonNullable<ChunkRow['pending']>): PendingState {
  const { version, chainVersion: assigned, tag, content, sealed } = pending;
  const { length, crc32c } = content ?? emptyContent;
  return { version, assigned, tag, remove: content === undefined, length, crc32c, sealed };
}
