// The wire format of protobuf (protobuf.dev/programming-guides/encoding): variable-length integers, lengths,
// strings. What messages are made of is message.ts's; which bytes a field takes is here. The writer goes from
// the end to the beginning, so that a length is known when it is written and every message is one pass.

import { Buffer } from 'node:buffer';
import { AssertionError } from './assert.ts';
import { CoreError } from './errors.ts';
import { KiB } from './limits.ts';

/** Wire types. Groups (3 and 4) are refused: no build ever wrote one. */
export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** The key that stands before a field's value. */
export const tagOf = (field: number, type: number): number => field * 8 + type;

const two28 = 2 ** 28;
/** Kept between messages: most are smaller. */
const scratchBytes = 16 * KiB;
/** Above this the native encoder is faster than a loop over characters. */
const shortStringMax = 32;

/** Fields are written last to first. One writer serves all messages, one at a time. */
export class WireWriter {
  private bytes = Buffer.allocUnsafeSlow(scratchBytes);
  /** Invariant: what is written lies in [at, bytes.length). */
  private at = scratchBytes;

  begin(): void {
    if (this.bytes.length > scratchBytes) this.bytes = Buffer.allocUnsafeSlow(scratchBytes);
    this.at = this.bytes.length;
  }

  /** The message, in memory of its own. */
  finish(): Buffer {
    const message = Buffer.allocUnsafe(this.written);
    this.bytes.copy(message, 0, this.at);
    return message;
  }

  get written(): number {
    return this.bytes.length - this.at;
  }

  private reserve(count: number): void {
    if (this.at >= count) return;
    const { written } = this;
    const grown = Buffer.allocUnsafeSlow(2 * Math.max(this.bytes.length, written + count));
    this.bytes.copy(grown, grown.length - written, this.at);
    this.bytes = grown;
    this.at = grown.length - written;
  }

  varint(value: number): void {
    this.reserve(8); // 2^53 takes 8 bytes
    if (value < 0x80) {
      this.bytes[--this.at] = value;
      return;
    }
    let count = 2;
    for (let bound = 0x4000; value >= bound; bound *= 0x80) count++;
    this.at -= count;
    let rest = value;
    for (let at = this.at, last = at + count - 1; at < last; at++) {
      this.bytes[at] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.at + count - 1] = rest;
  }

  /** @param name of the field. @throws AssertionError when the number is none of 0 to 2^53 - 1 */
  uint(value: number, name: string): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new AssertionError(`${name} = ${String(value)}`);
    this.varint(value);
  }

  bool(value: boolean): void {
    this.varint(value ? 1 : 0);
  }

  block(bytes: Uint8Array): void {
    this.raw(bytes);
    this.varint(bytes.length);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.at -= bytes.length;
    this.bytes.set(bytes, this.at);
  }

  string(text: string): void {
    if (text.length > shortStringMax || !this.ascii(text)) {
      const count = Buffer.byteLength(text);
      this.reserve(count);
      this.at -= count;
      this.bytes.write(text, this.at, count, 'utf8');
      this.varint(count);
      return;
    }
    this.varint(text.length);
  }

  /** @returns false, and nothing is written, when there is more than ASCII */
  private ascii(text: string): boolean {
    this.reserve(text.length);
    const to = this.at - text.length;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      this.bytes[to + index] = code;
    }
    this.at = to;
    return true;
  }
}

/** Reads from a view without copying. Every length is held against the end before it is followed. */
export class WireReader {
  private readonly bytes: Buffer;
  private at = 0;
  private end: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  get more(): boolean {
    return this.at < this.end;
  }

  /** Of the next byte. */
  get position(): number {
    return this.at;
  }

  private byte(): number {
    if (this.at >= this.end) throw malformed('ends within a number');
    return this.bytes[this.at++] as number;
  }

  /** Exact below 2^53; a larger one comes out as 2^53 or more. */
  varint(): number {
    let byte = this.byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    let factor = two28;
    for (let count = 4; count < 10; count++) {
      byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    throw malformed('has a number of more than 10 bytes');
  }

  /** @param name of the field */
  uint(name: string): number {
    const value = this.varint();
    if (value > Number.MAX_SAFE_INTEGER) throw malformed(`has ${name} of 2^53 or more`);
    return value;
  }

  bool(): boolean {
    return this.varint() !== 0;
  }

  /** A view of the input. */
  block(): Buffer {
    const from = this.skip(this.varint());
    return this.bytes.subarray(from, this.at);
  }

  string(): string {
    const from = this.skip(this.varint());
    return this.bytes.toString('utf8', from, this.at);
  }

  /** A string that is often `before`, which is then the answer: nothing is made. */
  stringLike(before: string): string {
    const from = this.skip(this.varint());
    const { at, bytes } = this;
    if (at - from !== before.length) return bytes.toString('utf8', from, at);
    for (let index = 0; index < before.length; index++) {
      const byte = bytes[from + index] as number;
      // One byte is one character in ASCII alone.
      if (byte > 0x7f || byte !== before.charCodeAt(index)) return bytes.toString('utf8', from, at);
    }
    return before;
  }

  /** Passes over the bytes of a string, bytes or a message. */
  pass(): void {
    this.skip(this.varint());
  }

  /** Everything up to `leave` is an embedded message. @returns what `leave` needs */
  enter(): number {
    const outer = this.end;
    const from = this.skip(this.varint());
    this.end = this.at;
    this.at = from;
    return outer;
  }

  leave(outer: number): void {
    this.end = outer;
  }

  /** The value behind `tag`, passed over. @returns a view from `from` on: the field as it was sent */
  unknown(tag: number, from: number): Buffer {
    if (tag < 8) throw malformed('has a field of number 0');
    const type = tag % 8;
    if (type === wireType.varint) this.varint();
    else if (type === wireType.bytes) this.skip(this.varint());
    else if (type === wireType.fixed64) this.skip(8);
    else if (type === wireType.fixed32) this.skip(4);
    else throw malformed(`has a field of wire type ${type}`);
    return this.bytes.subarray(from, this.at);
  }

  /** @returns where the skipped bytes begin */
  private skip(count: number): number {
    const from = this.at;
    if (count > this.end - from) throw malformed('ends within a field');
    this.at = from + count;
    return from;
  }
}

const malformed = (how: string): CoreError => new CoreError('PROTOCOL', how);
