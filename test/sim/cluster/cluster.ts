// A whole cluster in one process, on virtual time: managers, stores, clients (design 12). A run has a safety phase with
// faults and a liveness phase without, in which everything must come to rest; then everything is checked.

import type { Prng } from '../../../core/base/prng.ts';
import type { ChainId, ChainVer, ChunkId, StoreId, TargetId } from '../../../core/base/ids.ts';
import { firstChain } from '../../../core/chain/chain.ts';
import type { FencingSettings } from '../../../core/chain/membership.ts';
import type { ReplicaSettings } from '../../../core/replica/types.ts';
import { chunkKey } from '../../../core/replica/types.ts';
import { ClientProcess } from './client-process.ts';
import { Faults } from './faults.ts';
import { FaultPoints } from './fault-points.ts';
import type { HistoryEntry } from './history.ts';
import { ManagerProcess, ManagerRows } from './manager-process.ts';
import { Network } from './network.ts';
import { Observer } from './observer.ts';
import { type MakeTarget, SimTarget } from './sim-target.ts';
import { StoreProcess } from './store-process.ts';
import { World } from './world.ts';

export const fencing: FencingSettings = {
  deadMs: 6000,
  heartbeatMs: 500,
  managerLeaseMs: 2000,
  managerRenewMs: 500,
  scanMs: 250,
  managerGapMs: 1000,
};

export const settings: ReplicaSettings = {
  callMs: 800,
  otherVersionMs: 50,
  readWaitMs: 2000,
  syncRows: 4,
  syncWindow: 3,
  slices: 4,
};

export interface RunReport {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly virtualMs: number;
  readonly events: number;
  readonly operations: number;
  readonly faults: ReadonlyMap<string, number>;
  /** Steps at which a process died. */
  readonly points: ReadonlyMap<string, number>;
  readonly trace: number;
  readonly chainVersions: number;
}

/** How large a cluster is. */
export interface Shape {
  readonly replicas: number;
  readonly chains: number;
  readonly chunks: number;
  readonly clients: number;
  /** How much clocks differ, as a share. */
  readonly drift: number;
  /** How often clients ask for routing; they may hear of it by that alone. */
  readonly pollMs: number;
  readonly pushed: boolean;
  /** Share of the answers to updates that never arrive. */
  readonly answerLoss: number;
}

function drawShape(prng: Prng): Shape {
  return {
    replicas: prng.pick([1, 2, 3, 3, 3, 4]),
    chains: prng.pick([1, 1, 2]),
    chunks: prng.pick([3, 8, 14]),
    clients: 2 + prng.below(4),
    drift: prng.pick([0, 0.001, 0.03]),
    pollMs: prng.pick([300, 3000]),
    pushed: prng.chance(0.5),
    answerLoss: prng.pick([0, 0, 0.1, 0.7]),
  };
}

export class Cluster {
  readonly world: World;
  readonly network: Network;
  readonly observer: Observer;
  readonly rows: ManagerRows;
  readonly points: FaultPoints;
  readonly stores: StoreProcess[];
  readonly managers: ManagerProcess[];
  readonly clients: ClientProcess[];
  readonly history: HistoryEntry[] = [];
  readonly chunks: ChunkId[];
  readonly violations: string[] = [];
  /** The store that the faults of one burst are about. */
  focus: StoreProcess | undefined;
  /** The safety phase is over: nothing goes wrong any more. */
  isCalm = false;

