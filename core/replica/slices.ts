// Slices of the chunk ids, by which replicas are compared before one of them serves (design 4.5), and the digest of
// a slice: a sum over its rows, so that the order of their arrival does not matter.

import type { ChunkId } from '../base/ids.ts';
import type { ContentState, ReplicaEnv, SliceDigest } from './types.ts';

export function sliceOf({ blob, index }: ChunkId, slices: number): number {
  return mix(mix(blob >>> 0, Math.floor(blob / 2 ** 32)), index) % slices;
}

export interface DigestScope {
  readonly slice: number;
  readonly slices: number;
  /** Rows that are read at a time. */
  readonly page: number;
}

/** Of the committed rows of a slice, which nobody may change meanwhile. */
export function digestOf(
  env: ReplicaEnv,
  { slice, slices, page }: DigestScope,
  done: (digest: SliceDigest) => void,
): void {
  let count = 0;
  let digest = 0;
  const read = (after: ChunkId | undefined): void =>
    env.rows(after, page, (rows) => {
      for (const [chunk, { committed }] of rows) {
        if (committed === undefined || sliceOf(chunk, slices) !== slice) continue;
        count++;
        digest = (digest + digestOfRow(chunk, committed)) >>> 0;
      }
      if (rows.length < page) done({ count, digest });
      else read(rows.at(-1)?.[0]);
    });
  read(undefined);
}

function digestOfRow({ blob, index }: ChunkId, state: ContentState): number {
  let sum = mix(mix(blob >>> 0, Math.floor(blob / 2 ** 32)), index);
  sum = mix(sum, state.version);
  sum = mix(sum, state.assigned);
  sum = mix(sum, state.length);
  sum = mix(sum, state.crc32c);
  return mix(sum, state.sealed ? 1 : 0);
}

/** 32 bits of two numbers (the finalizer of MurmurHash3 over their combination). */
function mix(a: number, b: number): number {
  let word = (Math.imul(a, 31) ^ (b >>> 0)) >>> 0;
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}
