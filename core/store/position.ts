// Block positions, block classes and names of slab files: pure arithmetic of docs/internals/disk-format.md.
// A position is one number below 2^48: slab number * 2^16 + block index. Slab numbers start at 1 and are
// never reused, so a stale position can never name a block of another slab.

import { assert } from '../base/assert.ts';
import type { Brand } from '../base/ids.ts';
import { KiB, MiB, limits } from '../base/limits.ts';

export type Position = Brand<number, 'Position'>;

/** A patch without a block: its bytes are zeros. */
export const noPosition = 0 as Position;

/** A slab holds at most this many blocks: the index of a block is two bytes. */
export const slabBlocksMax = 2 ** 16;

/** Everything in a slab is written in whole pages: a torn page never holds bytes of two records. */
export const pageBytes = 4 * KiB;

export const blockLog2Min = Math.log2(limits.blockBytesMin);
export const blockLog2Max = Math.log2(limits.blockBytesMax);

assert(Number.isInteger(blockLog2Min) && Number.isInteger(blockLog2Max), 'blocks: powers of two');

export function positionOf(slab: number, block: number): Position {
  assert(slab > 0 && slab < 2 ** 32, `slab number ${slab}`);
  assert(block >= 0 && block < slabBlocksMax, `block index ${block}`);
  return (slab * slabBlocksMax + block) as Position;
}

export function slabOf(position: Position): number {
  return Math.floor(position / slabBlocksMax);
}

export function blockOf(position: Position): number {
  return position % slabBlocksMax;
}

/** log2 of the smallest block that holds `bytes`. */
export function blockLog2For(bytes: number): number {
  assert(bytes > 0 && bytes <= limits.blockBytesMax, `no block holds ${bytes} bytes`);
  let log2 = blockLog2Min;
  while (2 ** log2 < bytes) log2++;
  return log2;
}

export function pageFloor(bytes: number): number {
  return bytes - (bytes % pageBytes);
}

export function pageCeil(bytes: number): number {
  return pageFloor(bytes + pageBytes - 1);
}

export const slabsDirectory = 'slabs';

/** `4k`, `512k`, `1m`, `64m`: the folder of a block class. */
export function classDirectory(blockLog2: number): string {
  const bytes = 2 ** blockLog2;
  return `${slabsDirectory}/${bytes < MiB ? `${bytes / KiB}k` : `${bytes / MiB}m`}`;
}

export function slabPath(blockLog2: number, slab: number): string {
  return `${classDirectory(blockLog2)}/${slab.toString(16).padStart(8, '0')}`;
}

/** The slab number of a file name in a class folder; undefined for a name that no slab has. */
export function slabOfName(name: string): number | undefined {
  return /^[0-9a-f]{8}$/.test(name) ? Number.parseInt(name, 16) : undefined;
}

/** Size of the next slab of a class that has `classBytes` already: the class doubles, within bounds. */
export function nextSlabBytes(
  blockLog2: number,
  classBytes: number,
  bounds: { readonly slabBytesMin: number; readonly slabBytesMax: number },
): number {
  const blockBytes = 2 ** blockLog2;
  let bytes = Math.max(blockBytes, bounds.slabBytesMin);
  const most = Math.min(Math.max(blockBytes, bounds.slabBytesMax), blockBytes * slabBlocksMax);
  while (bytes * 2 <= Math.min(classBytes, most)) bytes *= 2;
  return bytes;
}
