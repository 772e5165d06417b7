// When to read in the calling turn. A lookup whose blocks are in memory takes a few microseconds, a trip to the
// thread pool twenty times that; but a lookup that waits for the disk holds the whole process up, and nobody
// can tell beforehand. So the time that lookups took decides: two slow ones close to each other send the next
// ones to the pool, where they wait side by side, until the pause is over. Pure; times are milliseconds.

/** Longer than any lookup in memory, shorter than what a disk takes. */
const lookupSlowMs = 0.1;
/** One slow lookup alone is a process that was preempted: forgotten after so many prompt ones. */
const promptUntilForgiven = 32;
/** Lookups go to the pool for this long: a cold index stalls the process at most twice, then once a pause. */
const pauseMsMin = 20;

export interface ReadPaceOptions {
  readonly slowMs?: number;
  /** Pauses double up to it while reads stay slow. */
  readonly pauseMsMax?: number;
}

export class ReadPace {
  private readonly slowMs: number;
  private readonly pauseMsMax: number;
  private pauseMs = pauseMsMin;
  private pausedUntilMs = 0;
  private suspected = false;
  private promptRun = 0;

  constructor({ slowMs = lookupSlowMs, pauseMsMax = pauseMsMin }: ReadPaceOptions = {}) {
    this.slowMs = slowMs;
    this.pauseMsMax = pauseMsMax;
  }

  /** Whether a lookup that begins now may be made in the calling turn. */
  prompt(nowMs: number): boolean {
    return nowMs >= this.pausedUntilMs;
  }

  took(startMs: number, endMs: number): void {
    if (endMs - startMs < this.slowMs) {
      if (++this.promptRun < promptUntilForgiven) return;
      this.suspected = false;
      this.pauseMs = pauseMsMin;
      return;
    }
    this.promptRun = 0;
    if (this.suspected) {
      this.pausedUntilMs = endMs + this.pauseMs;
      this.pauseMs = Math.min(2 * this.pauseMs, this.pauseMsMax);
    }
    this.suspected = true;
  }
}
