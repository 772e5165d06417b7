// All chunks of the system as the books of metadata see them: what the janitor removes and fsck compares. Over the
// chunk store of this process here; over chains of replicas in core/cluster.

import { isCoreError } from '../base/errors.ts';
import type { ChainVer, ChunkId, SessionId, TargetId } from '../base/ids.ts';
import type { ChunkStore } from '../store/types.ts';

export interface InventoryEntry {
  readonly chunk: ChunkId;
  readonly state: { readonly length: number };
}

export interface ChunkInventory {
  /** Chunks in key order after `after`: fewer than `limit` only at the end. @throws CoreError CORRUPT, UNAVAILABLE */
  scan(after: ChunkId | undefined, limit: number): Promise<readonly InventoryEntry[]>;
  /** undefined when there is no such chunk. @throws CoreError CORRUPT, UNAVAILABLE */
  stat(chunk: ChunkId): Promise<{ readonly length: number } | undefined>;
  /** Removes a chunk; one that is not there is removed. */
  remove(chunk: ChunkId, session: SessionId): Promise<void>;
}

export interface InventoriedStore {
  readonly chunks: ChunkStore;
  readonly target: TargetId;
  readonly chainVersion: ChainVer;
}

/** Of tags of removals: the chunks of one session's own writes have others. */
const removeChannel = 2;

export function storeInventory(local: InventoriedStore): ChunkInventory {
  const { chunks, target, chainVersion } = local;
  return {
    scan: (after, limit) => chunks.scan(target, after, limit),
    stat: (chunk) => chunks.stat(target, chunk),
    remove: async (chunk, session) => {
      const tag = { session, channel: removeChannel, sequence: chunk.blob };
      try {
        await chunks.update({ target, chunk, change: { kind: 'remove' }, chainVersion, tag });
      } catch (error) {
        if (!isCoreError(error, 'CHUNK_NOT_FOUND')) throw error;
      }
    },
  };
}
