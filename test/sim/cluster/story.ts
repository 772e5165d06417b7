// A simulated cluster that is led by hand: what a scenario says happens, and nothing else. Names are those of stores
// and of chunks; everything that is told in it is judged at its end as any run is.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { crc32c } from '../../../core/base/crc32c.ts';
import type { ChunkId, TargetId } from '../../../core/base/ids.ts';
import type { Chain, PublicState } from '../../../core/chain/chain.ts';
import type { ChunkChange } from '../../../core/store/types.ts';
import type { ClientProcess } from './client-process.ts';
import { Cluster, check, readEverywhere, states } from './cluster.ts';
import type { HistoryEntry } from './history.ts';
import type { ManagerProcess } from './manager-process.ts';
import type { SimProcess } from './process.ts';
import { SimTarget } from './sim-target.ts';
import type { StoreProcess } from './store-process.ts';

export const chunkA: ChunkId = { blob: 1 as ChunkId['blob'], index: 0 };
export const chunkB: ChunkId = { blob: 1 as ChunkId['blob'], index: 1 };

/** An operation of a client, perhaps under way. */
export interface Told {
  ended: boolean;
  readonly outcome: HistoryEntry['outcome'];
}

export function write(text: string, offset = 0): ChunkChange {
  const bytes = Buffer.from(text);
  return { kind: 'write', offset, bytes, crc32c: crc32c(bytes) };
}

export class Story {
  readonly cluster: Cluster;

  /** A chain of so many stores; it serves. */
  constructor(name: string, replicas: number) {
    const size = { replicas, chains: 1, chunks: 3, clients: 2 };
    const shape = { ...size, drift: 0, pollMs: 300, pushed: true, answerLoss: 0 };
    this.cluster = new Cluster(name, (parts) => new SimTarget(parts), shape);
    for (const process of this.cluster.processes) process.start();
    // Processes that start are out until their chain has taken them back.
    const isWhole = (): boolean => this.chain.version > 1 && this.cluster.isWhole;
    this.until(isWhole, 20_000, 'the new chain is whole');
    this.pass(1000);
  }

  // --- who is there ------------------------------------------------------------------------------

  store(number: number): StoreProcess {
    return this.cluster.stores[number - 1] as StoreProcess;
  }

  /** Of the only chain; the store runs. */
  target(store: number): SimTarget {
    return this.store(store).target(targetOf(store)) as SimTarget;
  }

  get manager(): ManagerProcess {
    const active = this.cluster.managers.find((manager) => manager.active !== undefined);
    assert.ok(active !== undefined, 'a manager is active');
    return active;
  }

  /** The first one updates and reads, unless a story says otherwise. */
  client(number = 1): ClientProcess {
    return this.cluster.clients[number - 1] as ClientProcess;
  }

  get chain(): Chain {
    return [...this.cluster.rows.chains.values()][0] as Chain;
  }

  state(store: number): PublicState | undefined {
    return this.chain.targets.find(({ id }) => id === targetOf(store))?.state;
  }

  // --- what happens ------------------------------------------------------------------------------

  update(chunk: ChunkId, change: ChunkChange): Told {
    return this.told((done) => this.client().update(chunk, change, done));
  }

  /** @param store to ask; it must serve */
  read(chunk: ChunkId, store: number, client = 1): Told {
    return this.told((done) => this.client(client).read(chunk, targetOf(store), done));
  }

  private told(begin: (done: () => void) => void): Told {
    const { history } = this.cluster;
    let entry: HistoryEntry | undefined;
    const told = {
      ended: false,
      get outcome() {
        return entry?.outcome;
      },
    };
    const before = history.length;
    begin(() => {
      told.ended = true;
      // A read is written down at its end.
      entry ??= history.at(-1);
    });
    if (history.length > before) entry = history[before];
    this.until(() => told.ended, 2, undefined);
    return told;
  }

  /** Done, and told so. */
  updated(chunk: ChunkId, change: ChunkChange): void {
    const told = this.update(chunk, change);
    this.until(() => told.ended, 15_000, `${change.kind} is answered`);
    assert.deepEqual(told.outcome, { kind: 'done' });
  }

  /** What a read shows; undefined: no such chunk. */
  shown(chunk: ChunkId, store: number, client = 1): string | undefined {
    const told = this.read(chunk, store, client);
    this.until(() => told.ended, 15_000, `the read is answered`);
    const { outcome } = told;
    if (outcome?.kind === 'bytes') return outcome.bytes;
    assert.deepEqual(outcome, { kind: 'error', error: 'CHUNK_NOT_FOUND' });
    return undefined;
  }

  /** It hears nothing of the managers for so long; afterwards all of it. */
  hearsLate(process: SimProcess, ms: number): void {
    for (const manager of this.cluster.managers)
      this.cluster.network.clog(manager.name, process.name, ms);
  }

  /** The store dies where it takes that step (fault-points.ts) the next time, and stays away. */
  diesAt(store: number, point: string): void {
    this.cluster.points.arm({ process: this.store(store), point, downMs: Infinity });
  }

  pass(ms: number): void {
    const { world } = this.cluster;
    world.runUntil(world.nowMs + ms);
  }

  /** @param what must come to be; undefined: may */
  until(condition: () => boolean, ms: number, what: string | undefined): void {
    const { world } = this.cluster;
    const end = world.nowMs + ms;
    while (!condition() && world.nowMs < end) world.runUntil(world.nowMs + 0.1);
    if (what !== undefined) assert.ok(condition(), `${what}: ${states(this.cluster)}`);
  }

  /** Everybody is there, everything comes to rest, and all that was told is judged. */
  ends(): void {
    const { cluster } = this;
    cluster.points.disarm();
    cluster.network.heal();
    for (const process of cluster.processes) {
      process.resume();
      process.start();
    }
    this.until(() => cluster.isWhole, 60_000, 'everything comes to rest');
    for (const untilMs of readEverywhere(cluster)) cluster.world.runUntil(untilMs);
    check(cluster);
    assert.deepEqual([...cluster.violations, ...cluster.observer.violations], []);
  }
}

export function targetOf(store: number): TargetId {
  return (store * 10 + 1) as TargetId;
}
