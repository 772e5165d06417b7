// fsck of the metadata: walks every row and every chunk and reports what dangles and what is left over. Exact
// on a system at rest; on a running one a finding counts only if it is there each time it is looked at again.

import { asBuffer } from '../../base/bytes.ts';
import { isCoreError } from '../../base/errors.ts';
import type { TargetId } from '../../base/ids.ts';
import { mapParallel } from '../../base/parallel.ts';
import type { ChunkStore } from '../../store/types.ts';
import * as k from '../keys.ts';
import type { MetaEntry, MetaReader } from '../meta-store.ts';
import { pagesOf } from '../namespace/pages.ts';
import { CounterRow, UploadRow, decodeRow } from '../rows.ts';
import { chunkSuspicions } from './chunks.ts';
import type { Finding } from './finding.ts';
import { rules } from './rules.ts';
import type { RuleContext } from './rules.ts';

export interface CheckedChunks {
  readonly chunks: ChunkStore;
  readonly target: TargetId;
}

export interface FsckReport {
  readonly findings: readonly Finding[];
  /** There were more suspicions than one report holds. */
  readonly truncated: boolean;
  /** Rows by keyspace, and chunks. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Looks at one row or chunk. Empty: nothing is wrong with it, or it is gone. */
export type Suspicion = (context: RuleContext) => Promise<Finding[]>;

const rowsParallel = 32;
const suspicionsMax = 10_000;

/** How often a suspicion is looked at again before it is a finding. */
const looks = 3;

/** @throws what the stores throw: DISK_OFFLINE, UNAVAILABLE */
export async function checkNamespace(
  reader: MetaReader,
  local?: CheckedChunks,
): Promise<FsckReport> {
  const counts: Record<string, number> = {};
  const suspicions = await rowSuspicions(reader, counts);
  if (local !== undefined) suspicions.push(...(await chunkSuspicions(reader, local, counts)));
  suspicions.push(countersBehind);
  const kept = suspicions.slice(0, suspicionsMax);
  const findings = await confirmed(reader, kept);
  return { findings, truncated: kept.length < suspicions.length, counts };
}

async function rowSuspicions(
  reader: MetaReader,
  counts: Record<string, number>,
): Promise<Suspicion[]> {
  const context = await loadContext(reader);
  const suspicions: Suspicion[] = [];
  for (const [name, letter] of Object.entries(k.space)) {
    counts[name] = 0;
    // oxlint-disable-next-line no-await-in-loop -- keyspace after keyspace
    for await (const rows of pagesOf(reader, k.spaceRange(letter))) {
      counts[name] += rows.length;
      const found = await mapParallel(rows, rowsParallel, (row) => judge(context, row));
      for (const [at, [key]] of rows.entries()) {
        if ((found[at] as Finding[]).length > 0) suspicions.push((again) => judgeKey(again, key));
      }
    }
  }
  return suspicions;
}

async function judge(context: RuleContext, row: MetaEntry): Promise<Finding[]> {
  const rule = rules.get(row[0][0] as number);
  if (rule === undefined) return [];
  try {
    return await rule(context, row);
  } catch (error) {
    if (!isCoreError(error, 'CORRUPT') && !isCoreError(error, 'VERSION_UNSUPPORTED')) throw error;
    const subject = `row ${asBuffer(row[0]).toString('hex')}`;
    return [{ kind: 'unreadable-row', subject, detail: error.message }];
  }
}

async function judgeKey(context: RuleContext, key: Uint8Array): Promise<Finding[]> {
  const value = await context.reader.get(key);
  return value === undefined ? [] : judge(context, [key, value]);
}

/** What is wrong at every further look: a running system shows halves of changes now and then. */
async function confirmed(reader: MetaReader, suspicions: readonly Suspicion[]): Promise<Finding[]> {
  let left = suspicions.map((look) => ({ look, findings: [] as Finding[] }));
  for (let round = 0; round < looks; round++) {
    // oxlint-disable-next-line no-await-in-loop -- look after look
    const context = await loadContext(reader);
    // oxlint-disable-next-line no-await-in-loop
    left = await mapParallel(left, rowsParallel, async ({ look }) => ({
      look,
      findings: await look(context),
    }));
    left = left.filter(({ findings }) => findings.length > 0);
  }
  return left.flatMap(({ findings }) => findings);
}

async function loadContext(reader: MetaReader): Promise<RuleContext> {
  const completing = new Set<number>();
  const uploads = new Set<number>();
  for await (const rows of pagesOf(reader, k.uploadsOfAllRange())) {
    for (const [, value] of rows) {
      const upload = readableUpload(value);
      if (upload === undefined) continue;
      uploads.add(upload.number);
      if (upload.content !== undefined) completing.add(upload.content);
    }
  }
  return { reader, completing, uploads };
}

/** undefined for a damaged row, which the rules report. */
function readableUpload(value: Uint8Array): UploadRow | undefined {
  try {
    return decodeRow(UploadRow, value);
  } catch (error) {
    if (isCoreError(error)) return undefined;
    throw error;
  }
}

// --- counters ------------------------------------------------------------------------------------------------

/** The keyspace in which each counter's numbers are found; uploads have none of their own. */
const numberedBy = [
  ['inode', k.space.inode],
  ['content', k.space.content],
  ['blob', k.space.blob],
] as const;

/** A counter at or below a number in use would give it out again. */
async function countersBehind({ reader }: RuleContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, letter] of numberedBy) {
    // oxlint-disable-next-line no-await-in-loop -- three of them
    const [last] = await reader.range({ ...k.spaceRange(letter), limit: 1, reverse: true });
    // oxlint-disable-next-line no-await-in-loop
    const row = await reader.get(k.counterKey(name));
    const next = row === undefined ? 0 : decodeRow(CounterRow, row).next;
    const used = last === undefined ? 0 : k.decodeNumber(last[0]);
    if (used < next || last === undefined) continue;
    const detail = `number ${used} is in use, the next one is ${next}`;
    findings.push({ kind: 'counter-behind', subject: `counter ${name}`, detail });
  }
  return findings;
}
