// fsck of a running cluster: the metadata rows, metadata against the chunks of all chains, and every replica against the
// others; on demand every byte of every replica. Changes nothing.

import { toCoreError } from '../../core/base/errors.ts';
import { compareReplicas } from '../../core/cluster/compare-replicas.ts';
import { chainInventory } from '../../core/cluster/inventory.ts';
import type { ChainChunks } from '../../core/client/chain-chunks.ts';
import type { RoutingCache } from '../../core/client/routing-cache.ts';
import { checkNamespace } from '../../core/meta/fsck/fsck.ts';
import { FsckReport as Report } from '../../core/meta/fsck/report.ts';
import type { FsckReport } from '../admin/operator.ts';
import {
  type CheckedMetadata,
  type FsckOptions,
  checkRowTable,
  chunkWhere,
  reportOf,
} from './fsck.ts';

export interface CheckedChains {
  readonly chunks: ChainChunks;
  readonly routing: RoutingCache;
}

const start = 'wait until it serves again (`lampyr status` says what it needs), then check again';
const differs =
  'stop writing to the objects concerned, take the odd replica offline, and report it';

/** @throws CoreError CANCELLED, DISK_OFFLINE, UNAVAILABLE */
export async function runClusterFsck(
  data: CheckedMetadata,
  { chunks, routing }: CheckedChains,
  { scrub, cancelled = () => false }: FsckOptions,
): Promise<FsckReport> {
  const report = new Report();
  addUnserved(routing, report);
  const rows = await checkRowTable(data, report);
  const inventory = chainInventory(routing, chunks);
  await checkNamespace({
    store: data.meta,
    chunks: inventory,
    report,
    damaged: rows.damaged,
    cancelled,
  });
  try {
    await compareReplicas({
      chunks,
      routing,
      bytes: scrub,
      cancelled,
      count: (what, by) => report.count(what, by),
      found: async ({ chain, chunk, detail }) => {
        const where = await chunkWhere(data, chunk.blob);
        const text = `chunk ${chunk.blob}/${chunk.index} of chain ${chain}: ${detail}`;
        report.add({
          severity: 'error',
          kind: 'replicas-differ',
          where,
          detail: text,
          action: differs,
        });
      },
    });
  } catch (error) {
    const { errorName, message } = toCoreError(error);
    if (errorName !== 'UNAVAILABLE' && errorName !== 'DEADLINE_EXCEEDED') throw error;
    const where = 'replicas';
    report.add({
      severity: 'note',
      kind: 'replicas-unchecked',
      where,
      detail: message,
      action: start,
    });
  }
  return reportOf(report);
}

/** What is missing is not compared. */
function addUnserved(routing: RoutingCache, report: Report): void {
  for (const { id, targets } of routing.all)
    for (const { id: target, state } of targets) {
      if (state === 'SERVING') continue;
      report.add({
        severity: 'note',
        kind: 'replicas-unchecked',
        where: `chain ${id}`,
        detail: `target ${target} is ${state}, and was not compared`,
        action: start,
      });
    }
}
