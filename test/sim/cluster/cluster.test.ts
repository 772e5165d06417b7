// A few seeds of the simulated cluster, and that a seed is the same each time. More: `npm run sim:cluster`.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runSeed, runSeedOn } from './cluster.ts';
import { EngineSimTarget } from './engine-sim-target.ts';

const seeds = 30;

/** Seeds that failed once. What each showed has a scenario of its own, since a seed means another run whenever the
 *  simulation draws otherwise. */
const keptSeeds = [
  // a late copy of a remove that had found nothing removed what was written since
  1001,
  // the checker did not know that a target commits a removal whole that was sent while it was being filled
  1220,
  // a target that was asked to leave when its chain did without it already never came back
  1227,
];

describe('simulated cluster', () => {
  it(`${seeds} seeds are clean`, (t) => {
    let operations = 0;
    let events = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const report = runSeed(seed);
      assert.deepEqual(report.violations, [], `npm run sim:cluster -- --seed ${seed} --runs 1`);
      operations += report.operations;
      events += report.events;
    }
    t.diagnostic(`${operations} operations of clients, ${events} events`);
    assert.ok(operations > 5000, 'clients got something done');
  });

  it(`${keptSeeds.length} seeds that failed once are clean`, () => {
    for (const seed of keptSeeds) assert.deepEqual(runSeed(seed).violations, [], `seed ${seed}`);
  });

  it('the same seed is the same run', () => {
    assert.equal(runSeed(7).trace, runSeed(7).trace);
    assert.notEqual(runSeed(7).trace, runSeed(8).trace);
  });

  it('on the chunk engine seeds are clean, and the same run each time', async () => {
    const traces: number[] = [];
    for (const seed of [4, 7, 4]) {
      // oxlint-disable-next-line no-await-in-loop -- seed after seed
      const report = await runSeedOn(seed, (parts) => new EngineSimTarget(parts));
      const again = `npm run sim:cluster -- --engine real --seed ${seed} --runs 1`;
      assert.deepEqual(report.violations, [], again);
      assert.ok(report.operations > 200, 'clients got something done');
      traces.push(report.trace);
    }
    assert.equal(traces[0], traces[2]);
    assert.notEqual(traces[0], traces[1]);
  });
});
