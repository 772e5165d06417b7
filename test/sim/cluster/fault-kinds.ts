// Every kind of fault, by the name that the report counts it under: what it does to a cluster, once. Each is within a
// budget that leaves every chain one target whose disk has everything.

import type { TargetId } from '../../../core/base/ids.ts';
import { type Chain, type ChainTarget, targetsIn } from '../../../core/chain/chain.ts';
import type { Cluster } from './cluster.ts';
import { managerPoints, storePoints } from './fault-points.ts';
import type { ManagerProcess } from './manager-process.ts';
import { calmNetwork } from './network.ts';
import type { SimProcess } from './process.ts';
import { type ClusterTarget, SimTarget } from './sim-target.ts';
import type { StoreProcess } from './store-process.ts';
import type { DiskImage } from './target-disk.ts';

/** @returns whether anything was done */
type Fault = (cluster: Cluster, longMs: number) => boolean;

export const faultKinds = {
  'kill-store': (cluster, longMs) => restart(pickStore(cluster), longMs, cluster),
  'kill-all-stores': (cluster, longMs) => {
    for (const store of cluster.stores)
      restart(store, 100 + cluster.world.prng.unit() * longMs, cluster);
    return true;
  },
  'crash-at-point': (cluster, longMs) => {
    const { prng } = cluster.world;
    const isManager = prng.chance(0.15);
    cluster.points.arm({
      process: isManager ? prng.pick(cluster.managers) : pickStore(cluster),
      point: prng.pick(isManager ? managerPoints : storePoints),
      downMs: prng.chance(0.5) ? 50 : longMs,
    });
    return true;
  },
  'pause-store': (cluster, longMs) => {
    pickStore(cluster).pause(longMs);
    return true;
  },
  'kill-manager': (cluster, longMs) => restart(pickManager(cluster), longMs, cluster),
  'pause-manager': (cluster, longMs) => {
    pickManager(cluster).pause(longMs);
    return true;
  },
  'manager-without-rows': (cluster, longMs) => {
    cluster.rows.cutOff.set(pickManager(cluster).name, cluster.world.nowMs + longMs);
    return true;
  },
  'lost-transactions': ({ world, rows }, longMs) => {
    rows.loss = 0.3;
    world.after(longMs, () => {
      rows.loss = 0;
    });
    return true;
  },
  'slow-rows': ({ world, rows }, longMs) => {
    rows.slowMs = 1000;
    world.after(longMs, () => {
      rows.slowMs = 0;
    });
    return true;
  },
  'partition-store': (cluster, longMs) => {
    const store = pickStore(cluster);
    for (const other of cluster.processes)
      if (other !== store && cluster.world.prng.chance(0.6)) cutBoth(cluster, store, other, longMs);
    return true;
  },
  island: (cluster, longMs) => {
    const { world, processes, clients } = cluster;
    const store = pickStore(cluster);
    const there = new Set<SimProcess>([store, ...clients.filter(() => world.prng.chance(0.5))]);
    cutOff(cluster, there, processes, longMs);
    return true;
  },
  'one-way': (cluster, longMs) => {
    const { network, processes } = cluster;
    const { prng } = cluster.world;
    const store = pickStore(cluster);
    const other = prng.pick(processes.filter((process) => process !== store));
    if (prng.chance(0.5)) network.cutWay(store.name, other.name, longMs);
    else network.cutWay(other.name, store.name, longMs);
    return true;
  },
  split: (cluster, longMs) => split(cluster, longMs * 2),
  clog: (cluster, longMs) => {
    const { network, processes } = cluster;
    const store = pickStore(cluster);
    const other = cluster.world.prng.pick(processes.filter((process) => process !== store));
    if (cluster.world.prng.chance(0.5)) network.clog(store.name, other.name, longMs);
    else network.clog(other.name, store.name, longMs);
    return true;
  },
  'message-faults': ({ world, network }, longMs) => {
    const { prng } = world;
    const [loss, repeat, late] = [prng.unit() * 0.3, prng.unit() * 0.3, prng.unit() * 0.3];
    network.faults = { loss, repeat, late, lateMs: prng.pick([5, 50, 1000, 9000]) };
    world.after(longMs, () => {
      network.faults = calmNetwork;
    });
    return true;
  },
  'slow-disk': (cluster, longMs) =>
    onTarget(cluster, (target) => {
      target.slowness = cluster.world.prng.pick([10, 100, 600]);
      cluster.world.after(longMs, () => {
        target.slowness = 1;
      });
    }),
  'full-disk': (cluster, longMs) =>
    onSimulated(cluster, (target) => {
      target.full = true;
      cluster.world.after(longMs, () => {
        target.full = false;
      });
    }),
  'io-error': (cluster) =>
    onTarget(cluster, (target) => {
      target.failNext = true;
    }),
  'lying-disk': (cluster) =>
    onSimulated(cluster, (target) => {
      target.loseNext = true;
    }),
  'wipe-disk': (cluster, longMs) => replaceDisks(cluster, longMs, (store, id) => store.wipe(id)),
  'old-disk': (cluster, longMs) =>
    isSimulated(cluster) &&
    replaceDisks(cluster, longMs, (store, id) => {
      const copy = store.copies.get(id);
      if (copy !== undefined && isTooOld(copy, id, cluster)) store.putDisk(id, copy.copy());
    }),
  demote: (cluster) => {
    const ids = [...pickStore(cluster).disks.keys()];
    for (const manager of cluster.managers) for (const id of ids) manager.active?.demote(id);
    return true;
  },
} as const satisfies Record<string, Fault>;

