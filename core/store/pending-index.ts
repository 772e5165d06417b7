// Which chunks of a disk have a pending update. Their rows say so themselves, but after a start all of them must be
// brought to their end (design 4.2), and nobody reads a whole index for that. In memory it is exact at every record;
// a checkpoint writes what changed since the one before, so that updates that came and were committed in between
// cost no row. Replay starts at a checkpoint whose list is written, and restates every later change.

import { Buffer } from 'node:buffer';
import type { ChunkId, TargetId } from '../base/ids.ts';
import type { KvMutation } from '../env/kv.ts';
import { chunkOfKey, rowKey, targetOfKey } from './chunk-row.ts';

const pendingPrefix = 0x70; // 'p'

/** First key and end of the rows of all targets. */
export const pendingKeys = {
  from: Buffer.from([pendingPrefix]),
  to: Buffer.from([pendingPrefix + 1]),
} as const;

/** Row version; there is nothing else to say. */
const value = Buffer.from([1]);

export class PendingIndex {
  private readonly chunks = new Map<TargetId, Map<string, ChunkId>>();
  private count = 0;
  /** Keys that the index has, or will with the checkpoint in progress. */
  private readonly written = new Set<string>();

  /** A row of the index, which a record in replay may take back. */
  load(key: Uint8Array): void {
    this.written.add(Buffer.from(key).toString('latin1'));
    this.note(targetOfKey(key), chunkOfKey(key), true);
  }

  /** A record came into force: the chunk has a pending update now, or none. */
  note(target: TargetId, chunk: ChunkId, pending: boolean): void {
    // All there is to do for chains of one target.
    if (!pending && this.count === 0) return;
    const name = `${chunk.blob}/${chunk.index}`;
    let chunks = this.chunks.get(target);
    if (chunks === undefined) {
      chunks = new Map();
      this.chunks.set(target, chunks);
    }
    this.count -= chunks.size;
    if (pending) chunks.set(name, chunk);
    else chunks.delete(name);
    this.count += chunks.size;
  }

  has(target: TargetId, { blob, index }: ChunkId): boolean {
    return this.chunks.get(target)?.has(`${blob}/${index}`) === true;
  }

  of(target: TargetId): ChunkId[] {
    return [...(this.chunks.get(target)?.values() ?? [])];
  }

  /** What changed since the last call. */
  takeDirty(): KvMutation[] {
    const rows: KvMutation[] = [];
    const now = new Set<string>();
    for (const [target, chunks] of this.chunks)
      for (const chunk of chunks.values()) now.add(keyOf(target, chunk).toString('latin1'));
    for (const key of this.written) {
      if (now.has(key)) continue;
      this.written.delete(key);
      rows.push({ key: Buffer.from(key, 'latin1'), value: undefined });
    }
    for (const key of now) {
      if (this.written.has(key)) continue;
      this.written.add(key);
      rows.push({ key: Buffer.from(key, 'latin1'), value });
    }
    return rows;
  }
}

/** As a chunk row's key, but for the first byte. */
function keyOf(target: TargetId, chunk: ChunkId): Buffer {
  const key = rowKey(target, chunk);
  key[0] = pendingPrefix;
  return key;
}
