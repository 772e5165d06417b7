// Answers the operator's calls: how the parts of the core are, and whether what is stored is sound.

import { CoreError } from '../../core/base/errors.ts';
import { embeddedTarget } from '../../core/model/core-client.ts';
import type { RpcRegistry } from '../../core/rpc/call.ts';
import type { FsckReport } from '../admin/operator.ts';
import type { CoreData } from './core-data.ts';
import { corePaths } from './core-data.ts';
import type { FsckOptions } from './fsck.ts';
import { coreStatus, fsck } from './operator-calls.ts';
import type { CoreStatusResponse, FsckResponse } from './operator-calls.ts';

export interface OperatorServiceParts {
  readonly status: () => CoreStatusResponse;
  readonly check: (options: FsckOptions) => Promise<FsckReport>;
}

export function registerOperatorService(
  registry: RpcRegistry,
  { status, check }: OperatorServiceParts,
): void {
  registry.register(coreStatus, async () => ({ response: status() }));
  let checking = false;
  registry.register(fsck, async ({ scrub }, _payload, caller) => {
    if (checking) throw new CoreError('BUSY', 'a check is running already; wait for it to end');
    checking = true;
    try {
      const wish = { scrub, cancelled: () => caller.cancelled === true };
      return { response: responseOf(await check(wish)) };
    } finally {
      checking = false;
    }
  });
}

function responseOf({ counts, found, findings }: FsckReport): FsckResponse {
  return { counts: countsOf(counts), found: countsOf(found), findings: [...findings] };
}

function countsOf(record: Readonly<Record<string, number>>): { name: string; count: number }[] {
  return Object.entries(record).map(([name, count]) => ({ name, count }));
}

export interface EmbeddedStatusParts {
  readonly data: CoreData;
  readonly dataDir: string;
  /** Shown as long as the disk serves. */
  readonly warning: string | undefined;
}

/** Of a core with one replica, which it has itself. */
export function embeddedStatus({
  data,
  dataDir,
  warning,
}: EmbeddedStatusParts): CoreStatusResponse {
  const paths = corePaths(dataDir);
  const offline = reasonOf(data);
  const state = offline === undefined ? 'SERVING' : 'OFFLINE';
  const reason = offline ?? warning;
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
    notes: [],
  };
}

/** Why the disk takes no updates. */
function reasonOf(data: CoreData): string | undefined {
  return data.chunks.offline?.message ?? data.offline?.message;
}
