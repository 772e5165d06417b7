// A cluster in one process: manager and stores behind real sockets, targets in memory, a client. Stores are killed
// (their sockets break, their machines stop) and started again on what they had.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { id } from '../../../core/base/ids.ts';
import type { BlobId, ChunkId, SessionId, StoreId, TargetId } from '../../../core/base/ids.ts';
import { crc32c } from '../../../core/base/crc32c.ts';
import type { FencingSettings } from '../../../core/chain/membership.ts';
import { ChainChunks } from '../../../core/client/chain-chunks.ts';
import { Channels } from '../../../core/client/channels.ts';
import { RoutingCache } from '../../../core/client/routing-cache.ts';
import type { StorePlace } from '../../../core/client/routing-calls.ts';
import { joinCluster } from '../../../core/cluster/cluster-calls.ts';
import { replicaSettings } from '../../../core/cluster/fencing.ts';
import { ManagerDriver } from '../../../core/cluster/manager-driver.ts';
import { registerManagerService } from '../../../core/cluster/manager-service.ts';
import { clusterLayout, planChains, targetsOfStore } from '../../../core/cluster/plan.ts';
import { registerReplicaService } from '../../../core/cluster/replica-service.ts';
import { RoutingWatch } from '../../../core/cluster/routing-watch.ts';
import { StoreDriver } from '../../../core/cluster/store-driver.ts';
import { StorePeers } from '../../../core/cluster/store-peers.ts';
import { silentEvents } from '../../../core/env/events.ts';
import { nodeClock } from '../../../core/env/node/clock.ts';
import { nodeNet } from '../../../core/env/node/net.ts';
import { nodeRng } from '../../../core/env/node/rng.ts';
import { openMemoryMetaStore } from '../../../core/meta/store/memory-store.ts';
import type { MetaStore } from '../../../core/meta/meta-store.ts';
import type { Address } from '../../../core/env/net.ts';
import { ReconnectingClient } from '../../../core/rpc/client.ts';
import { RpcServer } from '../../../core/rpc/server.ts';
import { DiskImage } from '../../sim/cluster/target-disk.ts';
import type { Scope } from '../../tools/temporary.ts';
import { type MemoryTarget, memoryTarget } from './memory-target.ts';

export const fencing: FencingSettings = {
  deadMs: 1500,
  heartbeatMs: 100,
  managerLeaseMs: 500,
  managerRenewMs: 100,
  scanMs: 50,
  managerGapMs: 700,
};

const env = { net: nodeNet, clock: nodeClock, rng: nodeRng, events: silentEvents };

interface LiveStore {
  readonly driver: StoreDriver;
  readonly targets: readonly MemoryTarget[];
  end(): Promise<void>;
}

export class ClusterRig {
  readonly directory = mkdtempSync(join(tmpdir(), 'lampyr-cluster-'));
  readonly shape = { replicas: 3, stores: 3 };
  readonly images = new Map<TargetId, DiskImage>();
  readonly routing = new RoutingCache(nodeClock);
  readonly chunks: ChainChunks;
  readonly channels = new Channels(id<SessionId>(7));
  readonly metadata: MetaStore = openMemoryMetaStore(env);
  private readonly live = new Map<number, LiveStore>();
  private manager: { driver: ManagerDriver; server: RpcServer } | undefined;
  private managers = 0;
  private identities = 0;
  private readonly watch: RoutingWatch;
  private readonly rpc: ReconnectingClient;
  private readonly peers: StorePeers;

  private constructor() {
    const token = Buffer.from('write');
    this.rpc = new ReconnectingClient({ ...env, address: this.address(0), role: 'client', token });
    this.peers = new StorePeers({ ...env, role: 'client', token });
    this.chunks = new ChainChunks({
      clock: nodeClock,
      routing: this.routing,
      peer: (store) => this.peers.to(store),
    });
    this.watch = new RoutingWatch({
      ...env,
      rpc: this.rpc,
      onStores: (stores) => this.peers.learn(stores),
      onRouting: (routing) => this.routing.update(routing),
    });
  }

  static async open(test: Scope): Promise<ClusterRig> {
    const rig = new ClusterRig();
    test.after(() => void rig.close());
    await rig.startManager();
    await Promise.all([1, 2, 3].map((store) => rig.start(store)));
    return rig;
  }

  private address(store: number): Address {
    return { kind: 'unix', path: join(this.directory, `${store}.sock`) };
  }

  private server(): RpcServer {
    const known = { write: 'write', store: 'store' } as const;
    return new RpcServer({
      ...env,
      authorize: (token) => known[Buffer.from(token).toString() as keyof typeof known],
    });
  }

