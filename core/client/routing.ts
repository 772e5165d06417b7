// Where a chunk lives. With chain tables (design 4.1) the layout and the table compute the chain, and the
// routing cache knows its targets; until then one target holds everything.

import type { ChainVer, ChunkId, TargetId } from '../base/ids.ts';
import type { RpcClient } from '../rpc/call.ts';
import type { BlobLayout } from './types.ts';

export interface ChunkRoute {
  readonly rpc: RpcClient;
  readonly target: TargetId;
  readonly chainVersion: ChainVer;
}

export interface Routing {
  forWrite(layout: BlobLayout, chunk: ChunkId): ChunkRoute;
  forRead(layout: BlobLayout, chunk: ChunkId): ChunkRoute;
}

/** Every chunk on one target behind one connection. */
export function singleTargetRouting(route: ChunkRoute): Routing {
  return { forWrite: () => route, forRead: () => route };
}
