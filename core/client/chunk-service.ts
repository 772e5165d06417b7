// The other side of chunk-calls.ts: executes them on the chunk store of this process. For chains of one
// target; with more the same calls go to the replica's driver.

import { CoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { BlobId, ChainVer, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { MessageOf } from '../base/message.ts';
import type { HandlerAnswer, RpcRegistry } from '../rpc/call.ts';
import { PayloadPool } from '../rpc/payload-pool.ts';
import { noPlaces, placesOf } from '../store/place.ts';
import type { StorePlaces } from '../store/place.ts';
import type { ChunkStore } from '../store/types.ts';
import { chunkOf, tagOf, placeChunks, readChunk, writeChunk } from './chunk-calls.ts';

/** The one target that this process serves. */
export interface ServedTarget {
  readonly target: TargetId;
  readonly chainVersion: ChainVer;
  /** Where the store's disk is on this machine, when other processes find in its files what the store wrote: they may
   *  then read there themselves. */
  readonly directory?: string;
}

export function registerChunkService(
  registry: RpcRegistry,
  store: ChunkStore,
  served: ServedTarget,
): void {
  // The store copies small bytes and writes large ones before it answers.
  const borrowing = { borrowsPayload: true };
  registry.register(
    writeChunk,
    (request, payload) => {
      checkTarget(request, served);
      return write(store, request, payload);
    },
    borrowing,
  );
  const memory = new PayloadPool();
  registry.register(readChunk, (request) => {
    checkTarget(request, served);
    return read(store, request, memory);
  });
  registry.register(placeChunks, async (request) => {
    checkTarget(request, served);
    return { response: await place(store, request, served.directory) };
  });
}

/** Stale routing is the caller's to refresh. @throws CoreError UNAVAILABLE */
function checkTarget(
  request: { readonly target: number; readonly chainVersion: number },
  served: ServedTarget,
): void {
  if (request.target === served.target && request.chainVersion === served.chainVersion) return;
  const asked = `target ${request.target} in chain version ${request.chainVersion}`;
  throw new CoreError('UNAVAILABLE', `this process does not serve ${asked}`);
}

async function write(
  store: ChunkStore,
  request: MessageOf<typeof writeChunk.request>,
  payload: Uint8Array,
): Promise<HandlerAnswer<MessageOf<typeof writeChunk.response>>> {
  const { checksumUnitBytes, expectedBytes } = request;
  const state = await store.update({
    target: id(request.target),
    chunk: chunkOf(request),
    change: {
      kind: 'write',
      offset: request.offset,
      bytes: payload,
      crc32c: request.crc32c,
    },
    chainVersion: id(request.chainVersion),
    tag: tagOf(request),
    fresh: request.fresh,
    ...(checksumUnitBytes === undefined ? {} : { checksumUnitBytes }),
    ...(expectedBytes === undefined ? {} : { expectedBytes }),
  });
  if (state === undefined) throw new CoreError('INTERNAL', 'a write removed its chunk');
  const { version, length, crc32c } = state;
  return { response: { version, length, crc32c } };
}

async function read(
  store: ChunkStore,
  request: MessageOf<typeof readChunk.request>,
  memory: PayloadPool,
): Promise<HandlerAnswer<MessageOf<typeof readChunk.response>>> {
  const { offset, length } = request;
  if (length > limits.rpcPayloadBytesMax)
    throw new CoreError('LIMIT_EXCEEDED', `a read of ${length} bytes exceeds a frame`);
  const chunk = chunkOf(request);
  const into = memory.take(length);
  const { state, bytes, crc32c } = await store.read(
    id(request.target),
    chunk,
    offset,
    length,
    into,
  );
  const response = { version: state.version, chunkBytes: state.length, crc32c };
  const giveBack = (): void => memory.giveBack(into);
  // What comes from the store's own memory is not ours to use again.
  if (bytes.buffer === into.buffer) return { response, payload: [bytes], onSent: giveBack };
  giveBack();
  return { response, payload: [bytes] };
}

async function place(
  store: ChunkStore,
  request: MessageOf<typeof placeChunks.request>,
  directory: string | undefined,
): Promise<StorePlaces> {
  const { target, blob, chunkBytes, offset, length } = request;
  if (directory === undefined) return noPlaces;
  if (chunkBytes === 0 || (offset + length) / chunkBytes > 2 ** 32)
    throw new CoreError('INVALID_ARGUMENT', `no chunks of ${chunkBytes} bytes at ${offset}`);
  const run = { blob: id<BlobId>(blob), chunkBytes, offset, length };
  return { directory, places: await placesOf(store, id(target), run) };
}