  /** @param given what the seed would draw */
  constructor(seed: number | string, makeTarget: MakeTarget, given?: Shape) {
    const world = new World(`cluster ${seed}`);
    this.world = world;
    this.observer = new Observer(world);
    const { prng } = world;
    const network = new Network(world);
    this.network = network;
    this.points = new FaultPoints(world);
    const shape = given ?? drawShape(prng);
    const { replicas, chains, chunks, clients, drift } = shape;
    const targetsOf = (store: number): TargetId[] =>
      Array.from({ length: chains }, (_, chain) => (store * 10 + chain + 1) as TargetId);
    const storeOf = (target: TargetId): StoreProcess =>
      this.stores[Math.floor((target - 11) / 10)] as StoreProcess;
    const managersOf = (): readonly ManagerProcess[] => this.managers;
    this.stores = Array.from({ length: replicas }, (_, at) => {
      const store = (at + 1) as StoreId;
      return new StoreProcess({
        world,
        network,
        observer: this.observer,
        store,
        targets: targetsOf(store),
        fencing,
        settings,
        storeOf,
        managers: managersOf,
        points: this.points,
        onFatal: (process, target, reason) => this.gaveUp(process, target, reason),
        makeTarget,
      });
    });
    this.rows = new ManagerRows(
      Array.from({ length: chains }, (_, chain) =>
        firstChain(
          (chain + 1) as ChainId,
          this.stores.map((process) => {
            const id = targetsOf(process.store)[chain] as TargetId;
            const identity = process.disks.get(id)?.identity ?? '';
            return { id, store: process.store, identity };
          }),
        ),
      ),
    );
    // A chain is made with its targets: each has noted its first version.
    for (const process of this.stores)
      for (const disk of process.disks.values()) disk.noted = 1 as ChainVer;
    const listeners = () =>
      (shape.pushed ? this.clients : []).map((client) => ({
        process: client,
        onRouting: (routing: Parameters<ClientProcess['onRouting']>[0]) =>
          client.onRouting(routing),
      }));
    this.managers = ['manager 1', 'manager 2'].map(
      (name) =>
        new ManagerProcess({
          world,
          network,
          name,
          rows: this.rows,
          fencing,
          stores: this.stores,
          points: this.points,
          listeners,
        }),
    );
    this.chunks = Array.from({ length: chunks }, (_, at) => ({
      blob: (1 + (at >> 1)) as ChunkId['blob'],
      index: at & 1,
    }));
    this.clients = Array.from(
      { length: clients },
      (_, at) =>
        new ClientProcess({
          world,
          network,
          number: at + 1,
          storeOf,
          managers: managersOf,
          chainOf: (chunk) => (1 + ((chunk.blob + chunk.index) % chains)) as ChainId,
          chunks: this.chunks,
          history: this.history,
          pollMs: shape.pollMs,
          answerLoss: () => (this.isCalm ? 0 : shape.answerLoss),
        }),
    );
    this.drift(drift);
  }

  /** Clocks that differ by up to that share, from origins of their own. */
  private drift(share: number): void {
    const { prng } = this.world;
    for (const process of this.processes)
      process.clock = {
        rate: 1 + (prng.unit() * 2 - 1) * share,
        originMs: prng.below(1_000_000),
      };
  }

  /** A target that cannot go on. It may, for want of space; then somebody makes room. */
  private gaveUp(process: StoreProcess, target: TargetId, reason: string): void {
    if (reason.endsWith('DISK_FULL')) this.world.after(0, () => process.replace());
    else this.violations.push(`target ${target} gave up: ${reason}`);
  }

  get processes(): readonly (StoreProcess | ManagerProcess | ClientProcess)[] {
    return [...this.managers, ...this.stores, ...this.clients];
  }

  /** Who serves is on all its targets, and nobody waits. */
  get isWhole(): boolean {
    return (
      [...this.rows.chains.values()].every(({ targets }) =>
        targets.every(({ state }) => state === 'SERVING'),
      ) && this.clients.every(({ running }) => running === 0)
    );
  }
}

const settleMs = 60_000;

/** One seed on simulated targets, from start to verdict. */
export function runSeed(seed: number): RunReport {
  const cluster = new Cluster(seed, (parts) => new SimTarget(parts));
  const run = phases(seed, cluster);
  let step = run.next();
  while (step.done !== true)
    try {
      cluster.world.runUntil(step.value);
      step = run.next();
    } catch (error) {
      step = run.throw(error);
    }
  return step.value;
}

/** The same on targets whose code has promises: after each event, what is ready in the process runs. */
export async function runSeedOn(seed: number, makeTarget: MakeTarget): Promise<RunReport> {
  const cluster = new Cluster(seed, makeTarget);
  const run = phases(seed, cluster);
  let step = run.next();
  while (step.done !== true)
    try {
      // oxlint-disable-next-line no-await-in-loop -- phase after phase
      await cluster.world.runUntilSettled(step.value);
      step = run.next();
    } catch (error) {
      step = run.throw(error);
    }
  const report = step.value;
  return { ...report, violations: [...report.violations, ...(await verify(cluster))] };
}

