// Branded ids (shared design 4.8): u64 on disk, allocated in ranges, never reused, asserted below 2^53
// and plain numbers in memory. The brands keep a chain version from being passed as an update version.

import { assert } from './assert.ts';
import { CoreError } from './errors.ts';

declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

export type BlobId = Brand<number, 'BlobId'>;
export type InodeId = Brand<number, 'InodeId'>;
export type ContentId = Brand<number, 'ContentId'>;
export type SessionId = Brand<number, 'SessionId'>;
export type ChainId = Brand<number, 'ChainId'>;
export type TargetId = Brand<number, 'TargetId'>;
export type StoreId = Brand<number, 'StoreId'>;
export type ChainVer = Brand<number, 'ChainVer'>;
export type UpdateVer = Brand<number, 'UpdateVer'>;

/** Position of a record in a journal; numbers start at 1 and have no gaps. */
export type RecordNumber = Brand<number, 'RecordNumber'>;

/** @throws AssertionError unless 0 <= value < 2^53 and whole. */
export function id<T extends Brand<number, string>>(value: number): T {
  assert(Number.isSafeInteger(value) && value >= 0, `not an id: ${value}`);
  return value as T;
}

/** One chunk of a blob. Its stored key is blob (8 bytes BE) + index (4 BE), see docs/internals/disk-format.md. */
export interface ChunkId {
  readonly blob: BlobId;
  readonly index: number;
}

export const chunkKeyBytes = 12;

export function writeChunkKey(into: Uint8Array, at: number, chunk: ChunkId): void {
  assert(chunk.index >= 0 && chunk.index <= 0xffffffff, `chunk index ${chunk.index}`);
  const view = new DataView(into.buffer, into.byteOffset + at, chunkKeyBytes);
  view.setUint32(0, Math.floor(chunk.blob / 2 ** 32));
  view.setUint32(4, chunk.blob >>> 0);
  view.setUint32(8, chunk.index);
}

/** @throws CoreError CORRUPT for bytes that are no key of a chunk */
export function readChunkKey(from: Uint8Array, at = 0): ChunkId {
  if (from.length < at + chunkKeyBytes)
    throw new CoreError('CORRUPT', `a chunk key of ${from.length} bytes`);
  const view = new DataView(from.buffer, from.byteOffset + at, chunkKeyBytes);
  const blob = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  if (!Number.isSafeInteger(blob)) throw new CoreError('CORRUPT', 'a chunk of a blob above 2^53');
  return { blob: id<BlobId>(blob), index: view.getUint32(8) };
}
