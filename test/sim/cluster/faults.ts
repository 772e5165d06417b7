// What goes wrong in a run: each seed draws which kinds of faults it has and how often (swarm testing), within a
// budget that leaves every chain one target whose disk has everything.

import { targetsIn } from '../../../core/chain/chain.ts';
import type { Cluster } from './cluster.ts';

/** Every kind, by the name that the report counts it under. */
export const faultKinds = [
  'kill-store',
  'kill-all-stores',
  'pause-store',
  'kill-manager',
  'pause-manager',
  'partition-store',
  'one-way',
  'clog',
  'slow-disk',
  'io-error',
  'wipe-disk',
  'demote',
  'message-faults',
  'lost-transactions',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export class Faults {
  private readonly cluster: Cluster;
  private readonly kinds: readonly FaultKind[];
  readonly counts = new Map<FaultKind, number>();
  private stopped = false;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    const { prng } = cluster.world;
    const share = 0.25 + prng.unit() * 0.6;
    const chosen = faultKinds.filter(() => prng.chance(share));
    this.kinds = chosen.length > 0 ? chosen : ['kill-store'];
  }

  start(everyMs: number): void {
    const { world } = this.cluster;
    world.after(world.prng.unit() * everyMs * 2, () => {
      if (this.stopped) return;
      this.one(world.prng.pick(this.kinds));
      this.start(everyMs);
    });
  }

  /** No further faults, and an end to those that last. */
  stop(): void {
    this.stopped = true;
    const { network, rows, stores, managers } = this.cluster;
    network.heal();
    network.faults = { loss: 0, repeat: 0, late: 0, lateMs: 0 };
    rows.loss = 0;
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
      }
  }

  private one(kind: FaultKind): void {
    if (this.run(kind)) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  private run(kind: FaultKind): boolean {
    const { cluster } = this;
    const { world, network, stores, managers, rows } = cluster;
    const { prng } = world;
    const store = prng.pick(stores);
    const manager = prng.pick(managers);
    const others = [...stores, ...managers].filter((process) => process !== store);
    const longMs = 200 + prng.unit() * (prng.chance(0.5) ? 2000 : 14_000);
    switch (kind) {
      case 'kill-store':
        return restart(store, longMs, cluster);
      case 'kill-all-stores': {
        for (const each of stores) restart(each, 100 + prng.unit() * longMs, cluster);
        return true;
      }
      case 'pause-store':
        store.pause(longMs);
        return true;
      case 'kill-manager':
        return restart(manager, longMs, cluster);
      case 'pause-manager':
        manager.pause(longMs);
        return true;
      case 'partition-store': {
        const cut = others.filter(() => prng.chance(0.7));
        for (const other of cut) {
          network.cutWay(store.name, other.name);
          network.cutWay(other.name, store.name);
        }
        world.after(longMs, () => network.heal());
        return true;
      }
      case 'one-way': {
        const other = prng.pick(others);
        if (prng.chance(0.5)) network.cutWay(store.name, other.name);
        else network.cutWay(other.name, store.name);
        world.after(longMs, () => network.heal());
        return true;
      }
      case 'clog':
        network.clog(store.name, prng.pick(others).name, longMs);
        return true;
      case 'slow-disk': {
        const target = store.target(prng.pick([...store.disks.keys()]));
        if (target === undefined) return false;
        target.slowness = prng.pick([10, 100, 600]);
        world.after(longMs, () => {
          target.slowness = 1;
        });
        return true;
      }
      case 'io-error': {
        const target = store.target(prng.pick([...store.disks.keys()]));
        if (target === undefined || !store.alive) return false;
        target.failNext = true;
        return true;
      }
      case 'wipe-disk':
        return this.wipe(longMs);
      case 'demote': {
        const id = prng.pick([...store.disks.keys()]);
        for (const each of managers) each.active?.demote(id);
        return true;
      }
      case 'message-faults': {
        const [loss, repeat, late] = [prng.unit() * 0.3, prng.unit() * 0.3, prng.unit() * 0.3];
        network.faults = { loss, repeat, late, lateMs: prng.pick([5, 50, 1000, 9000]) };
        world.after(longMs, () => {
          network.faults = { loss: 0, repeat: 0, late: 0, lateMs: 0 };
        });
        return true;
      }
      case 'lost-transactions':
        rows.loss = 0.3;
        world.after(longMs, () => {
          rows.loss = 0;
        });
        return true;
    }
  }

  /** A store dies, and where its chains do without it its disks are replaced by empty ones before it returns. */
  private wipe(longMs: number): boolean {
    const { world, stores } = this.cluster;
    const store = world.prng.pick(stores);
    if (!store.alive) return false;
    store.kill();
    world.after(longMs, () => {
      if (store.alive) return;
      for (const id of store.disks.keys()) if (mayLose(id, this.cluster)) store.wipe(id);
      store.start();
    });
    return true;
  }
}

function restart(
  process: { alive: boolean; kill(): void; start(): void },
  ms: number,
  { world }: Cluster,
): boolean {
  if (!process.alive) return false;
  process.kill();
  world.after(ms, () => process.start());
  return true;
}

/** Whether the chain owes nothing to the disk: it is out, or one of several that served last. */
function mayLose(id: number, { stores, rows }: Cluster): boolean {
  const chain = [...rows.chains.values()].find(({ targets }) => targets.some((it) => it.id === id));
  const state = chain?.targets.find((it) => it.id === id)?.state;
  if (chain === undefined || state === 'OFFLINE') return chain !== undefined;
  if (state !== 'LASTSRV') return false;
  return targetsIn(chain, 'LASTSRV').some((target) => {
    const disk = stores.find(({ store }) => store === target.store)?.disks.get(target.id);
    return target.id !== id && disk?.identity === target.identity;
  });
}
