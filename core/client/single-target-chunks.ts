// Every chunk on one target behind one connection: the embedded system. Its chain never changes.

import { crc32c } from '../base/crc32c.ts';
import { CoreError } from '../base/errors.ts';
import type { ChainVer, TargetId } from '../base/ids.ts';
import type { Clock } from '../env/clock.ts';
import type { RpcClient } from '../rpc/call.ts';
import { placeChunks, readChunk, writeChunk } from './chunk-calls.ts';
import type { ChunkClient, ChunkPiece, ChunkRange } from './chunk-client.ts';
import type { LentBytes } from './direct-reader.ts';
import { withRetry } from './retry.ts';

export interface SingleTarget {
  readonly rpc: RpcClient;
  readonly target: TargetId;
  readonly chainVersion: ChainVer;
  readonly clock: Clock;
}

export function singleTargetChunks(single: SingleTarget): ChunkClient {
  const { clock } = single;
  return {
    write: (piece, stopped) => write(single, piece, stopped),
    read: ({ signal, ...range }) =>
      withRetry(
        clock,
        () => readOnce(single, { ...range, signal }),
        () => signal.aborted,
      ),
    places: async (run) => {
      const { rpc, target, chainVersion } = single;
      return (await rpc.call(placeChunks, { target, chainVersion, ...run })).response;
    },
  };
}

async function write(
  { rpc, clock, target, chainVersion }: SingleTarget,
  piece: ChunkPiece,
  stopped: () => boolean,
): Promise<boolean> {
  const { chunk, offset, crc32c: crc, tag, completes, layout, parts } = piece;
  // An attempt of unknown outcome may have made the chunk.
  let fresh = offset === 0;
  let attempts = 0;
  await withRetry(
    clock,
    () => {
      attempts++;
      const request = {
        target,
        chainVersion,
        ...chunk,
        offset,
        crc32c: crc,
        ...tag,
        fresh,
        ...(completes ? {} : { expectedBytes: layout.chunkBytes }),
      };
      fresh = false;
      return rpc.call(writeChunk, request, { payload: parts });
    },
    stopped,
  );
  return attempts === 1;
}

async function readOnce(
  { rpc, target, chainVersion }: SingleTarget,
  { chunk, offset, length, signal }: ChunkRange,
): Promise<LentBytes> {
  const { response, payload, release } = await rpc.call(
    readChunk,
    { target, chainVersion, ...chunk, offset, length },
    { answerBytes: length, signal, lendsAnswer: true },
  );
  checkRead(`chunk ${chunk.blob}/${chunk.index}`, length, payload, response);
  return release === undefined ? { bytes: payload } : { bytes: payload, release };
}

/** @throws CoreError CORRUPT for a short chunk, CHECKSUM_MISMATCH for damaged bytes */
export function checkRead(
  name: string,
  length: number,
  payload: Uint8Array,
  { chunkBytes, crc32c: crc }: { readonly chunkBytes: number; readonly crc32c: number },
): void {
  if (payload.length !== length)
    throw new CoreError('CORRUPT', `${name} holds ${chunkBytes} bytes, fewer than its blob`);
  if (crc32c(payload) !== crc)
    throw new CoreError('CHECKSUM_MISMATCH', `${name} was damaged on the way from its store`);
}
