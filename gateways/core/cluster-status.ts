// What `lampyr status` shows of a cluster: the chains with the state of each replica, why one does not serve, and what to
// do about it.

import type { StoreId, TargetId } from '../../core/base/ids.ts';
import type { Chain } from '../../core/chain/chain.ts';
import type { ManagerDriver } from '../../core/cluster/manager-driver.ts';
import { planChains } from '../../core/cluster/plan.ts';
import type { ClusterConfig } from '../roles/role.ts';
import type { MetaData } from './meta-data.ts';
import type { CoreStatusResponse } from './operator-calls.ts';

export interface ClusterStatusParts {
  readonly data: MetaData;
  /** Of the metadata. */
  readonly dir: string;
  readonly manager: ManagerDriver;
  readonly cluster: ClusterConfig;
  readonly warning: string | undefined;
}

export function clusterStatus(parts: ClusterStatusParts): CoreStatusResponse {
  const { data, dir, manager, cluster, warning } = parts;
  const state = data.offline === undefined ? 'SERVING' : 'OFFLINE';
  const chains = manager.routing?.chains.map((chain) => chainOf(manager, chain));
  return {
    parts: [
      { role: 'manager', state: manager.routing === undefined ? 'STARTING' : 'SERVING', dir },
      { role: 'meta', state, dir },
    ],
    chains: chains ?? unformed(parts),
    notes: [
      `chunks have ${cluster.replicas} replicas; metadata is on one disk (${dir}): back it up`,
      ...(data.offline === undefined ? [] : [`metadata: ${data.offline.message}`]),
      ...(warning === undefined ? [] : [warning]),
    ],
  };
}

function chainOf(manager: ManagerDriver, { id, version, targets }: Chain) {
  const explained = new Map(
    manager.explain().map(({ target, text, action }) => [target, { text, action }] as const),
  );
  return {
    id,
    version,
    targets: targets.map(({ id: target, store, state }) => {
      const { text, action } = explained.get(target) ?? {};
      const said = saidOf(manager, store, target);
      const reason = [text, said].filter((part) => part !== undefined && part !== '').join('; ');
      return {
        id: target,
        store,
        state,
        ...(reason === '' ? {} : { reason }),
        ...(action === undefined || action === '' ? {} : { action }),
      };
    }),
  };
}

/** What the store itself says of a target that it does not serve. */
function saidOf(manager: ManagerDriver, store: StoreId, target: TargetId): string | undefined {
  const said = manager.stores.get(store);
  return said?.offline ?? said?.reports.get(target)?.reason;
}

/** Planned chains of a cluster whose stores have not all come yet. */
function unformed({ cluster, manager }: ClusterStatusParts) {
  const shape = { replicas: cluster.replicas, stores: cluster.stores.length };
  const reason = manager.unformed ?? '';
  return planChains(shape).map(({ id, targets }) => ({
    id,
    version: 0,
    targets: targets.map((target) => ({ ...target, state: 'OFFLINE', reason })),
  }));
}
