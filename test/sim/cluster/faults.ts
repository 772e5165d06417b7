// When something goes wrong in a run: each seed draws which kinds of faults it has, how often, and how long they last
// (swarm testing); several may come at once.

import type { Cluster } from './cluster.ts';
import { type FaultKind, faultKinds } from './fault-kinds.ts';
import { calmNetwork } from './network.ts';
import { SimTarget } from './sim-target.ts';

const allKinds = Object.keys(faultKinds) as FaultKind[];

export class Faults {
  private readonly cluster: Cluster;
  private readonly kinds: readonly FaultKind[];
  /** Of a fault to last long enough for a lease to end. */
  private readonly longShare: number;
  readonly counts = new Map<FaultKind, number>();
  private stopped = false;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    const { prng } = cluster.world;
    const share = 0.15 + prng.unit() * 0.6;
    const chosen = allKinds.filter(() => prng.chance(share));
    this.kinds = chosen.length > 0 ? chosen : ['kill-store'];
    this.longShare = prng.pick([0.2, 0.5, 0.8]);
  }

  start(everyMs: number): void {
    const { world } = this.cluster;
    world.after(world.prng.unit() * everyMs * 2, () => {
      if (this.stopped) return;
      this.burst();
      this.start(everyMs);
    });
  }

  /** Several at once, most of them on the same store: what one hides another one shows. */
  private burst(): void {
    const { cluster } = this;
    const { prng } = cluster.world;
    cluster.focus = prng.chance(0.7) ? prng.pick(cluster.stores) : undefined;
    for (let count = prng.pick([1, 1, 2, 3]); count > 0; count--)
      this.inject(prng.pick(this.kinds));
    cluster.focus = undefined;
  }

  inject(kind: FaultKind): void {
    const { prng } = this.cluster.world;
    const longMs = 50 + prng.unit() * (prng.chance(this.longShare) ? 14_000 : 2000);
    if (faultKinds[kind](this.cluster, longMs))
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  /** No further faults, and an end to those that last. */
  stop(): void {
    this.stopped = true;
    this.cluster.isCalm = true;
    const { network, rows, stores, managers, points } = this.cluster;
    points.disarm();
    network.heal();
    network.faults = calmNetwork;
    rows.loss = 0;
    rows.slowMs = 0;
    rows.cutOff.clear();
    for (const process of [...stores, ...managers]) {
      process.resume();
      process.start();
    }
    for (const store of stores)
      for (const id of store.disks.keys()) {
        const target = store.target(id);
        if (target === undefined) continue;
        target.slowness = 1;
        target.failNext = false;
        if (!(target instanceof SimTarget)) continue;
        target.full = false;
        target.loseNext = false;
      }
  }
}
