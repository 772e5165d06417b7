// A few seeds of the simulated cluster, and that a seed is the same each time. More: `npm run sim:cluster`.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runSeed } from './cluster.ts';

const seeds = 30;

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

  it('the same seed is the same run', () => {
    assert.equal(runSeed(7).trace, runSeed(7).trace);
    assert.notEqual(runSeed(7).trace, runSeed(8).trace);
  });
});
