// Chunks on chains of replicas (design 4.7): written through the head, read from any replica that serves, listed and
// removed for whoever keeps the books.

import { CoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { BlobId, ChunkId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Chain } from '../chain/chain.ts';
import type { UpdateTag } from '../store/types.ts';
import { type Attempt, ChainCalls, type ChainCallsParts } from './chain-calls.ts';
import { readChunk, removeChunk, scanChunks, writeChunk } from './chunk-calls.ts';
import type { ChunkClient, ChunkPiece, ChunkRange } from './chunk-client.ts';
import type { LentBytes } from './direct-reader.ts';
import { checkRead } from './single-target-chunks.ts';
import type { BlobLayout } from './types.ts';

/** A chunk as one replica holds it. */
export interface FoundChunk {
  readonly chunk: ChunkId;
  readonly version: number;
  readonly length: number;
  readonly crc32c: number;
  readonly pending: boolean;
}

const never = (): boolean => false;

export class ChainChunks implements ChunkClient {
  private readonly parts: ChainCallsParts;
  private readonly calls: ChainCalls;

  constructor(parts: ChainCallsParts) {
    this.parts = parts;
    this.calls = new ChainCalls(parts);
  }

  async write(piece: ChunkPiece, stopped: () => boolean): Promise<boolean> {
    const { chunk, offset, crc32c, tag, completes, layout, parts } = piece;
    const expected = completes ? {} : { expectedBytes: layout.chunkBytes };
    let attempts = 0;
    await this.calls.update({
      what: `the write of ${nameOf(chunk)}`,
      chain: () => this.parts.routing.chainOf(layout, chunk),
      stopped,
      run: ({ rpc, target, chainVersion, signal, deadlineMs }) => {
        attempts++;
        return rpc.call(
          writeChunk,
          { target, chainVersion, ...chunk, offset, crc32c, ...tag, fresh: false, ...expected },
          { payload: parts, signal, deadlineMs },
        );
      },
    });
    return attempts === 1;
  }

  async read({ layout, chunk, offset, length, signal }: ChunkRange): Promise<LentBytes> {
    const answer = await this.calls.read({
      what: `the read of ${nameOf(chunk)}`,
      chain: () => this.parts.routing.chainOf(layout, chunk),
      stopped: () => signal.aborted,
      run: (attempt) => readOnce(attempt, { chunk, offset, length }),
    });
    const { payload: bytes, release } = answer;
    return release === undefined ? { bytes } : { bytes, release };
  }

  /** @throws CoreError CHUNK_NOT_FOUND; DEADLINE_EXCEEDED when nobody knows whether it was removed */
  async remove(layout: BlobLayout, chunk: ChunkId, tag: UpdateTag): Promise<void> {
    await this.calls.update({
      what: `the removal of ${nameOf(chunk)}`,
      chain: () => this.parts.routing.chainOf(layout, chunk),
      stopped: never,
      run: ({ rpc, target, chainVersion, signal, deadlineMs }) =>
        rpc.call(removeChunk, { target, chainVersion, ...chunk, ...tag }, { signal, deadlineMs }),
    });
  }

  /** Chunks of a chain, as a replica that serves holds them. */
  async scan(chain: Chain, after: ChunkId | undefined, limit: number): Promise<FoundChunk[]> {
    const { response } = await this.calls.read({
      what: `a list of chain ${chain.id}`,
      chain: () => this.parts.routing.chain(chain.id) ?? chain,
      stopped: never,
      run: (attempt) => scanOnce(attempt, after, limit),
    });
    return response.chunks.map(foundOf);
  }

  /** The same of one replica, whichever it is, without another attempt: for comparing replicas.
   *  @throws CoreError UNAVAILABLE when it does not serve under this chain */
  async scanOf(
    chain: Chain,
    target: Chain['targets'][number],
    after: ChunkId | undefined,
    limit: number,
  ): Promise<FoundChunk[]> {
    const attempt = this.attemptAt(chain, target);
    const { response } = await scanOnce(attempt, after, limit);
    if (response.refused !== undefined)
      throw new CoreError('UNAVAILABLE', `target ${target.id} does not serve`);
    return response.chunks.map(foundOf);
  }

  /** Bytes of one replica, verified on both ends. @throws CoreError UNAVAILABLE, CORRUPT, CHUNK_NOT_FOUND */
  async readOf(
    chain: Chain,
    target: Chain['targets'][number],
    range: Pick<ChunkRange, 'chunk' | 'offset' | 'length'>,
  ): Promise<Uint8Array> {
    const answer = await readOnce(this.attemptAt(chain, target), range);
    if (answer.response.refused !== undefined)
      throw new CoreError('UNAVAILABLE', `target ${target.id} does not serve`);
    return answer.payload;
  }

  private attemptAt(chain: Chain, { id: target, store }: Chain['targets'][number]): Attempt {
    const rpc = this.parts.peer(store);
    if (rpc === undefined)
      throw new CoreError('UNAVAILABLE', `nobody told where store ${store} is`);
    const { signal } = new AbortController();
    const { version: chainVersion } = chain;
    return { rpc, target, chainVersion, signal, deadlineMs: limits.clientAttemptMs };
  }
}

async function readOnce(
  { rpc, target, chainVersion, signal, deadlineMs }: Attempt,
  { chunk, offset, length }: Pick<ChunkRange, 'chunk' | 'offset' | 'length'>,
) {
  const answer = await rpc.call(
    readChunk,
    { target, chainVersion, ...chunk, offset, length },
    { answerBytes: length, signal, deadlineMs, lendsAnswer: true },
  );
  if (answer.response.refused === undefined)
    checkRead(nameOf(chunk), length, answer.payload, answer.response);
  return answer;
}

function scanOnce(
  { rpc, target, chainVersion, signal, deadlineMs }: Attempt,
  after: ChunkId | undefined,
  limit: number,
) {
  const from = after === undefined ? {} : { after: { ...after } };
  const request = { target, chainVersion, ...from, limit };
  return rpc.call(scanChunks, request, { signal, deadlineMs });
}

function foundOf(
  found: { readonly blob: number; readonly index: number } & Omit<FoundChunk, 'chunk'>,
): FoundChunk {
  const { blob, index, ...rest } = found;
  return { chunk: { blob: id<BlobId>(blob), index }, ...rest };
}

function nameOf({ blob, index }: ChunkId): string {
  return `chunk ${blob}/${index}`;
}
