// Memory of content on its way to the stores, shared fairly by all uploads of a process: first come, first
// served. When it runs out, uploads that hold part of a chunk send what they have, so that slow clients never
// hold memory that fast ones wait for. A synchronous machine; only `take` may have to wait.

import { assert } from '../base/assert.ts';
import { limits } from '../base/limits.ts';

/** An upload that holds bytes which it could send. */
export interface WriteHolder {
  /** Bytes that wait for the rest of their chunk. */
  readonly pendingBytes: number;
  /** Sends what can be sent now; it comes back with `giveBack` when it is stored. */
  relieve(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
}

export class WriteMemory {
  private readonly totalBytes: number;
  private usedBytes = 0;
  private readonly holders = new Set<WriteHolder>();
  private readonly waiters: Waiter[] = [];

  constructor(totalBytes: number = limits.clientWriteBytesMax) {
    this.totalBytes = totalBytes;
  }

  get used(): number {
    return this.usedBytes;
  }

  enter(holder: WriteHolder): void {
    this.holders.add(holder);
  }

  leave(holder: WriteHolder): void {
    this.holders.delete(holder);
  }

  /** Size at which an upload sends: whole chunks while few run, smaller pieces when many share the memory. */
  pieceBytes(chunkBytes: number): number {
    const unit = limits.checksumUnitBytes;
    const share = this.totalBytes / (2 * Math.max(1, this.holders.size));
    const whole = Math.max(limits.clientWritePieceBytesMin, Math.floor(share / unit) * unit);
    return Math.min(chunkBytes, whole);
  }

  /** Undefined when the bytes were taken at once. */
  take(bytes: number): Promise<void> | undefined {
    assert(bytes >= 0, 'bytes to take');
    // One piece larger than everything is let through alone: it is in memory already.
    const fits = this.usedBytes === 0 || this.usedBytes + bytes <= this.totalBytes;
    if (fits && this.waiters.length === 0) {
      this.usedBytes += bytes;
      return undefined;
    }
    const waiting = new Promise<void>((resolve) => void this.waiters.push({ bytes, resolve }));
    this.relieve();
    return waiting;
  }

  giveBack(bytes: number): void {
    this.usedBytes -= bytes;
    assert(this.usedBytes >= 0, 'no more is given back than was taken');
    for (;;) {
      const [next] = this.waiters;
      if (next === undefined) return;
      if (this.usedBytes > 0 && this.usedBytes + next.bytes > this.totalBytes) break;
      this.waiters.shift();
      this.usedBytes += next.bytes;
      next.resolve();
    }
    this.relieve();
  }

  /** Keeps a quarter of the memory on its way; the largest partial chunks go first. */
  private relieve(): void {
    const byPending = [...this.holders].toSorted((a, b) => b.pendingBytes - a.pendingBytes);
    let onTheWay = this.usedBytes;
    for (const { pendingBytes } of byPending) onTheWay -= pendingBytes;
    for (const holder of byPending) {
      if (onTheWay >= this.totalBytes / 4) return;
      onTheWay += holder.pendingBytes;
      holder.relieve();
    }
  }
}
