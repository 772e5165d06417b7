// The core as a role of the launcher (role.ts).

import type { CoreOptions } from '../core/core.ts';
import { type DataProcess, registerDataMetrics } from './data-metrics.ts';
import { openStorage } from './storage.ts';
import type { RoleContext, StartRole } from './role.ts';

export const startCore: StartRole = async (context) => {
  const { config, events } = context;
  const { dataDir, clusterId, root, coreAddress: address, tokens } = config;
  const storage = await openStorage(dataDir, process.env, events);
  const options: CoreOptions = { dataDir, clusterId, root, address, tokens, events, storage };
  const core = await openCore(context, options);
  registerDataMetrics(context.metrics, core);
  return { drain: () => core.close(), unused: () => core.rpc.clients === 0 };
};

interface OpenedCore extends DataProcess {
  close(): Promise<void>;
}

async function openCore({ config }: RoleContext, options: CoreOptions): Promise<OpenedCore> {
  const { cluster, token } = config;
  if (cluster === undefined) return (await import('../core/core.ts')).Core.open(options);
  const { ClusterCore } = await import('../core/cluster-core.ts');
  return ClusterCore.open({ ...options, cluster, token });
}
