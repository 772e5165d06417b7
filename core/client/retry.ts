// Repeats an operation that is safe to repeat (a read, or a write that carries its tag) while another
// attempt may help and time is left.

import { isCoreError, type ErrorName } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Clock } from '../env/clock.ts';

const curable: readonly ErrorName[] = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'BUSY'];

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

/** @param stopped no further attempt is made once it answers true @throws the last attempt's error */
export async function withRetry<T>(
  clock: Clock,
  attempt: () => Promise<T>,
  stopped: () => boolean = () => false,
): Promise<T> {
  const endMs = clock.now() + limits.clientRetryMs;
  let pauseMs: number = limits.clientRetryPauseMsMin;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one attempt after another
      return await attempt();
    } catch (error) {
      const helps = curable.some((name) => isCoreError(error, name));
      if (!helps || stopped() || clock.now() + pauseMs > endMs) throw error;
    }
    // oxlint-disable-next-line no-await-in-loop
    await pause(clock, pauseMs);
    pauseMs = Math.min(2 * pauseMs, limits.clientRetryPauseMsMax);
  }
}