export type FaultKind = keyof typeof faultKinds;

function pickStore({ world, stores, focus }: Cluster): StoreProcess {
  return focus ?? world.prng.pick(stores);
}

/** Most often the one that acts. */
function pickManager({ world, managers }: Cluster): ManagerProcess {
  const active = managers.find((manager) => manager.active !== undefined);
  return active !== undefined && world.prng.chance(0.7) ? active : world.prng.pick(managers);
}

function onTarget(cluster: Cluster, run: (target: ClusterTarget) => boolean | void): boolean {
  const store = pickStore(cluster);
  const target = store.target(cluster.world.prng.pick([...store.disks.keys()]));
  if (target === undefined || !store.alive) return false;
  return run(target) ?? true;
}

/** Whether targets are simulated: on the chunk engine, an image is not all that is on a disk. */
function isSimulated({ stores }: Cluster): boolean {
  return stores.some((store) =>
    [...store.disks.keys()].some((id) => store.target(id) instanceof SimTarget),
  );
}

/** What only simulated disks do: to be full, and to lie. */
function onSimulated(cluster: Cluster, run: (target: SimTarget) => void): boolean {
  return onTarget(cluster, (target) => {
    if (!(target instanceof SimTarget)) return false;
    run(target);
    return true;
  });
}

function restart(process: SimProcess, ms: number, { world }: Cluster): boolean {
  if (!process.alive) return false;
  process.kill();
  world.after(ms, () => process.start());
  return true;
}

function cutBoth({ network }: Cluster, one: SimProcess, other: SimProcess, ms: number): void {
  network.cutWay(one.name, other.name, ms);
  network.cutWay(other.name, one.name, ms);
}

/** Nothing passes between those and the rest. */
function cutOff(
  cluster: Cluster,
  away: ReadonlySet<SimProcess>,
  all: readonly SimProcess[],
  ms: number,
): void {
  for (const one of away)
    for (const other of all) if (!away.has(other)) cutBoth(cluster, one, other, ms);
}

/** Two halves that do not see each other; the rows of the managers are on one side. */
function split(cluster: Cluster, longMs: number): boolean {
  const { world, processes, managers, rows } = cluster;
  const away = new Set<SimProcess>(processes.filter(() => world.prng.chance(0.4)));
  cutOff(cluster, away, processes, longMs);
  for (const manager of managers)
    if (away.has(manager)) rows.cutOff.set(manager.name, world.nowMs + longMs);
  return true;
}

/** Stores die, one or all, and return with other disks where their chains owe nothing to the present ones. */
function replaceDisks(
  cluster: Cluster,
  longMs: number,
  replace: (store: StoreProcess, id: TargetId) => void,
): boolean {
  const { world, stores } = cluster;
  const { prng } = world;
  const dying = prng.chance(0.5) ? stores : [pickStore(cluster)];
  for (const store of dying) {
    if (!store.alive) continue;
    store.kill();
    world.after(longMs * (0.5 + prng.unit() / 2), () => {
      if (store.alive) return;
      for (const id of store.disks.keys()) {
        if (!mayLose(id, cluster)) continue;
        // A manager that remembers the old disk may choose it still.
        if (chainOf(id, cluster)?.target.state === 'LASTSRV') cluster.rows.endLease();
        replace(store, id);
      }
      store.start();
    });
  }
  return true;
}

function chainOf(
  id: TargetId,
  { rows }: Cluster,
): { chain: Chain; target: ChainTarget } | undefined {
  for (const chain of rows.chains.values()) {
    const target = chain.targets.find((it) => it.id === id);
    if (target !== undefined) return { chain, target };
  }
  return undefined;
}

/** Whether the chain owes nothing to the disk: it is out, or one of several that served last. */
function mayLose(id: TargetId, cluster: Cluster): boolean {
  const found = chainOf(id, cluster);
  if (found === undefined || found.target.state === 'OFFLINE') return found !== undefined;
  if (found.target.state !== 'LASTSRV') return false;
  return targetsIn(found.chain, 'LASTSRV').some((other) => {
    const disk = cluster.stores.find(({ store }) => store === other.store)?.disks.get(other.id);
    return (
      other.id !== id && disk?.identity === other.identity && disk.noted >= other.completeSince
    );
  });
}

/** Only a copy from before the target was complete can be told from the disk itself (design 4.1). */
function isTooOld(copy: DiskImage, id: TargetId, cluster: Cluster): boolean {
  const target = chainOf(id, cluster)?.target;
  return target !== undefined && (target.state !== 'LASTSRV' || copy.noted < target.completeSince);
}
