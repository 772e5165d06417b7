// Virtual time: an event heap ordered by (time, sequence). Nothing moves unless a test moves it, and two
// runs of one seed see the same order.

import type { Clock, Timer } from '../../core/env/clock.ts';

interface Event {
  readonly at: number;
  readonly sequence: number;
  readonly callback: () => void;
  cancelled: boolean;
}

export class SimClock implements Clock {
  private nowMs = 0;
  private sequence = 0;
  /** Sorted by (at, sequence), next event first. Runs hold tens of timers, so a list is enough. */
  private readonly events: Event[] = [];
  private readonly epochMs: number;

  constructor(epochMs = Date.UTC(2026, 0, 1)) {
    this.epochMs = epochMs;
  }

  now(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.epochMs + Math.floor(this.nowMs);
  }

  after(delayMs: number, callback: () => void): Timer {
    const event = {
      at: this.nowMs + Math.max(0, delayMs),
      sequence: this.sequence++,
      callback,
      cancelled: false,
    };
    let place = this.events.length;
    while (place > 0 && (this.events[place - 1] as Event).at > event.at) place--;
    this.events.splice(place, 0, event);
    return { cancel: () => void (event.cancelled = true) };
  }

  /** Runs the next timer, moving time to it; false when there is none. */
  step(): boolean {
    for (;;) {
      const event = this.events.shift();
      if (event === undefined) return false;
      if (event.cancelled) continue;
      this.nowMs = Math.max(this.nowMs, event.at);
      event.callback();
      return true;
    }
  }

  /** Lets everything that is ready run, then timers one by one, until `done` settles or nothing is left.
   *  @throws Error when nothing is left to run and `done` has not settled: a deadlock. */
  async until<T>(done: Promise<T>): Promise<T> {
    let settled = false;
    const note = (): void => void (settled = true);
    done.then(note, note);
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one turn after another
      await drained();
      if (settled) return done;
      if (!this.step()) throw new Error('deadlock: no timer left and the promise is pending');
    }
  }

  /** Moves time by `ms`, running the timers on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one turn after another
      await drained();
      const next = this.events.find((event) => !event.cancelled);
      if (next === undefined || next.at > end) break;
      this.step();
    }
    this.nowMs = end;
  }
}

/** Resolves when no microtask is left: promise chains without a timer or real I/O have then come to rest. */
export function drained(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
