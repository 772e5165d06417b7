// The engine lock of chunks: one holder per key, waiters served in the order they came.

import { assert } from '../base/assert.ts';
import type { ChunkId, TargetId } from '../base/ids.ts';
import { mark } from '../base/mark.ts';

export function lockKey(target: TargetId, chunk: ChunkId): string {
  return `${target}/${chunk.blob}/${chunk.index}`;
}

export class ChunkLocks {
  /** Held keys and who waits for them. */
  private readonly held = new Map<string, (() => void)[]>();

  /** The release function, at once or when everybody before has released the key. */
  acquire(key: string): (() => void) | Promise<() => void> {
    const waiters = this.held.get(key);
    if (waiters !== undefined) {
      mark('lock.wait');
      return new Promise((resolve) => {
        waiters.push(() => resolve(this.releaser(key)));
      });
    }
    this.held.set(key, []);
    return this.releaser(key);
  }

  private releaser(key: string): () => void {
    let released = false;
    return () => {
      assert(!released, 'a lock is released once');
      released = true;
      this.release(key);
    };
  }

  private release(key: string): void {
    const next = this.held.get(key)?.shift();
    // The key stays held: it passes to the next waiter without a gap.
    if (next === undefined) this.held.delete(key);
    else next();
  }

  get heldCount(): number {
    return this.held.size;
  }
}
