// The disk of one target as a replica sees it: chunks with committed and pending content, tags, a noted version. Writes
// become durable in order, in groups; a crash keeps a prefix of what was not. It stands for the chunk engine, whose
// own crash states are explored beside it (test/core/store/engine-crash.test.ts).

import { Buffer } from 'node:buffer';
import { assert } from '../../../core/base/assert.ts';
import { crc32c } from '../../../core/base/crc32c.ts';
import type { ChainVer, ChunkId } from '../../../core/base/ids.ts';
import {
  type ContentState,
  type FullContent,
  type PendingState,
  type ReplicaRow,
  type StoreWrite,
  type TagEntry,
  type UpdateBody,
  chunkKey,
} from '../../../core/replica/types.ts';
import type { ChunkChange, UpdateTag } from '../../../core/store/types.ts';

interface Content {
  readonly state: ContentState;
  readonly bytes: Buffer;
}

interface PendingContent {
  readonly state: PendingState;
  readonly bytes: Buffer;
}

export interface Stored {
  readonly chunk: ChunkId;
  /** The same as a replica sees it. */
  readonly row: ReplicaRow;
  readonly committed: Content | undefined;
  readonly pending: PendingContent | undefined;
}

/** What is on a disk, at one moment. */
export class DiskImage {
  readonly chunks = new Map<string, Stored>();
  readonly tags = new Map<string, TagEntry>();
  noted = 0 as ChainVer;
  identity: string;

  constructor(identity: string) {
    this.identity = identity;
  }

  copy(): DiskImage {
    const copy = new DiskImage(this.identity);
    for (const [key, stored] of this.chunks) copy.chunks.set(key, stored);
    for (const [key, tag] of this.tags) copy.tags.set(key, tag);
    copy.noted = this.noted;
    return copy;
  }

  row(chunk: ChunkId): ReplicaRow | undefined {
    return this.chunks.get(chunkKey(chunk))?.row;
  }

  /** In key order. */
  sorted(): Stored[] {
    return [...this.chunks.values()].toSorted(
      (a, b) => a.chunk.blob - b.chunk.blob || a.chunk.index - b.chunk.index,
    );
  }

  apply(write: StoreWrite): void {
    switch (write.kind) {
      case 'pending':
        this.applyPending(write);
        return;
      case 'replace':
        this.put({ chunk: write.chunk, committed: contentOf(write.identity, write.content) });
        if (write.tag !== undefined) this.tag(write.chunk, write.identity.version, write.tag);
        return;
      case 'erase':
        this.chunks.delete(chunkKey(write.chunk));
        if (write.tag !== undefined && write.identity !== undefined)
          this.tag(write.chunk, write.identity.version, write.tag);
        return;
      case 'forget':
        this.tags.clear();
        for (const stored of this.chunks.values()) this.put({ ...stored, pending: undefined });
        return;
      case 'tags':
        for (const entry of write.entries) this.tag(entry.chunk, entry.version, entry);
        return;
      case 'note':
        this.noted = Math.max(this.noted, write.version) as ChainVer;
    }
  }

  private applyPending(write: Extract<StoreWrite, { kind: 'pending' }>): void {
    const { chunk, identity, tag, body } = write;
    const stored = this.chunks.get(chunkKey(chunk));
    const after = changed(stored?.committed, body);
    const { version, assigned } = identity;
    const remove = body.kind === 'remove';
    const { bytes, sealed } = after;
    const length = bytes.length;
    const state = { version, assigned, tag, remove, length, crc32c: crcOf(bytes, remove), sealed };
    this.put({ chunk, committed: stored?.committed, pending: { state, bytes } });
    this.tag(chunk, version, tag);
  }

  commit(chunk: ChunkId): void {
    const stored = this.chunks.get(chunkKey(chunk));
    const pending = stored?.pending;
    // A later write may have replaced it: the mark is older than that.
    if (pending === undefined) return;
    if (pending.state.remove) {
      this.chunks.delete(chunkKey(chunk));
      return;
    }
    const { version, assigned, length, crc32c: crc, sealed } = pending.state;
    const state = { version, assigned, length, crc32c: crc, sealed };
    this.put({ chunk, committed: { state, bytes: pending.bytes } });
  }

  private put({
    chunk,
    committed,
    pending,
  }: {
    chunk: ChunkId;
    committed?: Content | undefined;
    pending?: PendingContent | undefined;
  }): void {
    const key = chunkKey(chunk);
    if (committed === undefined && pending === undefined) this.chunks.delete(key);
    else this.chunks.set(key, { chunk, committed, pending, row: rowOf(committed, pending) });
  }

  private tag(chunk: ChunkId, version: TagEntry['version'], tag: UpdateTag): void {
    const { session, channel, sequence } = tag;
    const key = `${session}/${channel}`;
    const known = this.tags.get(key);
    if (known === undefined || known.sequence < sequence)
      this.tags.set(key, { session, channel, sequence, chunk, version });
  }
}

function rowOf(committed: Content | undefined, pending: PendingContent | undefined): ReplicaRow {
  if (committed === undefined) return pending === undefined ? {} : { pending: pending.state };
  return pending === undefined
    ? { committed: committed.state }
    : { committed: committed.state, pending: pending.state };
}

function contentOf(
  { version, assigned }: ContentState | { version: ContentState['version']; assigned: ChainVer },
  content: FullContent,
): Content {
  const bytes = Buffer.from(content.bytes);
  assert(crc32c(bytes) === content.crc32c, 'full content matches its checksum');
  const { sealed } = content;
  return {
    state: { version, assigned, length: bytes.length, crc32c: content.crc32c, sealed },
    bytes,
  };
}

function crcOf(bytes: Buffer, remove: boolean): number {
  return remove ? 0 : crc32c(bytes);
}

const empty = Buffer.alloc(0);

function changed(
  committed: Content | undefined,
  body: UpdateBody,
): { bytes: Buffer; sealed: boolean } {
  const sealed = committed?.state.sealed ?? false;
  if (body.kind === 'remove') return { bytes: empty, sealed };
  if (body.kind === 'full')
    return { bytes: Buffer.from(body.content.bytes), sealed: body.content.sealed };
  return {
    bytes: changedBytes(committed?.bytes ?? empty, body.change),
    sealed: sealed || body.change.kind === 'seal',
  };
}

/** The content that a change makes. */
export function changedBytes(before: Buffer, change: ChunkChange): Buffer {
  if (change.kind === 'write') {
    const { offset, bytes } = change;
    const after = Buffer.alloc(Math.max(before.length, offset + bytes.length));
    before.copy(after);
    after.set(bytes, offset);
    return after;
  }
  if (change.kind === 'truncate') {
    const after = Buffer.alloc(change.length);
    before.copy(after);
    return after;
  }
  return change.kind === 'remove' ? empty : before;
}
