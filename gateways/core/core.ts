// The core of an embedded system: metadata and the chunk store of one disk in one process, served over the
// internal RPC (design 9). Composition only: which part gets what, in which order they start and stop.

import { toCoreError } from '../../core/base/errors.ts';
import { type ServedTarget, registerChunkService } from '../../core/client/chunk-service.ts';
import type { Clock } from '../../core/env/clock.ts';
import type { Events } from '../../core/env/events.ts';
import type { Address } from '../../core/env/net.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeHasher } from '../../core/env/node/hasher.ts';
import { nodeNet } from '../../core/env/node/net.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import { nodeStorage } from '../../core/env/node/storage.ts';
import { NamespaceService, registerNamespaceCalls } from '../../core/meta/service.ts';
import { embeddedTarget } from '../../core/model/core-client.ts';
import { openIdentities } from '../../core/model/identities/identities.ts';
import { registerIdentityCalls } from '../../core/model/identities/service.ts';
import { RpcServer } from '../../core/rpc/server.ts';
import type { RoleToken, RootIdentity } from '../roles/role.ts';
import { compactTables, maintainStore } from './background.ts';
import type { BackgroundWork } from './background.ts';
import { CoreData, corePaths } from './core-data.ts';
import type { CoreStorage } from './core-data.ts';
import { runFsck } from './fsck.ts';
import { authorizer, listenInternal } from './internal-rpc.ts';
import { embeddedStatus, registerOperatorService } from './operator-service.ts';

export interface CoreOptions {
  /** Absolute; exists and is locked by this process. */
  readonly dataDir: string;
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly root: RootIdentity;
  readonly address: Address;
  /** Who may call, and what. */
  readonly tokens: readonly RoleToken[];
  readonly events: Events;
  readonly clock?: Clock;
  /** Where the data lies; tests give a lossy one, and smaller files. */
  readonly storage?: CoreStorage;
}

export class Core {
  readonly data: CoreData;
  readonly namespace: NamespaceService;
  readonly rpc: RpcServer;
  private readonly options: CoreOptions;
  private readonly background: readonly BackgroundWork[];

  private constructor(
    options: CoreOptions,
    parts: { data: CoreData; namespace: NamespaceService; rpc: RpcServer },
  ) {
    this.options = options;
    this.data = parts.data;
    this.namespace = parts.namespace;
    this.rpc = parts.rpc;
    const { clock = nodeClock, events } = options;
    const { chunks, metaTable } = this.data;
    this.background = [
      maintainStore(chunks, clock, events),
      compactTables([metaTable, chunks.parts.table], clock, events),
    ];
  }

  /** Recovers the data and serves. @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED, CORRUPT, DISK_FULL */
  static async open(options: CoreOptions): Promise<Core> {
    const { events, clock = nodeClock } = options;
    const env = { clock, events, rng: nodeRng };
    const data = await CoreData.open({ ...options, ...embeddedTarget, ...env });
    try {
      const namespace = await NamespaceService.open({
        ...env,
        store: data.meta,
        hasher: nodeHasher,
        local: { chunks: data.chunks, ...served(options), sharesJournal: true },
      });
      const rpc = new RpcServer({ ...env, net: nodeNet, authorize: authorizer(options.tokens) });
      const core = new Core(options, { data, namespace, rpc });
      core.register();
      await listenInternal(rpc, options.address);
      return core;
    } catch (error) {
      await data.close();
      throw error;
    }
  }

  /** Finishes the requests that run, writes everything through and lets go of the data. */
  async close(): Promise<void> {
    await this.rpc.close();
    await Promise.all(this.background.map((work) => work.stop()));
    try {
      await this.namespace.close();
    } catch (error) {
      // The session that it could not end is ended by its lease.
      this.options.events.emit('warn', 'core-session-left', { error: toCoreError(error).message });
    }
    await this.data.close();
  }

  private register(): void {
    const { data, namespace, rpc, options } = this;
    const { clock = nodeClock, root, dataDir, storage } = options;
    const identities = openIdentities({ store: data.meta, rng: nodeRng, clock, root });
    registerNamespaceCalls(rpc, namespace);
    registerChunkService(rpc, data.chunks, served(options));
    registerIdentityCalls(rpc, identities);
    const { warning } = storage ?? {};
    registerOperatorService(rpc, {
      status: () => embeddedStatus({ data, dataDir, warning }),
      check: (wish) => runFsck(data, wish),
    });
  }
}

/** What readers are told of the store. */
function served({ dataDir, storage = nodeStorage }: CoreOptions): ServedTarget {
  const directory = storage.sharesFiles === true ? { directory: corePaths(dataDir).store } : {};
  return { ...embeddedTarget, ...directory };
}
