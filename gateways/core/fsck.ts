// fsck of a core's data, running or not: the tables (lost and damaged rows), the chunk store (blocks against
// index), metadata against chunks, and on demand every stored byte. One report; changes nothing.

import { CoreError } from '../../core/base/errors.ts';
import { limits } from '../../core/base/limits.ts';
import { storeInventory } from '../../core/meta/chunk-inventory.ts';
import { checkNamespace } from '../../core/meta/fsck/fsck.ts';
import { FsckReport as Report } from '../../core/meta/fsck/report.ts';
import { whereOf } from '../../core/meta/fsck/names.ts';
import { embeddedTarget } from '../../core/model/core-client.ts';
import { checkStore } from '../../core/store/check.ts';
import type { CheckFinding } from '../../core/store/check.ts';
import { scrub } from '../../core/store/scrub.ts';
import type { ScrubCursor, ScrubFinding } from '../../core/store/scrub.ts';
import type { TableCheck } from '../../core/store/table-flush.ts';
import type { FsckReport } from '../admin/operator.ts';
import type { CoreData } from './core-data.ts';

export interface FsckOptions {
  readonly scrub: boolean;
  /** Nobody waits for the report any more. */
  readonly cancelled?: () => boolean;
}

/** @throws CoreError CANCELLED, DISK_OFFLINE, UNAVAILABLE */
export async function runFsck(data: CoreData, options: FsckOptions): Promise<FsckReport> {
  const report = new Report();
  const { cancelled = () => false } = options;
  const rows = await checkRowTable(data, report);
  await checkChunkStore(data, report);
  await checkNamespace({
    store: data.meta,
    chunks: storeInventory({ chunks: data.chunks, ...embeddedTarget }),
    report,
    damaged: rows.damaged,
    cancelled,
  });
  if (options.scrub) await scrubAll(data, report, cancelled);
  return reportOf(report);
}

export function reportOf({ clean, counts, totals, findings }: Report): FsckReport {
  return { clean, counts, found: totals, findings };
}

/** What every core has, whatever its stores. */
export type CheckedMetadata = Pick<CoreData, 'meta' | 'metaTable' | 'damagedFiles'>;

/** The files and the table of the metadata rows. */
export async function checkRowTable(data: CheckedMetadata, report: Report): Promise<TableCheck> {
  await addFiles(data, report);
  const rows = await data.metaTable.verify();
  addTable(report, 'metadata rows', rows);
  return rows;
}

// --- tables ----------------------------------------------------------------------------------------------

const rebuild =
  'damage to the disk or a bug: look at the disk (SMART, kernel log), restore from a backup';

/** Rows that were written and are not there; damaged ones are reported where they are met. */
function addTable(
  report: Report,
  where: string,
  { rows, expectedRows, ok, damagedCount }: TableCheck,
): void {
  report.count(where, rows);
  if (ok || (rows === expectedRows && damagedCount > 0)) return;
  const detail =
    expectedRows === undefined
      ? 'its own summary is damaged'
      : `${rows} rows are there, ${expectedRows} were written, or some are of an older state`;
  report.add({ severity: 'error', kind: 'rows-lost', where, detail, action: rebuild });
}

/** What a start would refuse: rows of a damaged file may be missing or outdated, and get no other error. */
async function addFiles(data: CheckedMetadata, report: Report): Promise<void> {
  for (const { file, reason } of await data.damagedFiles())
    report.add({
      severity: 'error',
      kind: 'file-damaged',
      where: file,
      detail: reason,
      action: rebuild,
    });
}

// --- chunk store -----------------------------------------------------------------------------------------

const storeKinds: Readonly<
  Record<CheckFinding['problem'], { readonly kind: string; readonly severity: 'error' | 'garbage' }>
> = {
  'leaked block': { kind: 'block-leaked', severity: 'garbage' },
  'unallocated block': { kind: 'block-unallocated', severity: 'error' },
  'doubly used block': { kind: 'block-shared', severity: 'error' },
  'no such block': { kind: 'block-missing', severity: 'error' },
  'damaged row': { kind: 'chunk-row-damaged', severity: 'error' },
  'unlisted pending update': { kind: 'pending-unlisted', severity: 'error' },
  'unknown target': { kind: 'target-unknown', severity: 'error' },
  'missing or short slab file': { kind: 'slab-missing', severity: 'error' },
};

const leaked = 'nothing is lost: it only takes space; report it';
const damaged = 'stop writing, restore the objects concerned from another copy, and report it';

async function checkChunkStore(data: CoreData, report: Report): Promise<void> {
  const check = await checkStore(data.chunks);
  addTable(report, 'index rows', check.table);
  report.count('blocks', check.blocks);
  for (const { problem, chunk, detail } of check.findings) {
    const { kind, severity } = storeKinds[problem];
    // oxlint-disable-next-line no-await-in-loop -- rare
    const where = chunk === undefined ? 'chunk store' : await chunkWhere(data, chunk.blob);
    const action = severity === 'error' ? damaged : leaked;
    report.add({ severity, kind, where, detail, action });
  }
  const unnamed = check.findingsCount - check.findings.length;
  if (unnamed > 0) report.addUnkept('error', unnamed);
}

export function chunkWhere(
  data: CheckedMetadata,
  blob: ScrubFinding['chunk']['blob'],
): Promise<string> {
  return whereOf(data.meta, { kind: 'blob', blob });
}

// --- every byte ------------------------------------------------------------------------------------------

async function scrubAll(data: CoreData, report: Report, cancelled: () => boolean): Promise<void> {
  report.count('bytes verified', 0);
  for (const target of data.chunks.targets) {
    for (
      let cursor: ScrubCursor | undefined = { target, after: undefined };
      cursor !== undefined;
    ) {
      if (cancelled()) throw new CoreError('CANCELLED', 'the check was given up');
      // oxlint-disable-next-line no-await-in-loop -- step after step
      const step = await scrub(data.chunks, cursor, limits.fsckScrubBytes);
      report.count('bytes verified', step.bytes);
      // oxlint-disable-next-line no-await-in-loop
      await addDamage(data, report, step.findings);
      cursor = step.next;
    }
  }
}

async function addDamage(
  data: CoreData,
  report: Report,
  findings: readonly ScrubFinding[],
): Promise<void> {
  const action = 'restore the object from another copy, or delete it; look at the disk';
  for (const { chunk, detail } of findings) {
    // oxlint-disable-next-line no-await-in-loop -- rare
    const where = await chunkWhere(data, chunk.blob);
    report.add({ severity: 'error', kind: 'chunk-damaged', where, detail, action });
  }
}
