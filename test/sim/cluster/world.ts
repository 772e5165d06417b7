// Virtual time: a heap of events, run in order of their time and, at the same time, of their making. Same seed, same
// order: the trace hash of two runs is equal. Nothing else may make anything happen.

import { Prng } from '../../../core/base/prng.ts';
import { drained } from '../clock.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class World {
  readonly prng: Prng;
  nowMs = 0;
  events = 0;
  /** Of the times and names of all that happened. */
  trace = 0x811c9dc5;
  private readonly heap: Event[] = [];
  private order = 0;

  constructor(seed: number | string) {
    this.prng = new Prng(seed);
  }

  after(ms: number, run: () => void): void {
    this.push({ at: this.nowMs + Math.max(0, ms), order: this.order++, run });
  }

  /** Adds to the trace hash. */
  note(number: number): void {
    this.trace = Math.imul(this.trace ^ (number | 0), 0x01000193) >>> 0;
  }

  /** Runs what is due up to that time, or the first `most` events of it. */
  runUntil(untilMs: number, most = Infinity): void {
    for (let left = most; left > 0; left--) {
      const [first] = this.heap;
      if (first === undefined || first.at > untilMs) break;
      this.pop();
      this.nowMs = first.at;
      this.events++;
      this.note(Math.floor(first.at * 1000));
      this.note(first.order);
      first.run();
    }
    this.nowMs = untilMs;
  }

  /** As `runUntil`, for runs with promises: what each event makes ready runs before the next one. */
  async runUntilSettled(untilMs: number): Promise<void> {
    await drained();
    for (;;) {
      const [first] = this.heap;
      if (first === undefined || first.at > untilMs) break;
      this.runUntil(first.at, 1);
      // oxlint-disable-next-line no-await-in-loop -- event after event
      await drained();
    }
    this.nowMs = untilMs;
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event))
        child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
