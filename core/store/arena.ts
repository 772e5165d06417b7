// Copies of small byte strings in shared blocks: one allocation for hundreds of journaled writes instead of
// one each, which the garbage collector would have to track and free. A block lives as long as any copy in
// it; the copies of an update are dropped in about the order they came, when they are placed.

import { Buffer } from 'node:buffer';
import { KiB, MiB } from '../base/limits.ts';

const blockBytes = 1 * MiB;
/** Longer strings get memory of their own: they would waste the rest of a block. */
const sharedBytesMax = 64 * KiB;

export class Arena {
  private block = Buffer.alloc(0);
  private at = 0;

  /** The parts joined; the caller never changes them. */
  copy(parts: readonly Uint8Array[]): Uint8Array {
    let length = 0;
    for (const part of parts) length += part.length;
    if (length > sharedBytesMax) return Buffer.concat(parts, length);
    if (this.at + length > this.block.length) {
      this.block = Buffer.allocUnsafeSlow(blockBytes);
      this.at = 0;
    }
    const start = this.at;
    for (const part of parts) {
      this.block.set(part, this.at);
      this.at += part.length;
    }
    return this.block.subarray(start, this.at);
  }
}