  async startManager(): Promise<void> {
    const driver = await ManagerDriver.open({
      store: this.metadata,
      ...env,
      fencing,
      plan: planChains(this.shape),
      holder: `manager ${++this.managers}`,
    });
    const server = this.server();
    const places: StorePlace[] = [1, 2, 3].map((store) => ({
      store,
      address: this.address(store),
    }));
    registerManagerService(server, driver, places);
    await server.listen(this.address(0));
    this.manager = { driver, server };
  }

  async killManager(): Promise<void> {
    this.manager?.driver.close();
    await this.manager?.server.close(0);
  }

  async start(store: number): Promise<void> {
    const token = Buffer.from('store');
    const role = `store-${store}`;
    const manager = new ReconnectingClient({ ...env, address: this.address(0), role, token });
    const { response } = await manager.call(joinCluster, { store });
    const targets = targetsOfStore(this.shape, store).map((target) => {
      let image = this.images.get(target);
      if (image === undefined) {
        image = new DiskImage(`disk ${target}.${++this.identities}`);
        this.images.set(target, image);
      }
      return memoryTarget(target, image);
    });
    const peers = new StorePeers({ ...env, role, token });
    const driver = new StoreDriver({
      ...env,
      store: id<StoreId>(store),
      incarnation: response.incarnation,
      targets,
      fencing,
      settings: { ...replicaSettings, callMs: 500 },
      manager,
      peers,
      offline: () => undefined,
    });
    const server = this.server();
    registerReplicaService(server, { driver, targets, ...env });
    await server.listen(this.address(store));
    await driver.start();
    const end = async (): Promise<void> => {
      for (const target of targets) target.kill();
      driver.close();
      peers.close();
      manager.close();
      await server.close(0);
    };
    this.live.set(store, { driver, targets, end });
  }

  async kill(store: number): Promise<void> {
    const live = this.live.get(store);
    this.live.delete(store);
    await live?.end();
  }

  /** Empty disks in the place of a dead store's. */
  wipe(store: number): void {
    for (const target of targetsOfStore(this.shape, store)) this.images.delete(target);
  }

  async write(
    blob: number,
    text: string,
    { index = 0, channels = this.channels }: { index?: number; channels?: Channels } = {},
  ): Promise<void> {
    const bytes = Buffer.from(text);
    await channels.use((tag) =>
      this.chunks.write(
        {
          layout: clusterLayout,
          chunk: chunkOf(blob, index),
          offset: 0,
          parts: [bytes],
          crc32c: crc32c(bytes),
          tag,
          completes: true,
        },
        () => false,
      ),
    );
  }

  async read(blob: number, length: number, index = 0): Promise<string> {
    const { signal } = new AbortController();
    const chunk = chunkOf(blob, index);
    const { bytes } = await this.chunks.read({
      layout: clusterLayout,
      chunk,
      offset: 0,
      length,
      signal,
    });
    return Buffer.from(bytes).toString();
  }

  /** States of all targets, in order. @returns every chain as 'SERVING SERVING SERVING' when all are whole */
  states(): string[] {
    return this.routing.all.map(({ targets }) => targets.map(({ state }) => state).join(' '));
  }

  /** Until every chain does without a store that was killed. */
  async noticed(): Promise<void> {
    const end = Date.now() + 10_000;
    while (!this.states().every((chain) => chain.endsWith('OFFLINE'))) {
      if (Date.now() > end) throw new Error(`not noticed in time: ${this.states().join(' | ')}`);
      await this.routing.changed(100);
    }
  }

  async whole(deadlineMs = 10_000): Promise<void> {
    const end = Date.now() + deadlineMs;
    const isWhole = (): boolean =>
      this.routing.all.length > 0 &&
      // The first version is left when the stores report for the first time.
      this.routing.all.every(({ version }) => version > 1) &&
      this.states().every((chain) => chain === 'SERVING SERVING SERVING');
    while (!isWhole()) {
      if (Date.now() > end) throw new Error(`not whole in time: ${this.states().join(' | ')}`);
      await this.routing.changed(100);
    }
  }

  /** Committed content of all replicas of a chain, one text each. */
  contents(): string[][] {
    return this.routing.all.map(({ targets }) =>
      targets.map(({ id: target }) =>
        (this.images.get(target)?.sorted() ?? [])
          .map(({ chunk, committed, pending }) => {
            const bytes = committed?.bytes.toString() ?? '-';
            return `${chunk.blob}/${chunk.index}=${bytes}${pending === undefined ? '' : '*'}`;
          })
          .join(','),
      ),
    );
  }

  private async close(): Promise<void> {
    for (const store of this.live.keys()) await this.kill(store);
    await this.killManager();
    this.watch.close();
    this.rpc.close();
    this.peers.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function chunkOf(blob: number, index: number): ChunkId {
  return { blob: id<BlobId>(blob), index };
}
