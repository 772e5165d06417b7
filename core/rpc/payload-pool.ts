// Memory of large payloads, used again: a fresh buffer per chunk costs page faults and makes the garbage
// collector run once per 64 MiB received (a quarter of the CPU of large writes, 40 % of large reads). Only for
// those who say when they are done: handlers that borrow their payload, answers that are lent. What is lost on
// the way (a broken connection) is collected like any buffer.

import { Buffer } from 'node:buffer';
import { KiB, limits } from '../base/limits.ts';
import { allocatePages } from '../base/page-memory.ts';

const granule = 64 * KiB;
/** Smaller buffers are cheaper to make than to keep. */
const pooledBytesMin = 2 * granule;

export class PayloadPool {
  private readonly free: Buffer[] = [];
  private freeBytes = 0;

  take(bytes: number): Buffer {
    if (bytes < pooledBytesMin) return Buffer.allocUnsafe(bytes);
    // Newest first: it is warm. At most a quarter of a buffer stays unused.
    const index = this.free.findLastIndex(
      ({ length }) => length >= bytes && length <= bytes + Math.max(granule, bytes / 4),
    );
    const [found] = index < 0 ? [] : this.free.splice(index, 1);
    // On a page, so that a chunk goes to its slab without a copy.
    if (found === undefined) return allocatePages(bytes).subarray(0, bytes);
    this.freeBytes -= found.length;
    return found.subarray(0, bytes);
  }

  /** Nobody may hold `payload` any more. */
  giveBack(payload: Buffer): void {
    const { buffer } = payload;
    if (payload.length < pooledBytesMin || !(buffer instanceof ArrayBuffer)) return;
    if (this.freeBytes + buffer.byteLength > limits.rpcPooledBytesMax) return;
    this.free.push(Buffer.from(buffer));
    this.freeBytes += buffer.byteLength;
  }
}