/** @returns what is wrong on the disks */
async function verify({ world, stores, observer }: Cluster): Promise<readonly string[]> {
  const before = observer.violations.length;
  let open = 0;
  for (const store of stores)
    for (const id of store.disks.keys()) {
      open++;
      void store
        .target(id)
        ?.verify?.()
        .then(() => open--);
    }
  await world.runUntilSettled(world.nowMs + 10_000);
  const unread = open > 0 ? [`${open} targets were not read whole`] : [];
  return [...observer.violations.slice(before), ...unread];
}

/** Yields times up to which the world is to run; what fails in it is thrown in here. */
function* phases(seed: number, cluster: Cluster): Generator<number, RunReport> {
  const { world, violations } = cluster;
  const faults = new Faults(cluster);
  try {
    yield* live(cluster, faults);
    check(cluster);
  } catch (error) {
    // An assertion of a machine.
    violations.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return {
    seed,
    violations: [...violations, ...cluster.observer.violations],
    virtualMs: world.nowMs,
    events: world.events,
    operations: cluster.history.length,
    faults: faults.counts,
    points: cluster.points.hits,
    trace: world.trace,
    chainVersions: [...cluster.rows.chains.values()].reduce((sum, { version }) => sum + version, 0),
  };
}

function* live(cluster: Cluster, faults: Faults): Generator<number, void> {
  const { world, violations } = cluster;
  const safetyMs = 45_000 + world.prng.below(45_000);
  for (const process of cluster.processes) process.start();
  yield 6000;
  const thinkMs = world.prng.pick([100, 300, 800]);
  for (const client of cluster.clients) for (let n = 0; n < 2; n++) client.loop(thinkMs);
  faults.start(world.prng.pick([800, 2500, 6000]));
  yield safetyMs;
  faults.stop();
  for (const client of cluster.clients) client.stopped = true;
  const until = world.nowMs + settleMs;
  while (!cluster.isWhole && world.nowMs < until) yield world.nowMs + 250;
  if (!cluster.isWhole)
    violations.push(`not whole ${settleMs / 1000} s after the last fault: ${states(cluster)}`);
  else yield* readEverywhere(cluster);
}

export function states({ rows, clients }: Cluster): string {
  const chains = [...rows.chains.values()].map(
    ({ id, version, targets }) =>
      `chain ${id}.${version} ${targets.map(({ id: target, state }) => `${target} ${state}`).join(' ')}`,
  );
  return `${chains.join('; ')}; ${clients.reduce((sum, { running }) => sum + running, 0)} operations open`;
}

/** Every chunk is read from every target: the history says whether all of them show what was acknowledged. */
export function* readEverywhere(cluster: Cluster): Generator<number, void> {
  const [client] = cluster.clients;
  if (client === undefined) return;
  let open = 0;
  for (const chain of cluster.rows.chains.values())
    for (const { id } of chain.targets)
      for (const chunk of cluster.chunks) {
        if (1 + ((chunk.blob + chunk.index) % cluster.rows.chains.size) !== chain.id) continue;
        open++;
        client.read(chunk, id, () => open--);
      }
  yield cluster.world.nowMs + 3000;
  if (open > 0) cluster.violations.push(`${open} reads of a whole cluster have no answer`);
}

/** What clients were told, and that all replicas are equal. */
export function check(cluster: Cluster): void {
  cluster.violations.push(...cluster.observer.judge(cluster.history));
  if (cluster.violations.length > 0) return;
  for (const chain of cluster.rows.chains.values()) {
    const images = chain.targets.map(({ id, store }) => ({
      id,
      rows:
        cluster.stores
          .find((it) => it.store === store)
          ?.target(id)
          ?.durable.sorted() ?? [],
    }));
    const print = (rows: (typeof images)[number]['rows']): string =>
      JSON.stringify(
        rows.map(({ chunk, committed, pending }) => [
          chunkKey(chunk),
          committed?.state,
          committed?.bytes.toString('latin1'),
          pending?.state,
        ]),
      );
    const [first, ...others] = images;
    for (const other of others)
      if (first !== undefined && print(first.rows) !== print(other.rows))
        cluster.violations.push(
          `targets ${first.id} and ${other.id} differ after everything healed`,
        );
  }
}
