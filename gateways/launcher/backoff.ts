// How long a crashed role waits before it starts again, and when its crashes are a loop. Pure: time is a
// parameter.

import { processLimits } from './limits.ts';

export class Backoff {
  private crashes = 0;

  /** The role ended by itself after `servedMs` of serving; returns the pause before the next start. */
  crashed(servedMs: number): number {
    if (servedMs >= processLimits.recoveredMs) this.crashes = 0;
    this.crashes += 1;
    const doubled = processLimits.backoffMsMin * 2 ** Math.min(this.crashes - 1, 30);
    return Math.min(doubled, processLimits.backoffMsMax);
  }

  get looping(): boolean {
    return this.crashes >= processLimits.crashesMax;
  }
}
