// Answers the operator's calls: how the parts of the core are, and whether what is stored is sound.

import { embeddedTarget } from '../../core/model/core-client.ts';
import type { RpcRegistry } from '../../core/rpc/call.ts';
import type { CoreData } from './core-data.ts';
import { corePaths } from './core-data.ts';
import { coreStatus } from './operator-calls.ts';
import type { CoreStatusResponse } from './operator-calls.ts';

export interface OperatorServiceParts {
  readonly data: CoreData;
  readonly dataDir: string;
}

export function registerOperatorService(registry: RpcRegistry, parts: OperatorServiceParts): void {
  registry.register(coreStatus, async () => ({ response: statusOf(parts) }));
}

function statusOf({ data, dataDir }: OperatorServiceParts): CoreStatusResponse {
  const paths = corePaths(dataDir);
  const reason = reasonOf(data);
  const state = reason === undefined ? 'SERVING' : 'OFFLINE';
  const target = {
    id: embeddedTarget.target,
    store: 0,
    state,
    ...(reason === undefined ? {} : { reason }),
  };
  return {
    parts: [
      { role: 'meta', state, dir: paths.meta },
      { role: 'store', state, dir: paths.store },
    ],
    chains: [{ id: 1, version: embeddedTarget.chainVersion, targets: [target] }],
  };
}

/** Why the disk takes no updates. */
function reasonOf(data: CoreData): string | undefined {
  return data.chunks.offline?.message ?? data.offline?.message;
}
