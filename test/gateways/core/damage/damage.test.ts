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

/** Primes, so that offsets in pages vary; some ten of each kind. */
const strides: Readonly<Record<string, number>> = {
  slabs: 4093,
  'journal: segments': 8191,
  'journal: superblock': 911,
  'rows: *.ldb': 457,
  'rows: *.log': 457,
  'rows: MANIFEST': 23,
  'index: *.ldb': 97,
  'index: *.log': 97,
  'index: MANIFEST': 23,
  'rows: CURRENT': 7,
  'index: CURRENT': 7,
  'lampyr.json': 43,
  'credentials.json': 83,
  'meta/journal.json': 29,
};
const strideOf = (kind: string): number => strides[kind] ?? 1999;
const everyOf = (what: string): number => ({ cut: 37, swapped: 29, removed: 7 })[what] ?? 3;

/** Kinds of which these samples hit bytes that matter: damage that nobody notices is a finding. */
const mattering = Object.keys(strides).filter((kind) => !kind.startsWith('journal:'));

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
      if (state === 'crashed') await sweepFiles(specimen, older.files, files, everyOf);
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
