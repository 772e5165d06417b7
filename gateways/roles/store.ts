// A store as a role of the launcher (role.ts): one process per disk of a cluster.

import { assert } from '../../core/base/assert.ts';
import { Store } from '../store/store.ts';
import type { StartRole } from './role.ts';
import { registerDataMetrics } from './data-metrics.ts';
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
  registerDataMetrics(metrics, store);
  return { drain: () => store.close(), unused: () => store.unused };
};
