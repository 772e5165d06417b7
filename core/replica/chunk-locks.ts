// The chunk lock of design 4.2: first come, first served, and held for the whole way of an update along the chain.
// It is released by an answer or a change of the chain, never by a timeout. A barrier keeps newcomers off a set of
// chunks while their digest is compared.

import type { ChunkId } from '../base/ids.ts';
import { chunkKey } from './types.ts';

interface Waiting {
  readonly chunk: ChunkId;
  readonly start: () => void;
  readonly refuse: () => void;
}

interface Barrier {
  readonly has: (chunk: ChunkId) => boolean;
  readonly waiting: Waiting[];
  /** Called when nobody holds a lock of the set any more; once. */
  ready: (() => void) | undefined;
}

export class ChunkLocks {
  private readonly locks = new Map<
    string,
    { readonly chunk: ChunkId; readonly queue: Waiting[] }
  >();
  private barrier: Barrier | undefined;

  /** Runs `start` when the lock is free: at once, or after those before it. `refuse` runs instead when the chain
   *  changes first. */
  acquire(chunk: ChunkId, start: () => void, refuse: () => void): void {
    const key = chunkKey(chunk);
    const lock = this.locks.get(key);
    if (lock !== undefined) lock.queue.push({ chunk, start, refuse });
    else if (this.barrier?.has(chunk) === true) this.barrier.waiting.push({ chunk, start, refuse });
    else {
      this.locks.set(key, { chunk, queue: [] });
      start();
    }
  }

  isHeld(chunk: ChunkId): boolean {
    return this.locks.has(chunkKey(chunk));
  }

  release(chunk: ChunkId): void {
    const key = chunkKey(chunk);
    const next = this.locks.get(key)?.queue.shift();
    if (next !== undefined) next.start();
    else {
      this.locks.delete(key);
      this.checkBarrier();
    }
  }

  /** The chain changed: whoever waits came under another version. Holders keep their locks; a barrier falls. */
  refuseWaiting(): void {
    const waiting = [...this.locks.values()].flatMap(({ queue }) => queue.splice(0));
    waiting.push(...(this.barrier?.waiting ?? []));
    this.barrier = undefined;
    for (const { refuse } of waiting) refuse();
  }

  /** Keeps newcomers off the set; `ready` runs when those inside are done. One barrier at a time. */
  raise(has: (chunk: ChunkId) => boolean, ready: () => void): void {
    this.barrier = { has, waiting: [], ready };
    this.checkBarrier();
  }

  lower(): void {
    const waiting = this.barrier?.waiting ?? [];
    this.barrier = undefined;
    for (const { chunk, start, refuse } of waiting) this.acquire(chunk, start, refuse);
  }

  private checkBarrier(): void {
    const { barrier } = this;
    if (barrier?.ready === undefined) return;
    for (const { chunk } of this.locks.values()) if (barrier.has(chunk)) return;
    const { ready } = barrier;
    barrier.ready = undefined;
    ready();
  }
}
