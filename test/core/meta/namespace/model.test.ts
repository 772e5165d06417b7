// The namespace against a model over memory stores (model-run.ts), fsck at the end, and nothing left of what is
// removed. LAMPYR_MODEL_OPERATIONS and LAMPYR_MODEL_SEED choose a longer or another run.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { marks, resetMarks } from '../../../../core/base/mark.ts';
import { namespaceMarks } from '../../../model/marks.ts';
import { runInMemory, runLives } from './model-lives.ts';

const operationsWanted = Number(process.env['LAMPYR_MODEL_OPERATIONS'] ?? 5_000);
const seed = process.env['LAMPYR_MODEL_SEED'] ?? 'namespace';

describe('namespace against a model', () => {
  it(`${operationsWanted} operations`, async (t) => {
    resetMarks();
    const run = await runInMemory({ operations: operationsWanted, seed });
    const { counts } = await run.f.fsck();
    t.diagnostic(`mix: ${JSON.stringify(run.mix)}`);
    t.diagnostic(`marks: ${JSON.stringify(Object.fromEntries(marks()))}`);
    t.diagnostic(`rows: ${JSON.stringify(counts)}`);
    const missed = namespaceMarks.short.filter((name) => !marks().has(name));
    await run.emptied();
    assert.deepEqual(missed, [], 'paths that no operation took');
  });

  it('over simulated devices that are closed, killed and lose their power', async (t) => {
    const report = await runLives({ operations: Math.max(1000, operationsWanted / 10), seed });
    t.diagnostic(JSON.stringify(report));
    assert.ok(report.reopenings >= 2);
  });
});
