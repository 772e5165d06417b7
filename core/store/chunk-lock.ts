// The engine lock of chunks: one holder per key, waiters served in the order they came.

import { assert } from '../base/assert.ts';

export class ChunkLocks {
  /** Held keys and who waits for them. */
  private readonly held = new Map<string, (() => void)[]>();

  /** Resolves with the release function when the caller holds the key. */
  async acquire(key: string): Promise<() => void> {
    const waiters = this.held.get(key);
    if (waiters === undefined) this.held.set(key, []);
    else
      await new Promise<void>((resolve) => {
        waiters.push(resolve);
      });
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
