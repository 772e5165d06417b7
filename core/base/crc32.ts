// CRC32 (the one of zlib and Ethernet): a checksum that S3 clients state. Native code.

import { crc32 as native } from '@node-rs/crc32';
import { asBuffer } from './bytes.ts';
import { makeCrc32Arithmetic } from './crc-combine.ts';

const arithmetic = makeCrc32Arithmetic(0xedb88320);

/** CRC32 of `bytes` as a u32; `seed` is the CRC of what came before. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return native(asBuffer(bytes), seed);
}

/** CRC32 of A followed by B, from crc(A), crc(B) and the length of B in bytes. */
export function crc32Combine(crcA: number, crcB: number, bytesB: number): number {
  return arithmetic.combine(crcA, crcB, bytesB);
}
