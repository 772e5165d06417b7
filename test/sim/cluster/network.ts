// Messages between processes, with everything that a network may do to them: delay, loss, repetition, overtaking, cut
// and clogged ways. A message is a closure that runs at the receiver; values in it are not copied, so nobody may
// change what was sent.

import type { World } from './world.ts';

export interface NetworkFaults {
  /** Of a message. */
  readonly loss: number;
  readonly repeat: number;
  /** Of a message to be late by up to `lateMs`. */
  readonly late: number;
  readonly lateMs: number;
}

export const calmNetwork: NetworkFaults = { loss: 0, repeat: 0, late: 0, lateMs: 0 };

export class Network {
  private readonly world: World;
  faults: NetworkFaults = calmNetwork;
  /** Directed ways, "from>to", that carry nothing until that time. */
  private readonly cut = new Map<string, number>();
  /** Ways that hold back what they are given until that time. */
  private readonly clogged = new Map<string, number>();
  readonly counts = { sent: 0, lost: 0, repeated: 0, late: 0, cut: 0, clogged: 0 };

  constructor(world: World) {
    this.world = world;
  }

  cutWay(from: string, to: string, ms: number): void {
    this.cut.set(`${from}>${to}`, this.world.nowMs + ms);
  }

  clog(from: string, to: string, ms: number): void {
    this.clogged.set(`${from}>${to}`, this.world.nowMs + ms);
  }

  heal(): void {
    this.cut.clear();
    this.clogged.clear();
  }

  private isCut(way: string): boolean {
    const until = this.cut.get(way);
    if (until === undefined) return false;
    if (until > this.world.nowMs) return true;
    this.cut.delete(way);
    return false;
  }

  send(from: string, to: string, deliver: () => void): void {
    const { world, faults, counts } = this;
    const { prng } = world;
    counts.sent++;
    const hasWays = this.cut.size > 0 || this.clogged.size > 0;
    const way = hasWays ? `${from}>${to}` : '';
    if (hasWays && this.isCut(way)) {
      counts.cut++;
      return;
    }
    if (faults.loss > 0 && prng.chance(faults.loss)) {
      counts.lost++;
      return;
    }
    const copies = faults.repeat > 0 && prng.chance(faults.repeat) ? 2 : 1;
    if (copies === 2) counts.repeated++;
    for (let copy = 0; copy < copies; copy++) {
      let delay = 0.2 + prng.unit();
      if (faults.late > 0 && prng.chance(faults.late)) {
        counts.late++;
        delay += prng.unit() * faults.lateMs;
      }
      const until = hasWays ? (this.clogged.get(way) ?? 0) : 0;
      if (until > world.nowMs) {
        counts.clogged++;
        delay += until - world.nowMs;
      }
      world.after(delay, deliver);
    }
  }
}
