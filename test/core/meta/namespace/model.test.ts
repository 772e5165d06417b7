// The namespace against a model over memory stores (model-run.ts), fsck at the end, and nothing left of what is
// removed. LAMPYR_MODEL_OPERATIONS and LAMPYR_MODEL_SEED choose a longer or another run.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { marks, resetMarks } from '../../../../core/base/mark.ts';
import { Prng } from '../../../../core/base/prng.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { space, spaceRange } from '../../../../core/meta/keys.ts';
import { Fixture, ann } from './fixture.ts';
import { Run, bucket } from './model-run.ts';
import { bytes } from './model.ts';

const operationsWanted = Number(process.env['LAMPYR_MODEL_OPERATIONS'] ?? 10_000);
const seed = process.env['LAMPYR_MODEL_SEED'] ?? 'namespace';

/** Rare paths that a run must have taken. */
const expectedMarks = [
  'path.deep',
  'path.parents',
  'directory.removed',
  'directory.kept',
  'list.read-ahead',
  'list.skip',
  'collect.content',
  'collect.blob',
  'collect.chunk',
  'collect.part',
  'part.replaced',
  'complete.replay',
  'complete.released',
  'body.aborted',
  'body.discarded',
  'janitor.waits',
];

describe('namespace against a model', () => {
  it(`${operationsWanted} operations`, async (t) => {
    const prng = new Prng(seed);
    const f = await Fixture.open({ seed });
    resetMarks();
    const run = new Run(f);
    await run.prepare();
    const crew = run.crew(prng);
    while (run.operations < operationsWanted) await run.round(crew, prng);
    await f.clean();
    const { findings, counts } = await f.fsck();
    assert.deepEqual(findings, []);
    t.diagnostic(`mix: ${JSON.stringify(run.mix)}`);
    t.diagnostic(`marks: ${JSON.stringify(Object.fromEntries(marks()))}`);
    t.diagnostic(`rows: ${JSON.stringify(counts)}`);
    for (const name of expectedMarks) assert.ok((marks().get(name) ?? 0) > 0, `mark ${name}`);
    await emptied(run);
    await f.close();
  });
});

/** When everything is removed, nothing is left but the other bucket's object. */
async function emptied(run: Run): Promise<void> {
  const { f } = run;
  for (const key of run.keys()) await f.remove(bucket, bytes(key));
  await f.ask(calls.deleteBucket, { who: ann, session: f.session, bucket });
  await f.clean();
  const rows = async (letter: number): Promise<number> =>
    (await f.store.range({ ...spaceRange(letter), limit: 10 })).length;
  for (const letter of [space.content, space.blob]) assert.equal(await rows(letter), 1);
  for (const letter of [space.reference, space.existence]) assert.ok((await rows(letter)) <= 2);
  assert.equal(await rows(space.part), 0);
  assert.equal(f.chunks.chunks.size, 2);
}
