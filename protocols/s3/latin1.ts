// Latin1 strings as bytes: header values and request targets reach us as one character a byte.

import { Buffer } from 'node:buffer';
import { KiB } from '../../core/base/limits.ts';

/** A request's head fits; longer text takes memory of its own. */
const scratch = Buffer.alloc(16 * KiB);

/** The bytes of a latin1 string, to be hashed at once: the next call overwrites them. */
export function latin1Bytes(text: string): Buffer {
  if (text.length > scratch.length) return Buffer.from(text, 'latin1');
  return scratch.subarray(0, scratch.write(text, 0, 'latin1'));
}
