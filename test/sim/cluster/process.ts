// A process of the simulation: it can be killed, started again, and stopped for a while. What it set going belongs to
// one life: timers and messages of an earlier life never arrive.

import type { Network } from './network.ts';
import type { World } from './world.ts';

/** Thrown where a process dies in the middle of what it does. */
export class Crashed extends Error {}

/** A monotonic clock: it has an origin of its own, and is a little fast or slow. */
export interface DriftingClock {
  readonly rate: number;
  readonly originMs: number;
}

export abstract class SimProcess {
  readonly name: string;
  clock: DriftingClock = { rate: 1, originMs: 0 };
  readonly world: World;
  protected readonly network: Network;
  private life = 0;
  private held: (() => void)[] | undefined;
  alive = false;

  constructor(name: string, world: World, network: Network) {
    this.name = name;
    this.world = world;
    this.network = network;
  }

  protected abstract onStart(): void;
  protected abstract onKill(): void;

  /** Lives that it had; grows with each start. */
  get incarnation(): number {
    return this.life;
  }

  /** By its own clock. */
  get nowMs(): number {
    return this.world.nowMs * this.clock.rate + this.clock.originMs;
  }

  start(): void {
    if (this.alive) return;
    this.life++;
    this.alive = true;
    this.mayCrash(() => this.onStart());
  }

  private mayCrash(what: () => void): void {
    try {
      what();
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
    }
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.held = undefined;
    this.onKill();
  }

  /** SIGSTOP for so long: everything that comes waits, and then comes at once. */
  pause(ms: number): void {
    if (!this.alive || this.held !== undefined) return;
    this.held = [];
    const { life } = this;
    this.world.after(ms, () => {
      if (this.life === life) this.resume();
    });
  }

  resume(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const run of held) this.run(run);
  }

  /** Runs something in this process, unless it is dead; when it is stopped, later. */
  run(what: () => void): void {
    if (!this.alive) return;
    if (this.held === undefined) this.mayCrash(what);
    else this.held.push(what);
  }

  after(ms: number, what: () => void): void {
    const { life } = this;
    this.world.after(ms / this.clock.rate, () => {
      if (this.life === life) this.run(what);
    });
  }

  /** Repeats until the end of this life. */
  every(ms: number, what: () => void): void {
    this.after(ms, () => {
      what();
      this.every(ms, what);
    });
  }

  /** A message runs at the receiver, whichever life it is in then. */
  send(to: SimProcess, deliver: () => void): void {
    this.network.send(this.name, to.name, () => to.run(deliver));
  }
}
