// Read leases and epochs of collection (design 5), held in memory. A synchronous machine: time is a parameter.
//
// The present epoch is stated in every answer that resolves content. Garbage first seen in epoch e may be in
// use by reads that resolved in epochs up to e; it is freed when every lease states a later one. Invariant: a
// read that runs resolved at or after its process's `oldestEpoch`, or its lease has ended and its stream fails.
// Epochs go on where an earlier core may have been: readers outlive a core, and what they stated stays stated.

import { assert } from '../../base/assert.ts';
import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';

/** An epoch ends when the janitor has seen garbage, once a second at most: years of them. */
const epochsPerStart = 2 ** 28;

interface Lease {
  /** The oldest epoch at which a read of the process may have resolved. */
  oldestEpoch: number;
  expiresMs: number;
}

export interface Renewal {
  readonly epoch: number;
  /** Content that reads of the stated epoch resolved may be gone. */
  readonly lost: boolean;
}

export class ReadLeases {
  private readonly leases = new Map<string, Lease>();
  /** Reads inside this process, by the epoch at which they began. */
  private readonly holds = new Map<number, number>();
  private readonly startedMs: number;
  private present: number;
  /** Newest epoch whose garbage was freed. */
  private freed = 0;

  /** `start`: a number that every start of the core has for itself, later ones larger. */
  constructor(nowMs: number, start: number) {
    this.startedMs = nowMs;
    this.present = start * epochsPerStart + 1;
    assert(Number.isSafeInteger(this.present + epochsPerStart), `epochs of start ${start}`);
  }

  get epoch(): number {
    return this.present;
  }

  get readers(): number {
    return this.leases.size;
  }

  /** Before a resolve: makes sure that the process has a lease. Answers the epoch of what it resolves next. */
  register(reader: string, nowMs: number): number {
    const lease = this.leases.get(reader);
    if (lease === undefined || lease.expiresMs <= nowMs) this.grant(reader, this.present, nowMs);
    return this.present;
  }

  /** Heartbeat. `oldestEpoch` 0: no read runs. */
  renew(reader: string, oldestEpoch: number, nowMs: number): Renewal {
    const lost = oldestEpoch !== 0 && oldestEpoch <= this.freed;
    if (lost) mark('leases.lost');
    const running = oldestEpoch !== 0 && !lost;
    this.grant(reader, running ? Math.min(oldestEpoch, this.present) : this.present, nowMs);
    return { epoch: this.present, lost };
  }

  end(reader: string): void {
    this.leases.delete(reader);
  }

  /** Keeps what is resolved from now on until the answer is called: reads inside this process. */
  hold(): () => void {
    const epoch = this.present;
    this.holds.set(epoch, (this.holds.get(epoch) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.holds.get(epoch) as number) - 1;
      if (left === 0) this.holds.delete(epoch);
      else this.holds.set(epoch, left);
    };
  }

  /** Ends the present epoch: garbage seen up to now belongs to it. Answers the epoch that ended. */
  advance(): number {
    return this.present++;
  }

  /** True when what was seen in `epoch` may be freed; it then counts as freed. */
  free(epoch: number, nowMs: number): boolean {
    // Leases did not survive a restart: their holders get one lease time to state them again.
    if (nowMs - this.startedMs < limits.readLeaseMs) return false;
    for (const [reader, lease] of this.leases) {
      if (lease.expiresMs <= nowMs) {
        mark('leases.expired');
        this.leases.delete(reader);
      } else if (lease.oldestEpoch <= epoch) return false;
    }
    for (const held of this.holds.keys()) if (held <= epoch) return false;
    this.freed = Math.max(this.freed, epoch);
    return true;
  }

  private grant(reader: string, oldestEpoch: number, nowMs: number): void {
    if (!this.leases.has(reader) && this.leases.size >= limits.readersMax) {
      throw new CoreError('BUSY', `${this.leases.size} processes hold read leases`);
    }
    this.leases.set(reader, { oldestEpoch, expiresMs: nowMs + limits.readLeaseMs });
  }
}
