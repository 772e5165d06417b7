// CRC32C (Castagnoli), the internal checksum of everything stored and sent. Native code; the only work
// per byte in the process. `combine` joins checksums of adjacent pieces without touching the bytes
// (CRC linearity over GF(2), Mark Adler's crc32_combine with the reflected polynomial 0x82f63b78).

import { crc32c as native } from '@node-rs/crc32';
import { asBuffer } from './bytes.ts';

const polynomial = 0x82f63b78;

/** CRC32C of `bytes` as a u32; `seed` is the CRC of what came before. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return native(asBuffer(bytes), seed);
}

export function crc32cParts(parts: readonly Uint8Array[], seed = 0): number {
  let crc = seed;
  for (const part of parts) crc = crc32c(part, crc);
  return crc;
}

/** a(x) * b(x) modulo the polynomial, both reflected. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ polynomial : factor >>> 1;
  }
  return product >>> 0;
}

/** x^(2^k) modulo the polynomial for k = 0…31; squares repeat after that. */
const squares: number[] = (() => {
  const table = [0x40000000];
  for (let k = 1; k < 64; k++) table.push(multiply(table[k - 1] as number, table[k - 1] as number));
  return table;
})();

/** x^(8 * bytes) modulo the polynomial. */
function shiftOperator(bytes: number): number {
  let operator = 0x80000000;
  let rest = bytes;
  for (let k = 3; rest > 0; k++) {
    if (rest % 2 === 1) operator = multiply(squares[k] as number, operator);
    rest = Math.floor(rest / 2);
  }
  return operator;
}

/** CRC32C of A followed by B, from crc(A), crc(B) and the length of B in bytes. */
export function crc32cCombine(crcA: number, crcB: number, bytesB: number): number {
  if (bytesB === 0) return crcA;
  return (multiply(shiftOperator(bytesB), crcA) ^ crcB) >>> 0;
}

/** CRC32C of `bytes` zero bytes. */
export function crc32cZeros(bytes: number): number {
  // crc(0^n) = ~(shift(n) applied to ~0): the register starts and ends inverted.
  return (multiply(shiftOperator(bytes), 0xffffffff) ^ 0xffffffff) >>> 0;
}
