// The core as a role of the launcher (role.ts).

import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { Core } from '../core/core.ts';
import { openStorage } from './storage.ts';
import type { StartRole } from './role.ts';

export const startCore: StartRole = async ({ config, events, metrics }) => {
  const { dataDir, clusterId, root, coreAddress: address, tokens } = config;
  const storage = await openStorage(dataDir, process.env, events);
  const core = await Core.open({ dataDir, clusterId, root, address, tokens, events, storage });
  registerMetrics(metrics, core);
  return { drain: () => core.close(), unused: () => core.rpc.stats.connections === 0 };
};

function registerMetrics(registry: Registry, core: Core): void {
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
  gauge('store_bytes', 'size of the disk', () => chunks.space().totalBytes);
  gauge('store_free_bytes', 'free on the disk', () => chunks.space().freeBytes);
  gauge('store_used_bytes', 'in blocks that chunks own', () => chunks.space().usedBytes);
}
