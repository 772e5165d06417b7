// LAMPYR_MODEL_OPERATIONS=1000000 runs it long; LAMPYR_MODEL_SEED picks another history.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { marks, resetMarks } from '../../../core/base/mark.ts';
import { runModel } from './engine-model.ts';

const operations = Number(process.env['LAMPYR_MODEL_OPERATIONS'] ?? 20_000);
const firstSeed = Number(process.env['LAMPYR_MODEL_SEED'] ?? 1);
/** Operations of one history; more histories make more. */
const perRun = 10_000;
const timeout = 2 * 3_600_000;

/** Marks of the engine that a run of this length must pass; those of full disks are in engine.test.ts. */
const paths = [
  'allocator.abort',
  'allocator.cooled',
  'allocator.warm',
  'allocator.warmReuse',
  'draft.appendDirect',
  'draft.appendJournaled',
  'draft.fold',
  'draft.patch',
  'draft.shorten',
  'draft.zeroPatch',
  'engine.abort',
  'engine.checkpoint',
  'engine.replay',
  'maintenance.freeze',
  'maintenance.rewrite',
  'placements.cancel',
  'placements.merged',
  'placements.wait',
  'reader.held',
  'reader.patched',
  'slabFiles.evict',
  'slabFiles.sharedSync',
  'space.leftover',
  'space.made',
  'space.removed',
  'space.spare',
];

it('random operations, crashes and reopenings agree with a map', { timeout }, async (t) => {
  resetMarks();
  const totals: Record<string, number> = {};
  let mutations = 0;
  let reopenings = 0;
  for (let run = 0; run * perRun < operations; run++) {
    // oxlint-disable-next-line no-await-in-loop -- one history after another
    const report = await runModel({
      seed: firstSeed + run,
      operations: Math.min(perRun, operations - run * perRun),
    });
    for (const [name, count] of Object.entries(report.counts))
      totals[name] = (totals[name] ?? 0) + count;
    mutations += report.mutations;
    reopenings += report.reopenings;
  }
  t.diagnostic(`operations ${operations}, mutations ${mutations}, reopenings ${reopenings}`);
  t.diagnostic(JSON.stringify(totals));
  t.diagnostic(JSON.stringify(Object.fromEntries(marks())));
  const missed = paths.filter((path) => !marks().has(path));
  assert.deepEqual(missed, [], 'paths that no operation took');
  assert.ok(mutations >= 0.6 * operations);
  assert.ok(reopenings >= operations / 10_000);
});
