// Where a chunk's bytes lie in a file of its store, for a reader on the same machine that reads them there itself
// (docs/internals/direct-read.md). A place is a hint that carries its own proof: whoever reads there compares every
// unit with the checksums *after* the read, and goes to the store when one does not match.

import type { BlobId, ChunkId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { bytes, many, message, nested, string, uint, type MessageOf } from '../base/message.ts';

/** Bytes [offset, offset + length) of a chunk, from one checksum unit's start to another's end. */
export const ChunkPlace = message('ChunkPlace', {
  /** The chunk in its blob. */
  index: uint(1),
  offset: uint(2),
  length: uint(3),
  /** Path from the root of the store's disk. Slab numbers are never used again, so it never names another slab. */
  file: string(4),
  /** In the file, of the first byte. */
  at: uint(5),
  unitBytes: uint(6),
  /** CRC32C of each unit, four bytes, big-endian. */
  checksums: bytes(7),
});
export type ChunkPlace = MessageOf<typeof ChunkPlace>;

/** Places of chunks of one blob that lie in one store. */
export const StorePlaces = message('StorePlaces', {
  /** Root of the store's disk on the machine of the store; '': the places are none. */
  directory: string(1),
  places: many(nested(2, ChunkPlace)),
});
export type StorePlaces = MessageOf<typeof StorePlaces>;

export const noPlaces: StorePlaces = { directory: '', places: [] };

/** A run of the bytes of a blob whose content never changes. */
export interface PlacedRun {
  readonly blob: BlobId;
  readonly chunkBytes: number;
  readonly offset: number;
  readonly length: number;
}

export interface PlacingStore {
  /** Where bytes [offset, offset + length) lie, whole checksum units, when they are in one block of one file and nothing
   *  of them only in memory: for a reader that reads them there and checks them afterwards. */
  place(
    target: TargetId,
    chunk: ChunkId,
    offset: number,
    length: number,
  ): Promise<ChunkPlace | undefined>;
}

/** Places of the first `limits.placesMax` chunks of the run; those without one are left out. */
export async function placesOf(
  store: PlacingStore,
  target: TargetId,
  { blob, chunkBytes, offset, length }: PlacedRun,
): Promise<ChunkPlace[]> {
  const first = Math.floor(offset / chunkBytes);
  const end = Math.min(offset + length, (first + limits.placesMax) * chunkBytes);
  const places: ChunkPlace[] = [];
  for (let at = offset; at < end;) {
    const index = Math.floor(at / chunkBytes);
    const from = at - index * chunkBytes;
    const to = Math.min(chunkBytes, end - index * chunkBytes);
    // oxlint-disable-next-line no-await-in-loop -- the rows of one blob lie beside each other, most in memory
    const place = await store.place(target, { blob, index }, from, to - from);
    if (place !== undefined) places.push(place);
    at = index * chunkBytes + to;
  }
  return places;
}
