// Decoder of one Snappy block (github.com/google/snappy, format_description.txt), for the index blocks of
// LevelDB's tables. Its input was verified by a checksum; it is bounded all the same. Pure.

import { Buffer } from 'node:buffer';
import { readVarint } from './varint.ts';

/** An index block of a table of some megabytes is some kilobytes. */
const outputBytesMax = 64 * 1024 * 1024;

/** @throws RangeError when the input is no such block */
export function snappyDecode(input: Buffer): Buffer {
  const cursor = { bytes: input, at: 0 };
  const length = readVarint(cursor);
  if (length === undefined || length > outputBytesMax) throw new RangeError('snappy: bad length');
  const output = Buffer.alloc(length);
  let to = 0;
  while (cursor.at < input.length) {
    const element = elementAt(input, cursor.at);
    cursor.at = element.next;
    if (to + element.bytes > length) throw new RangeError('snappy: output too long');
    if (element.back === 0) {
      if (element.next + element.bytes > input.length) throw new RangeError('snappy: cut literal');
      input.copy(output, to, element.next, element.next + element.bytes);
      cursor.at += element.bytes;
      to += element.bytes;
      continue;
    }
    if (element.back > to) throw new RangeError('snappy: copy from before the start');
    // Byte by byte: a copy may overlap what it writes.
    for (const end = to + element.bytes; to < end; to++)
      output[to] = output[to - element.back] as number;
  }
  if (to !== length) throw new RangeError('snappy: output too short');
  return output;
}

interface Element {
  readonly bytes: number;
  /** Distance of a copy; 0 for a literal. */
  readonly back: number;
  readonly next: number;
}

function elementAt(input: Buffer, at: number): Element {
  const tag = input.readUInt8(at);
  const upper = tag >> 2;
  switch (tag & 3) {
    case 0: {
      const extra = Math.max(0, upper - 59);
      const bytes = 1 + (extra === 0 ? upper : input.readUIntLE(at + 1, extra));
      return { bytes, back: 0, next: at + 1 + extra };
    }
    case 1: {
      const back = ((tag >> 5) << 8) | input.readUInt8(at + 1);
      return { bytes: 4 + (upper & 7), back: back || Infinity, next: at + 2 };
    }
    case 2:
      return { bytes: 1 + upper, back: input.readUInt16LE(at + 1) || Infinity, next: at + 3 };
    default:
      return { bytes: 1 + upper, back: input.readUInt32LE(at + 1) || Infinity, next: at + 5 };
  }
}
