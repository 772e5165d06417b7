// A gate that lets a few operations run at a time, the others in order of arrival. For work whose memory, not
// whose waiting, is the cost: side by side it would only take longer and live longer in the heap.

import { assert } from './assert.ts';
import { CoreError } from './errors.ts';

export interface GateLimits {
  readonly runningMax: number;
  readonly waitingMax: number;
}

export class Gate {
  private readonly bounds: GateLimits;
  private readonly waiting: (() => void)[] = [];
  private running = 0;

  constructor(bounds: GateLimits) {
    assert(bounds.runningMax > 0, 'a gate lets somebody through');
    this.bounds = bounds;
  }

  /** @throws CoreError BUSY when too many wait, and what `operation` throws */
  async run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.running < this.bounds.runningMax) this.running++;
    else await this.wait();
    try {
      return await operation();
    } finally {
      const next = this.waiting.shift();
      // The place passes to the next one without a gap.
      if (next === undefined) this.running--;
      else next();
    }
  }

  private wait(): Promise<void> {
    if (this.waiting.length >= this.bounds.waitingMax)
      throw new CoreError('BUSY', `${this.waiting.length} operations wait for their turn`);
    return new Promise((resolve) => {
      this.waiting.push(resolve);
    });
  }
}
