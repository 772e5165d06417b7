// This process as a reader: a heartbeat that tells the core the oldest epoch of collection at which a running
// read resolved, so that nothing it may still read is freed (design 5).
//
// An epoch stated once is never undercut: a read that resolved earlier than what was stated meanwhile (its
// answer was overtaken) is lost at once. With no read running the newest known epoch is stated, never "none",
// because a resolve may be under way.

import { CoreError, toCoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import type { ReadHold, ReadLease } from './types.ts';

/** The core's side of read leases. */
export interface LeasePort {
  /** `lost`: content that reads of `oldestEpoch` resolved may be freed. */
  renew(
    oldestEpoch: number,
  ): Promise<{ readonly epoch: number; readonly leaseMs: number; readonly lost: boolean }>;
  end(): Promise<void>;
}

interface Hold extends ReadHold {
  readonly epoch: number;
  readonly sinceMs: number;
  lost: boolean;
}

export class HeartbeatLease implements ReadLease {
  readonly reader: string;
  private readonly port: LeasePort;
  private readonly clock: Clock;
  private readonly events: Events;
  private readonly holds = new Set<Hold>();
  /** Newest epoch that an answer told. */
  private known = 0;
  /** Newest epoch that was stated as the oldest in use. */
  private stated = 0;
  /** The lease holds at least until then, counted from the sending of the last acknowledged heartbeat. */
  private untilMs = 0;
  private leaseMs: number = limits.rpcConnectWaitMs;
  private timer: Timer | undefined;
  private closed = false;

  private constructor(reader: string, port: LeasePort, clock: Clock, events: Events) {
    this.reader = reader;
    this.port = port;
    this.clock = clock;
    this.events = events;
  }

  /** @throws what the core refuses the lease with */
  static async open(
    reader: string,
    port: LeasePort,
    clock: Clock,
    events: Events,
  ): Promise<HeartbeatLease> {
    const lease = new HeartbeatLease(reader, port, clock, events);
    await lease.beat();
    lease.beatLater();
    return lease;
  }

  hold(epoch: number): ReadHold {
    this.known = Math.max(this.known, epoch);
    const hold: Hold = {
      epoch,
      sinceMs: this.clock.now(),
      lost: epoch < this.stated,
      check: () => this.check(hold),
      release: () => void this.holds.delete(hold),
    };
    this.holds.add(hold);
    return hold;
  }

  /** Heartbeat out of turn: the core restarted and knows no leases. */
  async restate(): Promise<void> {
    await this.beat().catch(() => undefined); // the next regular one follows
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    await this.port.end().catch(() => undefined); // unsaid, the lease ends by itself
  }

  private check(hold: Hold): void {
    const now = this.clock.now();
    if (hold.lost || now > this.untilMs)
      throw new CoreError('UNAVAILABLE', 'the read lease of this process ended during the read');
    if (now - hold.sinceMs > limits.readMsMax)
      throw new CoreError('UNAVAILABLE', `a read took longer than ${limits.readMsMax} ms`);
  }

  private get oldest(): number {
    let oldest = Infinity;
    const since = this.clock.now() - limits.readMsMax;
    for (const hold of this.holds)
      if (!hold.lost && hold.sinceMs >= since) oldest = Math.min(oldest, hold.epoch);
    return oldest === Infinity ? this.known : oldest;
  }

  private async beat(): Promise<void> {
    const sentMs = this.clock.now();
    const oldestEpoch = this.oldest;
    this.stated = Math.max(this.stated, oldestEpoch);
    const { epoch, leaseMs, lost } = await this.port.renew(oldestEpoch);
    if (lost) {
      for (const hold of this.holds) if (hold.epoch <= oldestEpoch) hold.lost = true;
      // The core put the lease to its present epoch.
      this.stated = Math.max(this.stated, epoch);
    }
    this.known = Math.max(this.known, epoch);
    this.leaseMs = leaseMs;
    this.untilMs = Math.max(this.untilMs, sentMs + leaseMs);
  }

  private beatLater(): void {
    if (this.closed) return;
    this.timer = this.clock.after(this.leaseMs / 3, () => {
      this.beat()
        .catch((error: unknown) =>
          this.events.emit('debug', 'lease.not-renewed', { error: toCoreError(error).message }),
        )
        .finally(() => this.beatLater());
    });
  }
}
