// Memory of content on its way to the stores: segments of one checksum unit, shared fairly by all uploads of a
// process and used again. What sockets give is copied into them once, so that its own memory dies young: bytes that
// wait in it would outlive the young generation, and each 64 MiB of that cost a collection of the whole heap.
//
// First come, first served. When segments run out, uploads that hold part of a chunk send what they have, so that
// slow clients never hold memory that fast ones wait for. A synchronous machine; only `take` may have to wait.

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { limits } from '../base/limits.ts';

/** Invariant: a segment holds bytes of one checksum unit, from its start. */
export const segmentBytes = limits.checksumUnitBytes;

/** An upload that holds segments which it could send. */
export interface WriteHolder {
  /** Full segments that wait for the rest of their chunk. */
  readonly fullSegments: number;
  /** Sends what can be sent now; it comes back with `giveBack` when it is stored. */
  relieve(): void;
}

export class WriteMemory {
  private readonly segmentsMax: number;
  private usedSegments = 0;
  /** Newest last: it is warm. */
  private readonly free: Buffer[] = [];
  private readonly holders = new Set<WriteHolder>();
  private readonly waiters: ((segment: Buffer) => void)[] = [];

  constructor(totalBytes: number = limits.clientWriteBytesMax) {
    this.segmentsMax = Math.floor(totalBytes / segmentBytes);
  }

  /** Segments that uploads hold. */
  get used(): number {
    return this.usedSegments;
  }

  enter(holder: WriteHolder): void {
    this.holders.add(holder);
  }

  leave(holder: WriteHolder): void {
    this.holders.delete(holder);
  }

  /** Size at which an upload sends: whole chunks while few run, smaller pieces when many share the memory. */
  pieceBytes(chunkBytes: number): number {
    const share = Math.floor(this.segmentsMax / (2 * Math.max(1, this.holders.size)));
    return Math.min(chunkBytes, Math.max(limits.clientWritePieceBytesMin, share * segmentBytes));
  }

  /** A segment with garbage in it; a promise when others have to give one back first. */
  take(): Buffer | Promise<Buffer> {
    if (this.usedSegments < this.segmentsMax) {
      this.usedSegments++;
      return this.free.pop() ?? Buffer.allocUnsafeSlow(segmentBytes);
    }
    const waiting = new Promise<Buffer>((resolve) => void this.waiters.push(resolve));
    this.relieve();
    return waiting;
  }

  /** @param reusable nobody reads them any more: not the connection of a call whose outcome is unknown either */
  giveBack(segments: readonly Buffer[], reusable: boolean): void {
    for (const segment of segments) {
      const memory = reusable ? segment : Buffer.allocUnsafeSlow(segmentBytes);
      const next = this.waiters.shift();
      if (next !== undefined) next(memory);
      else {
        this.free.push(memory);
        this.usedSegments--;
      }
    }
    assert(this.usedSegments >= 0, 'no more is given back than was taken');
    if (this.waiters.length > 0) this.relieve();
  }

  /** Keeps a quarter of the memory on its way; the largest partial chunks go first. */
  private relieve(): void {
    const byFull = [...this.holders].toSorted((a, b) => b.fullSegments - a.fullSegments);
    let onTheWay = this.usedSegments;
    for (const { fullSegments } of byFull) onTheWay -= fullSegments;
    for (const holder of byFull) {
      if (onTheWay >= this.segmentsMax / 4 || holder.fullSegments === 0) return;
      onTheWay += holder.fullSegments;
      holder.relieve();
    }
  }
}
