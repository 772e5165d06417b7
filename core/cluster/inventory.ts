// The chunks of all chains as one list in key order, for the janitor and fsck (core/meta/chunk-inventory.ts). Each chain
// is asked for a page and the pages are merged; what is removed goes through the chain's head.

import { CoreError, isCoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { BlobId, ChunkId, SessionId } from '../base/ids.ts';
import type { ChainChunks, FoundChunk } from '../client/chain-chunks.ts';
import { Channels } from '../client/channels.ts';
import type { RoutingCache } from '../client/routing-cache.ts';
import type { ChunkInventory } from '../meta/chunk-inventory.ts';
import { clusterLayout } from './plan.ts';

export function chainInventory(routing: RoutingCache, chunks: ChainChunks): ChunkInventory {
  let own: { readonly session: SessionId; readonly channels: Channels } | undefined;
  const channelsOf = (session: SessionId): Channels => {
    if (own?.session !== session) own = { session, channels: new Channels(session) };
    return own.channels;
  };
  return {
    async scan(after, limit) {
      if (routing.all.length === 0) throw new CoreError('UNAVAILABLE', 'there are no chains yet');
      const pages = await Promise.all(routing.all.map((chain) => chunks.scan(chain, after, limit)));
      return pages
        .flat()
        .toSorted((a, b) => compareChunks(a.chunk, b.chunk))
        .slice(0, limit)
        .map(entryOf);
    },
    async stat(chunk) {
      const chain = routing.chainOf(clusterLayout, chunk);
      const [found] = await chunks.scan(chain, before(chunk), 1);
      return found !== undefined && compareChunks(found.chunk, chunk) === 0
        ? entryOf(found).state
        : undefined;
    },
    async remove(chunk, session) {
      try {
        await channelsOf(session).use((tag) => chunks.remove(clusterLayout, chunk, tag));
      } catch (error) {
        if (!isCoreError(error, 'CHUNK_NOT_FOUND')) throw error;
      }
    },
  };
}

function entryOf({ chunk, length }: FoundChunk): {
  readonly chunk: ChunkId;
  readonly state: { readonly length: number };
} {
  return { chunk, state: { length } };
}

export function compareChunks(a: ChunkId, b: ChunkId): number {
  return a.blob - b.blob || a.index - b.index;
}

/** The key right before a chunk's. */
function before({ blob, index }: ChunkId): ChunkId {
  if (index > 0) return { blob, index: index - 1 };
  return { blob: id<BlobId>(Math.max(0, blob - 1)), index: 0xffff_ffff };
}
