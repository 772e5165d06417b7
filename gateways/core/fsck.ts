// `lampyr fsck`: the chunk store by itself, then metadata with its references into the store, on a running
// core or on one that was started for the check. Reads rows, not content: that is scrubbing.

import { actionOf, severityOf } from '../../core/meta/fsck/finding.ts';
import type { Finding } from '../../core/meta/fsck/finding.ts';
import { checkNamespace } from '../../core/meta/fsck/fsck.ts';
import { embeddedTarget } from '../../core/model/core-client.ts';
import { checkStore } from '../../core/store/check.ts';
import type { StoreCheck } from '../../core/store/check.ts';
import type { FsckReport } from '../admin/operator.ts';
import type { CoreData } from './core-data.ts';

/** Lines of each kind in one report; the counts are whole. */
const linesMax = 1000;

/** @throws CoreError what the stores throw: DISK_OFFLINE, UNAVAILABLE */
export async function checkCore({ chunks, meta }: CoreData): Promise<FsckReport> {
  const store = await checkStore(chunks);
  const { target } = embeddedTarget;
  const { findings, truncated, counts } = await checkNamespace(meta, { chunks, target });
  const damage = findings.filter((finding) => severityOf(finding) === 'damage');
  const garbage = findings.filter((finding) => severityOf(finding) === 'garbage');
  const problems = [...storeProblems(store), ...damage.map(lineOf)];
  if (truncated) problems.push('metadata: there is more than one report holds; run it again after');
  const { chunk: _, ...rows } = counts;
  return {
    clean: problems.length === 0,
    counts: { chunks: store.chunks, blocks: store.blocks, rows: sum(Object.values(rows)) },
    problems: problems.slice(0, linesMax),
    leftovers: garbage.slice(0, linesMax).map(lineOf),
  };
}

function storeProblems({ findings, findingsCount, table, ok }: StoreCheck): string[] {
  const lines = findings.map(({ problem, detail }) => `chunk store: ${problem}: ${detail}`);
  const { rows, expectedRows, damagedCount } = table;
  if (!table.ok)
    lines.push(
      `chunk store: the index has ${rows} rows of ${expectedRows ?? 'an unknown number'}, ${damagedCount} damaged`,
    );
  // Whatever the check has against the store is a problem, in words or not.
  if (!ok && lines.length === 0) lines.push(`chunk store: ${findingsCount} findings`);
  return lines;
}

function lineOf(finding: Finding): string {
  return `metadata: ${finding.kind}: ${finding.subject}: ${finding.detail} (${actionOf(finding)})`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
