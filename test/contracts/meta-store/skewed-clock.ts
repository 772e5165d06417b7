// Real time that a test can push forward: limits of seconds are tested in milliseconds.

import { performance } from 'node:perf_hooks';
import type { Clock, Timer } from '../../../core/env/clock.ts';

export class SkewedClock implements Clock {
  private skewMs = 0;

  advance(ms: number): void {
    this.skewMs += ms;
  }

  now(): number {
    return performance.now() + this.skewMs;
  }

  wallMs(): number {
    return Date.now() + this.skewMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  }
}
