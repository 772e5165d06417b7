// A store as a role of the launcher (role.ts): one process per disk of a cluster.

import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { assert } from '../../core/base/assert.ts';
import { Store } from '../store/store.ts';
import type { StartRole } from './role.ts';
import { openStorage } from './storage.ts';

export const startStore: StartRole = async (context) => {
  const { config, events, metrics } = context;
  const { cluster, store: number, dataDir } = config;
  const place = cluster?.stores.find(({ store }) => store === number);
  assert(cluster !== undefined && place !== undefined, 'a store is one of its cluster');
  const storage = await openStorage(dataDir, process.env, events, config.name);
  const store = await Store.open({
    ...config,
    store: place.store,
    shape: { replicas: cluster.replicas, stores: cluster.stores.length },
    dir: place.dir,
    address: place.address,
    manager: config.coreAddress,
    events,
    storage,
    fail: (error) => context.fail(error),
  });
  registerMetrics(metrics, store);
  return { drain: () => store.close(), unused: () => store.unused };
};

function registerMetrics(registry: Registry, { data, rpc }: Store): void {
  const gauge = (name: string, help: string, value: () => number): void =>
    void new Gauge({
      name: `lampyr_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  const { journal, chunks } = data;
  gauge('rpc_connections', 'connections of other roles', () => rpc.stats.connections);
  gauge('rpc_requests_running', 'requests being executed', () => rpc.stats.running);
  gauge('journal_records', 'records appended since start', () => journal.stats.records);
  gauge('journal_groups', 'groups written and synced since start', () => journal.stats.groups);
  gauge('store_bytes', 'size of the disk', () => chunks.space().totalBytes);
  gauge('store_free_bytes', 'free on the disk', () => chunks.space().freeBytes);
  gauge('store_used_bytes', 'in blocks that chunks own', () => chunks.space().usedBytes);
}
