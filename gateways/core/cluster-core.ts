// The core of a system with several replicas: metadata with a journal of its own, and the manager of the chains; the
// chunks are in store processes. Composition only, as core.ts.

import { join } from 'node:path';
import { toCoreError } from '../../core/base/errors.ts';
import { asBuffer } from '../../core/base/bytes.ts';
import { ChainChunks } from '../../core/client/chain-chunks.ts';
import { RoutingCache } from '../../core/client/routing-cache.ts';
import { fencing } from '../../core/cluster/fencing.ts';
import { chainInventory } from '../../core/cluster/inventory.ts';
import { ManagerDriver } from '../../core/cluster/manager-driver.ts';
import { registerManagerService } from '../../core/cluster/manager-service.ts';
import { clusterLayout, planChains } from '../../core/cluster/plan.ts';
import { StorePeers } from '../../core/cluster/store-peers.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeHasher } from '../../core/env/node/hasher.ts';
import { nodeNet } from '../../core/env/node/net.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import { NamespaceService, registerNamespaceCalls } from '../../core/meta/service.ts';
import { openIdentities } from '../../core/model/identities/identities.ts';
import { registerIdentityCalls } from '../../core/model/identities/service.ts';
import { RpcServer } from '../../core/rpc/server.ts';
import type { ClusterConfig } from '../roles/role.ts';
import { type BackgroundWork, compactTables } from './background.ts';
import { authorizer, listenInternal } from './internal-rpc.ts';
import type { CoreOptions } from './core.ts';
import { runClusterFsck } from './cluster-fsck.ts';
import { clusterStatus } from './cluster-status.ts';
import { MetaData } from './meta-data.ts';
import { registerOperatorService } from './operator-service.ts';

export interface ClusterCoreOptions extends Omit<CoreOptions, 'clock'> {
  readonly cluster: ClusterConfig;
  /** What this process shows to the stores. */
  readonly token: string;
}

interface Parts {
  readonly data: MetaData;
  readonly manager: ManagerDriver;
  readonly namespace: NamespaceService;
  readonly rpc: RpcServer;
  readonly peers: StorePeers;
}

export class ClusterCore {
  readonly data: MetaData;
  readonly rpc: RpcServer;
  private readonly options: ClusterCoreOptions;
  private readonly parts: Parts;
  private readonly background: BackgroundWork;

  private constructor(options: ClusterCoreOptions, parts: Parts) {
    this.options = options;
    this.parts = parts;
    this.data = parts.data;
    this.rpc = parts.rpc;
    this.background = compactTables([this.data.metaTable], nodeClock, options.events);
  }

  /** Recovers the metadata and serves. @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED, CORRUPT, DISK_FULL */
  static async open(options: ClusterCoreOptions): Promise<ClusterCore> {
    const { events, cluster, tokens, token } = options;
    const env = { clock: nodeClock, events, rng: nodeRng, net: nodeNet };
    const data = await MetaData.open({
      ...options,
      ...env,
      stores: cluster.stores.map(({ dir }) => dir),
    });
    let manager: ManagerDriver | undefined;
    const peers = new StorePeers({ ...env, role: 'core', token: Buffer.from(token) });
    try {
      const shape = { replicas: cluster.replicas, stores: cluster.stores.length };
      const holder = asBuffer(nodeRng.bytes(16)).toString('hex');
      const plan = planChains(shape);
      manager = await ManagerDriver.open({ store: data.meta, ...env, fencing, plan, holder });
      const routing = new RoutingCache(nodeClock);
      manager.onRouting((newest) => routing.update(newest));
      peers.learn(cluster.stores);
      const peer = (store: number) => peers.to(store);
      const chunks = new ChainChunks({ clock: nodeClock, routing, peer });
      const namespace = await NamespaceService.open({
        ...env,
        store: data.meta,
        hasher: nodeHasher,
        inventory: chainInventory(routing, chunks),
        // Replicas are of chunks: content in a row would be on one disk (design 2, P1).
        inlineBytesMax: 0,
        admit: () => data.admit(),
        layout: clusterLayout,
      });
      const rpc = new RpcServer({ ...env, authorize: authorizer(tokens) });
      const core = new ClusterCore(options, { data, manager, namespace, rpc, peers });
      core.register({ chunks, routing });
      await listenInternal(rpc, options.address);
      return core;
    } catch (error) {
      manager?.close();
      peers.close();
      await data.close();
      throw error;
    }
  }

  /** Finishes the requests that run, writes everything through and lets go of the data. */
  async close(): Promise<void> {
    const { manager, namespace, rpc, peers, data } = this.parts;
    manager.close();
    await rpc.close();
    await this.background.stop();
    try {
      await namespace.close();
    } catch (error) {
      // The session that it could not end is ended by its lease.
      this.options.events.emit('warn', 'core-session-left', { error: toCoreError(error).message });
    }
    peers.close();
    await data.close();
  }

  private register(chains: { readonly chunks: ChainChunks; readonly routing: RoutingCache }): void {
    const { data, namespace, rpc, manager } = this.parts;
    const { root, cluster, dataDir, storage } = this.options;
    const identities = openIdentities({ store: data.meta, rng: nodeRng, clock: nodeClock, root });
    registerNamespaceCalls(rpc, namespace);
    registerManagerService(rpc, manager, cluster.stores);
    registerIdentityCalls(rpc, identities);
    const dir = join(dataDir, 'meta');
    registerOperatorService(rpc, {
      status: () => clusterStatus({ data, dir, manager, cluster, warning: storage?.warning }),
      check: (wish) => runClusterFsck(data, chains, wish),
    });
  }
}
