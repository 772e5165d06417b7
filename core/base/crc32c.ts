// CRC32C (Castagnoli), the internal checksum of everything stored and sent. Native code but for short ones; the
// only work per byte in the process. Checksums of adjacent pieces combine without touching the bytes.

import { crc32c as native } from '@node-rs/crc32';
import { asBuffer } from './bytes.ts';
import { makeCrc32Arithmetic } from './crc-combine.ts';

const polynomial = 0x82f63b78;
const arithmetic = makeCrc32Arithmetic(polynomial);

/** Up to here a loop costs less than a call out of JavaScript: keys of rows, heads of frames. */
const loopBytesMax = 48;
const table = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
  table[byte] = crc;
}

/** CRC32C of `bytes` as a u32; `seed` is the CRC of what came before. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return bytes.length > loopBytesMax ? native(asBuffer(bytes), seed) : crc32cLoop(bytes, seed);
}

function crc32cLoop(bytes: Uint8Array, seed: number): number {
  let crc = ~seed;
  for (let at = 0; at < bytes.length; at++)
    crc = (table[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

export function crc32cParts(parts: readonly Uint8Array[], seed = 0): number {
  let crc = seed;
  for (const part of parts) crc = crc32c(part, crc);
  return crc;
}

/** CRC32C of A followed by B, from crc(A), crc(B) and the length of B in bytes. */
export function crc32cCombine(crcA: number, crcB: number, bytesB: number): number {
  return arithmetic.combine(crcA, crcB, bytesB);
}

/** CRC32C of `bytes` zero bytes. */
export function crc32cZeros(bytes: number): number {
  return arithmetic.zeros(bytes);
}
