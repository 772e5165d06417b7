// A store process of a cluster: the chunk store of one disk, its targets as members of their chains, served over the
// internal RPC. Composition only.

import { CoreError, isCoreError, toCoreError } from '../../core/base/errors.ts';
import { id } from '../../core/base/ids.ts';
import type { StoreId, TargetId } from '../../core/base/ids.ts';
import { joinCluster } from '../../core/cluster/cluster-calls.ts';
import { fencing, replicaSettings } from '../../core/cluster/fencing.ts';
import { targetsOfStore } from '../../core/cluster/plan.ts';
import type { ClusterShape } from '../../core/cluster/plan.ts';
import { registerReplicaService } from '../../core/cluster/replica-service.ts';
import { type OpenedTarget, StoreDriver } from '../../core/cluster/store-driver.ts';
import { StorePeers } from '../../core/cluster/store-peers.ts';
import { asBuffer } from '../../core/base/bytes.ts';
import type { Events } from '../../core/env/events.ts';
import type { Address } from '../../core/env/net.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeNet } from '../../core/env/node/net.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import type { NodeStorage } from '../../core/env/node/storage.ts';
import { EngineTarget } from '../../core/replica/engine-target.ts';
import { ReconnectingClient } from '../../core/rpc/client.ts';
import { RpcServer } from '../../core/rpc/server.ts';
import { type BackgroundWork, compactTables, maintainStore } from '../core/background.ts';
import { authorizer, listenInternal } from '../core/internal-rpc.ts';
import type { RoleToken } from '../roles/role.ts';
import { type StoreData, openStoreData } from './store-data.ts';

export interface StoreOptions {
  readonly store: number;
  readonly shape: ClusterShape;
  /** Absolute. */
  readonly dir: string;
  /** 32 hex digits. */
  readonly clusterId: string;
  /** Name of this process, and what it shows to its peers. */
  readonly name: string;
  readonly token: string;
  readonly tokens: readonly RoleToken[];
  readonly address: Address;
  /** Of the process with the manager. */
  readonly manager: Address;
  readonly events: Events;
  readonly storage?: NodeStorage;
  /** The disk failed: nothing can be served any more. */
  readonly fail: (error: unknown) => void;
}

/** Between attempts to reach the manager at the start. */
const joinAgainMs = 200;

export class Store {
  readonly data: StoreData;
  readonly rpc: RpcServer;
  readonly driver: StoreDriver;
  private readonly background: readonly BackgroundWork[];
  private readonly manager: ReconnectingClient;
  private readonly peers: StorePeers;

  private constructor(parts: {
    readonly data: StoreData;
    readonly rpc: RpcServer;
    readonly driver: StoreDriver;
    readonly manager: ReconnectingClient;
    readonly peers: StorePeers;
    readonly events: Events;
  }) {
    this.data = parts.data;
    this.rpc = parts.rpc;
    this.driver = parts.driver;
    this.manager = parts.manager;
    this.peers = parts.peers;
    const { chunks } = this.data;
    this.background = [
      maintainStore(chunks, nodeClock, parts.events),
      compactTables([chunks.parts.table], nodeClock, parts.events),
    ];
  }

  /** Recovers the data, and takes part in the cluster once the manager has heard of it.
   *  @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED, CORRUPT, DISK_FULL */
  static async open(options: StoreOptions): Promise<Store> {
    const { store, shape, events, fail } = options;
    const env = { net: nodeNet, clock: nodeClock, rng: nodeRng, events };
    const targets = targetsOfStore(shape, store);
    const data = await openStoreData({ ...options, ...env, targets });
    data.journal.onOffline(fail);
    const { name: role } = options;
    const token = Buffer.from(options.token);
    const manager = new ReconnectingClient({ ...env, address: options.manager, role, token });
    const peers = new StorePeers({ ...env, role, token });
    try {
      const incarnation = await join(manager, store);
      const opened = targets.map((target) => openTarget(data, target, fail));
      const driver = new StoreDriver({
        ...env,
        store: id<StoreId>(store),
        incarnation,
        targets: opened,
        fencing,
        settings: replicaSettings,
        manager,
        peers,
        offline: () => data.chunks.offline?.message,
      });
      const rpc = new RpcServer({ ...env, authorize: authorizer(options.tokens) });
      registerReplicaService(rpc, { driver, targets: opened, ...env });
      await listenInternal(rpc, options.address);
      await driver.start();
      await driver.acknowledged;
      return new Store({ data, rpc, driver, manager, peers, events });
    } catch (error) {
      manager.close();
      peers.close();
      await data.close();
      throw error;
    }
  }

  /** Neither a door nor the manager is there any more. */
  get unused(): boolean {
    return this.rpc.clients === 0 && !this.manager.connected;
  }

  /** Leaves at once, which the chains are told by the silence; then writes everything through. */
  async close(): Promise<void> {
    await this.rpc.close();
    this.driver.close();
    this.peers.close();
    this.manager.close();
    await Promise.all(this.background.map((work) => work.stop()));
    await this.data.close();
  }
}

function nothing(): never {
  throw new CoreError('INTERNAL', 'the driver sends and waits');
}

function openTarget(
  { chunks }: StoreData,
  target: TargetId,
  fail: (error: unknown) => void,
): OpenedTarget {
  const store = chunks.target(target);
  const engine = new EngineTarget({
    store,
    send: nothing,
    after: nothing,
    failed: (reason) => fail(new CoreError('DISK_OFFLINE', `target ${target}: ${reason}`)),
  });
  const { env } = engine;
  return {
    id: target,
    identity: asBuffer(store.identity).toString('hex'),
    noted: store.noted,
    env,
    warm: (chunk) => engine.warm(chunk),
  };
}

/** The manager starts beside the stores. @throws CoreError DISK_REFUSED, ACCESS_DENIED */
async function join(manager: ReconnectingClient, store: number): Promise<number> {
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- until it answers
      return (await manager.call(joinCluster, { store })).response.incarnation;
    } catch (error) {
      const final = isCoreError(error, 'DISK_REFUSED') || isCoreError(error, 'ACCESS_DENIED');
      if (final) throw toCoreError(error);
    }
    // oxlint-disable-next-line no-await-in-loop
    await new Promise<void>((resolve) => void setTimeout(resolve, joinAgainMs));
  }
}
