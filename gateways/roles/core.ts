// The core as a role of the launcher (role.ts).

import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { CoreOptions } from '../core/core.ts';
import type { DiskJournal } from '../../core/store/journal.ts';
import type { RpcServer } from '../../core/rpc/server.ts';
import type { ChunkEngine } from '../../core/store/engine.ts';
import { openStorage } from './storage.ts';
import type { RoleContext, StartRole } from './role.ts';

export const startCore: StartRole = async (context) => {
  const { config, events } = context;
  const { dataDir, clusterId, root, coreAddress: address, tokens } = config;
  const storage = await openStorage(dataDir, process.env, events);
  const options: CoreOptions = { dataDir, clusterId, root, address, tokens, events, storage };
  const core = await openCore(context, options);
  registerMetrics(context.metrics, core);
  return { drain: () => core.close(), unused: () => core.rpc.clients === 0 };
};

interface OpenedCore {
  readonly rpc: RpcServer;
  readonly data: { readonly journal: DiskJournal; readonly chunks?: ChunkEngine };
  close(): Promise<void>;
}

async function openCore({ config }: RoleContext, options: CoreOptions): Promise<OpenedCore> {
  const { cluster, token } = config;
  if (cluster === undefined) return (await import('../core/core.ts')).Core.open(options);
  const { ClusterCore } = await import('../core/cluster-core.ts');
  return ClusterCore.open({ ...options, cluster, token });
}

function registerMetrics(registry: Registry, core: OpenedCore): void {
  const gauge = (name: string, help: string, value: () => number): void =>
    void new Gauge({
      name: `lampyr_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  const { journal, chunks } = core.data;
  gauge('rpc_connections', 'connections of other roles', () => core.rpc.stats.connections);
  gauge('rpc_requests_running', 'requests being executed', () => core.rpc.stats.running);
  gauge('journal_records', 'records appended since start', () => journal.stats.records);
  gauge('journal_groups', 'groups written and synced since start', () => journal.stats.groups);
  gauge('journal_bytes', 'bytes written since start', () => journal.stats.bytes);
  gauge('journal_checkpoints', 'checkpoints since start', () => journal.stats.checkpoints);
  gauge(
    'journal_free_bytes',
    'room before updates wait for a checkpoint',
    () => journal.stats.freeBytes,
  );
  if (chunks === undefined) return;
  gauge('store_bytes', 'size of the disk', () => chunks.space().totalBytes);
  gauge('store_free_bytes', 'free on the disk', () => chunks.space().freeBytes);
  gauge('store_used_bytes', 'in blocks that chunks own', () => chunks.space().usedBytes);
}
