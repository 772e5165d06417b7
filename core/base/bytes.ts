// Bytes reader and writer for fixed binary formats, and helpers on byte strings. Integers are big-endian
// unless the name says otherwise; u64 values are numbers asserted below 2^53. A reader throws CoreError
// PROTOCOL on short or oversized input, so that no length from outside is trusted before its check.

import { Buffer } from 'node:buffer';
import { assert } from './assert.ts';
import { CoreError } from './errors.ts';

const two32 = 2 ** 32;

/** Grows by doubling; `finish` returns a view of the written bytes, owned by the caller from then on. */
export class ByteWriter {
  private buffer: Buffer;
  private length = 0;

  constructor(initialBytes = 256) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  /** Reserves `bytes`; may replace `buffer`, so take the position before touching it. */
  private room(bytes: number): number {
    const at = this.length;
    const need = at + bytes;
    if (need > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(need, this.buffer.length * 2));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.length = need;
    return at;
  }

  u8(value: number): this {
    const at = this.room(1);
    this.buffer.writeUInt8(value, at);
    return this;
  }

  u16(value: number): this {
    const at = this.room(2);
    this.buffer.writeUInt16BE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.room(4);
    this.buffer.writeUInt32BE(value, at);
    return this;
  }

  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `u64 out of range: ${value}`);
    const at = this.room(8);
    this.buffer.writeUInt32BE(Math.floor(value / two32), at);
    this.buffer.writeUInt32BE(value % two32, at + 4);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.room(bytes.length);
    this.buffer.set(bytes, at);
    return this;
  }

  /** u32 length, then the bytes. */
  block(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  get bytesWritten(): number {
    return this.length;
  }

  finish(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}

/** Reads from a view without copying; returned byte fields are views of the input. */
export class ByteReader {
  private readonly buffer: Buffer;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  private take(bytes: number): number {
    if (bytes > this.buffer.length - this.at) {
      throw new CoreError('PROTOCOL', `need ${bytes} bytes at ${this.at}, have ${this.remaining}`);
    }
    const at = this.at;
    this.at = at + bytes;
    return at;
  }

  u8(): number {
    return this.buffer.readUInt8(this.take(1));
  }

  u16(): number {
    return this.buffer.readUInt16BE(this.take(2));
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }

  u64(): number {
    const at = this.take(8);
    const value = this.buffer.readUInt32BE(at) * two32 + this.buffer.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new CoreError('PROTOCOL', `u64 above 2^53 at ${at}`);
    return value;
  }

  raw(bytes: number): Buffer {
    const at = this.take(bytes);
    return this.buffer.subarray(at, at + bytes);
  }

  block(bytesMax: number): Buffer {
    const bytes = this.u32();
    if (bytes > bytesMax)
      throw new CoreError('PROTOCOL', `block of ${bytes} bytes, at most ${bytesMax}`);
    return this.raw(bytes);
  }

  get remaining(): number {
    return this.buffer.length - this.at;
  }

  end(): void {
    if (this.remaining !== 0) throw new CoreError('PROTOCOL', `${this.remaining} trailing bytes`);
  }
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** The smallest byte string greater than every string that starts with `prefix`; undefined if none. */
export function prefixEnd(prefix: Uint8Array): Buffer | undefined {
  const end = Buffer.from(prefix);
  for (let at = end.length - 1; at >= 0; at--) {
    const byte = end[at] as number;
    if (byte !== 0xff) {
      end[at] = byte + 1;
      return end.subarray(0, at + 1);
    }
  }
  return undefined;
}

/** A view of the same memory as a Buffer; no copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
