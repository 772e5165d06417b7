// One call of a client from `call()` to its end, and the deadlines of all of them. A deadline is watched
// by one timer set for the earliest: most calls end long before and cost no timer of their own.

import type { Clock, Timer } from '../env/clock.ts';
import type { CoreError } from '../base/errors.ts';
import type { Answer, Call } from './call.ts';
import type { Outgoing } from './outbox.ts';

export interface PendingCall {
  readonly call: Call<object, object>;
  readonly control: Uint8Array;
  readonly payload: readonly Uint8Array[] | undefined;
  readonly lane: number;
  /** What it takes of the lane's credits. */
  readonly costBytes: number;
  readonly answerBytes: number;
  /** The answer's payload comes from memory that is used again. */
  readonly lendsAnswer: boolean;
  readonly deadlineAtMs: number;
  /** Until then it waits for a connection; limits.rpcConnectWaitMs, or less. */
  readonly connectByMs: number;
  /** Set while it is on a connection. */
  outgoing: Outgoing | undefined;
  /** The caller has its answer or gave up; an entry that is still on a connection only holds its credit. */
  settled: boolean;
  resolve: (answer: Answer<object>) => void;
  reject: (error: CoreError) => void;
}

export class Deadlines {
  private readonly clock: Clock;
  private readonly onExpired: (call: PendingCall, nowMs: number) => void;
  private readonly calls = new Map<PendingCall, number>();
  private timer: Timer | undefined;
  private timerAtMs = Infinity;

  constructor(clock: Clock, onExpired: (call: PendingCall, nowMs: number) => void) {
    this.clock = clock;
    this.onExpired = onExpired;
  }

  get size(): number {
    return this.calls.size;
  }

  /** Watches a call, or moves the time at which it is looked at. */
  watch(call: PendingCall, atMs: number): void {
    this.calls.set(call, atMs);
    if (atMs < this.timerAtMs) this.arm(atMs);
  }

  forget(call: PendingCall): void {
    this.calls.delete(call);
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.timerAtMs = Infinity;
  }

  private arm(atMs: number): void {
    this.timer?.cancel();
    this.timerAtMs = atMs;
    this.timer = this.clock.after(Math.max(0, atMs - this.clock.now()), () => this.onTimer());
  }

  private onTimer(): void {
    this.stop();
    const now = this.clock.now();
    let next = Infinity;
    for (const [call, atMs] of this.calls) {
      if (atMs > now) next = Math.min(next, atMs);
      else this.onExpired(call, now);
    }
    if (next < this.timerAtMs) this.arm(next);
  }
}
