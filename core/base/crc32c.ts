// CRC32C (Castagnoli), the internal checksum of everything stored and sent. Native code; the only work
// per byte in the process. Checksums of adjacent pieces combine without touching the bytes.

import { crc32c as native } from '@node-rs/crc32';
import { asBuffer } from './bytes.ts';
import { makeCrc32Arithmetic } from './crc-combine.ts';

const arithmetic = makeCrc32Arithmetic(0x82f63b78);

/** CRC32C of `bytes` as a u32; `seed` is the CRC of what came before. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return native(asBuffer(bytes), seed);
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
