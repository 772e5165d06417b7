// A sample of `npm run flips`: bytes of every file of a small system damaged one at a time, files cut, removed,
// swapped and older. Right answers or an error, never others; what is lost, fsck reports.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Stages, buildStages } from './fill.ts';
import { smallStorage } from './opened.ts';
import { Specimen } from './specimen.ts';
import { type Report, newReport, sweepBytes, sweepFiles, tableOf } from './sweep.ts';

/** About 30 of each kind, fewer of those whose bytes mean nothing; primes, so that offsets in pages vary. */
const strides: Readonly<Record<string, number>> = {
  slabs: 1019,
  'journal: segments': 4093,
  'journal: superblock': 211,
  'disk superblock': 509,
  'target superblock': 509,
  'rows: *.ldb': 157,
  'rows: *.log': 211,
  'rows: MANIFEST': 7,
  'index: *.ldb': 53,
  'index: *.log': 53,
  'index: MANIFEST': 7,
  'rows: CURRENT': 7,
  'index: CURRENT': 7,
  'lampyr.json': 23,
  'credentials.json': 41,
  'meta/journal.json': 19,
};
const strideOf = (kind: string): number => strides[kind] ?? 499;
const everyOf = (what: string): number => ({ cut: 17, swapped: 13, removed: 4 })[what] ?? 2;

/** Kinds of which some bytes matter: none of their damage may pass unnoticed in all samples. */
const mattering = Object.keys(strides).filter(
  (kind) => !/(disk|target|journal:) superblock/.test(kind),
);

describe('a damaged system', { timeout: 600_000 }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'lampyr-damage-'));
  let stages: Stages;
  before(async () => {
    stages = await buildStages(scratch, smallStorage);
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  for (const state of ['crashed', 'stopped'] as const)
    test(`${state}: a damaged byte or file is an error or does not matter`, async (context) => {
      const specimen = await Specimen.read(state, stages[state], scratch);
      const older = await Specimen.read('older', stages.older, scratch);
      const bytes = newReport();
      await sweepBytes(specimen, bytes, { pattern: 'bit', stride: strideOf });
      const files = newReport();
      await sweepFiles(specimen, older.files, files, everyOf);
      context.diagnostic(tableOf(bytes, 'file', 'bytes'));
      context.diagnostic(tableOf(files, 'damage', 'cases'));
      assert.deepEqual([...bytes.findings, ...files.findings], []);
      for (const kind of mattering)
        assert.ok(noticed(bytes, kind) > 0, `no damaged byte of ${kind} was noticed`);
    });
});

function noticed({ rows }: Report, kind: string): number {
  const counts = rows.get(kind);
  return counts === undefined ? 0 : counts.refused + counts.error + counts.lost;
}
