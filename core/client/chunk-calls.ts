// RPC calls of the chunk store, ids 200–299. The payload is the chunk's bytes, protected end to end by the
// checksum in the control message: computed once by whoever made the bytes, verified by whoever uses them.

import { CoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { ChunkId } from '../base/ids.ts';
import { bool, many, message, nested, optional, uint } from '../base/message.ts';
import { defineCall } from '../rpc/call.ts';
import type { UpdateTag } from '../store/types.ts';
import { StorePlaces } from '../store/place.ts';

/** Why a replica did not do what it was asked (core/replica/types.ts); absent: it did. The answer then says under which
 *  chain version it acts. `routing`, `fenced` and `busy` of an update leave its effect unknown: repeat it with the same
 *  tag. `tail`: ask the tail. */
export const refusals = { routing: 1, fenced: 2, busy: 3, tail: 4 } as const;

const refusal = { refused: optional(uint(14)), chainVersion: optional(uint(15)) } as const;

/** Payload: the bytes. Repeating the request with the same tag has the effect of one.
 *  @throws CHECKSUM_MISMATCH, DISK_FULL, DISK_OFFLINE, CHUNK_SEALED, LIMIT_EXCEEDED */
export const writeChunk = defineCall({
  id: 200,
  name: 'writeChunk',
  capability: 'write',
  lane: 'write',
  payloadProtected: true,
  request: message('WriteChunkRequest', {
    target: uint(1),
    chainVersion: uint(2),
    blob: uint(3),
    index: uint(4),
    offset: uint(5),
    crc32c: uint(6),
    session: uint(7),
    channel: uint(8),
    sequence: uint(9),
    /** First write of a chunk of a fresh blob. */
    fresh: bool(10),
    /** Length that the chunk will have after writes to come; absent: this one completes it. */
    expectedBytes: optional(uint(11)),
    checksumUnitBytes: optional(uint(12)),
  }),
  response: message('WriteChunkResponse', {
    /** Of the chunk after the write. */
    version: uint(1),
    length: uint(2),
    crc32c: uint(3),
    ...refusal,
  }),
});

/** Answer payload: the asked-for bytes, clipped at the chunk's length. @throws CHUNK_NOT_FOUND, CORRUPT */
export const readChunk = defineCall({
  id: 201,
  name: 'readChunk',
  capability: 'read',
  lane: 'read',
  payloadProtected: true,
  request: message('ReadChunkRequest', {
    target: uint(1),
    chainVersion: uint(2),
    blob: uint(3),
    index: uint(4),
    offset: uint(5),
    length: uint(6),
  }),
  response: message('ReadChunkResponse', {
    version: uint(1),
    chunkBytes: uint(2),
    /** Of the payload. */
    crc32c: uint(3),
    ...refusal,
  }),
});

/** Where a run of a blob whose content never changes lies in files of the store: of its first `limits.placesMax` chunks
 *  those that can be read there (docs/internals/direct-read.md). */
export const placeChunks = defineCall({
  id: 202,
  name: 'placeChunks',
  capability: 'read',
  lane: 'read',
  request: message('PlaceChunksRequest', {
    target: uint(1),
    chainVersion: uint(2),
    blob: uint(3),
    chunkBytes: uint(4),
    /** Of the run in the blob. */
    offset: uint(5),
    length: uint(6),
  }),
  response: StorePlaces,
});

/** Removes a chunk of a chain. @throws CHUNK_NOT_FOUND */
export const removeChunk = defineCall({
  id: 203,
  name: 'removeChunk',
  capability: 'write',
  lane: 'background',
  request: message('RemoveChunkRequest', {
    target: uint(1),
    chainVersion: uint(2),
    blob: uint(3),
    index: uint(4),
    session: uint(5),
    channel: uint(6),
    sequence: uint(7),
  }),
  response: message('RemoveChunkResponse', { ...refusal }),
});

const ChunkAt = message('ChunkAt', { blob: uint(1), index: uint(2) });

const FoundChunk = message('FoundChunk', {
  blob: uint(1),
  index: uint(2),
  version: uint(3),
  length: uint(4),
  crc32c: uint(5),
  /** An update is on its way; the other members are then those of before it, or 0. */
  pending: bool(6),
});

/** Chunks that a replica holds, in key order: fewer than `limit` only at the end. */
export const scanChunks = defineCall({
  id: 204,
  name: 'scanChunks',
  capability: 'read',
  lane: 'background',
  request: message('ScanChunksRequest', {
    target: uint(1),
    chainVersion: uint(2),
    after: optional(nested(3, ChunkAt)),
    limit: uint(4),
  }),
  response: message('ScanChunksResponse', { chunks: many(nested(1, FoundChunk)), ...refusal }),
});

/** The chunk that a request is about. @throws CoreError INVALID_ARGUMENT */
export function chunkOf({
  blob,
  index,
}: {
  readonly blob: number;
  readonly index: number;
}): ChunkId {
  if (index > 0xffff_ffff) throw new CoreError('INVALID_ARGUMENT', `chunk index ${index}`);
  return { blob: id(blob), index };
}

/** The tag of an update that a request is for. */
export function tagOf(request: {
  readonly session: number;
  readonly channel: number;
  readonly sequence: number;
}): UpdateTag {
  return { session: id(request.session), channel: request.channel, sequence: request.sequence };
}
