// Answers the operator's calls: how the parts of the core are, and whether what is stored is sound.

import { embeddedTarget } from '../../core/model/core-client.ts';
import type { RpcRegistry } from '../../core/rpc/call.ts';
import type { CoreData } from './core-data.ts';
import { corePaths } from './core-data.ts';
import { checkCore } from './fsck.ts';
import { coreStatus, fsck } from './operator-calls.ts';
import type { CoreStatusResponse } from './operator-calls.ts';

export interface OperatorServiceParts {
  readonly data: CoreData;
  readonly dataDir: string;
}

export function registerOperatorService(registry: RpcRegistry, parts: OperatorServiceParts): void {
  registry.register(coreStatus, async () => ({ response: statusOf(parts) }));
  registry.register(fsck, async () => {
    const { clean, counts, problems, leftovers } = await checkCore(parts.data);
    const named = Object.entries(counts).map(([name, count]) => ({ name, count }));
    const response = { clean, counts: named, problems: [...problems], leftovers: [...leftovers] };
    return { response };
  });
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
