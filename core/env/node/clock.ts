// Time of this machine. `process.hrtime` and not `performance.now`, whose origin differs between worker
// threads (design 4.4). The monotonic clock stands still while the machine is suspended: a stated limit.

import type { Clock, Timer } from '../clock.ts';

/** setTimeout fires at once above this delay; longer waits are cut into pieces. */
const timeoutMsMax = 2 ** 31 - 1;

class NodeTimer implements Timer {
  private handle: NodeJS.Timeout | undefined;

  constructor(delayMs: number, callback: () => void) {
    this.arm(Math.max(0, delayMs), callback);
  }

  private arm(delayMs: number, callback: () => void): void {
    const stepMs = Math.min(delayMs, timeoutMsMax);
    this.handle = setTimeout(() => {
      if (delayMs > stepMs) this.arm(delayMs - stepMs, callback);
      else callback();
    }, stepMs);
    this.handle.unref();
  }

  cancel(): void {
    clearTimeout(this.handle);
  }
}

export const nodeClock: Clock = {
  now() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  },
  wallMs: () => Date.now(),
  after: (delayMs, callback) => new NodeTimer(delayMs, callback),
};
