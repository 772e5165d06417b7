// Arithmetic on 32-bit reflected CRCs: a CRC is a polynomial over GF(2), so that the checksum of joined
// pieces follows from theirs and the second's length alone (after Mark Adler's crc32_combine).

export interface Crc32Arithmetic {
  /** CRC of A followed by B, from crc(A), crc(B) and the length of B in bytes. */
  combine(crcA: number, crcB: number, bytesB: number): number;
  /** CRC of `bytes` zero bytes. */
  zeros(bytes: number): number;
}

/** @param polynomial reflected, for a CRC whose register starts and ends inverted. */
export function makeCrc32Arithmetic(polynomial: number): Crc32Arithmetic {
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

  /** x^(2^k) modulo the polynomial for k = 0…63. */
  const squares = [0x40000000];
  for (let k = 1; k < 64; k++) {
    const last = squares[k - 1] as number;
    squares.push(multiply(last, last));
  }

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

  return {
    combine(crcA, crcB, bytesB) {
      if (bytesB === 0) return crcA;
      return (multiply(shiftOperator(bytesB), crcA) ^ crcB) >>> 0;
    },
    zeros(bytes) {
      // crc(0^n) = ~(shift(n) applied to ~0): the register starts and ends inverted.
      return (multiply(shiftOperator(bytes), 0xffffffff) ^ 0xffffffff) >>> 0;
    },
  };
}
