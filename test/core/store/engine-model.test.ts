// LAMPYR_MODEL_OPERATIONS=200000 runs it longer, LAMPYR_MODEL_SEED picks other histories; the full length is that
// of `npm run model -- engine`.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { marks, resetMarks } from '../../../core/base/mark.ts';
import { engineMarks } from '../../model/marks.ts';
import { runEngine } from './engine-runs.ts';

const operations = Number(process.env['LAMPYR_MODEL_OPERATIONS'] ?? 12_000);
const firstSeed = Number(process.env['LAMPYR_MODEL_SEED'] ?? 1);
/** Short, so that a run of 12,000 has one of every kind. */
const perRun = 4000;
const timeout = 2 * 3_600_000;

it('random operations, crashes and reopenings agree with a map', { timeout }, async (t) => {
  resetMarks();
  const { counts, mutations, reopenings } = await runEngine({ operations, firstSeed, perRun });
  t.diagnostic(`operations ${operations}, mutations ${mutations}, reopenings ${reopenings}`);
  t.diagnostic(JSON.stringify(counts));
  t.diagnostic(JSON.stringify(Object.fromEntries(marks())));
  const missed = engineMarks.short.filter((name) => !marks().has(name));
  assert.deepEqual(missed, [], 'paths that no operation took');
  assert.ok(mutations >= 0.6 * operations);
  assert.ok(reopenings >= operations / 10_000);
});
