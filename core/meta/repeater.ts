// Runs something again and again on a Clock, never twice at once: each run says when the next one is due.

import { toCoreError } from '../base/errors.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Events } from '../env/events.ts';

/** Pause after a run that failed. */
const retryMs = 1000;

export class Repeater {
  private readonly clock: Clock;
  private readonly events: Events;
  private readonly name: string;
  private readonly run: () => Promise<number>;
  private timer: Timer | undefined;
  private running = Promise.resolve();
  private stopped = false;

  /** `run` answers the milliseconds until its next run. */
  constructor(clock: Clock, events: Events, name: string, run: () => Promise<number>) {
    this.clock = clock;
    this.events = events;
    this.name = name;
    this.run = run;
  }

  start(delayMs: number): void {
    if (this.stopped) return;
    this.timer = this.clock.after(delayMs, () => {
      this.running = this.once();
    });
  }

  /** No run starts after this; resolves when the one under way has ended. */
  stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    return this.running;
  }

  private async once(): Promise<void> {
    let delayMs = retryMs;
    try {
      delayMs = await this.run();
    } catch (error) {
      const { errorName, message } = toCoreError(error);
      this.events.emit('warn', `${this.name}-failed`, { errorName, message });
    }
    this.start(delayMs);
  }
}
