// Declares a test that takes a store through its crash states, in a thread of its own. `npm test` takes a part of
// them, CI all (LAMPYR_CRASH_SCALE=1), a long run ten times as many (LAMPYR_CRASH_SCALE=10).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

interface Outcome {
  readonly report: string;
  readonly distinct: number;
  readonly states: number;
  readonly missed: readonly string[];
}

const scale = Number(process.env['LAMPYR_CRASH_SCALE'] ?? 0.4);
const timeout = 12 * 3_600_000;
let total = 0;

/** `module` is the URL of a module that exports `subject` and `options` (test/sim/crash-run.ts). */
export function crashTest(name: string, module: string): void {
  test(name, { timeout }, async (t) => {
    const { report, distinct, states, missed } = await outcomeOf(module);
    total += distinct;
    t.diagnostic(`${report}; ${total} distinct so far`);
    assert.deepEqual(missed, [], 'marks that no run passed');
    assert.ok(distinct >= states, `${distinct} distinct states of ${states}`);
  });
}

function outcomeOf(module: string): Promise<Outcome> {
  const worker = new Worker(new URL('crash-worker.js', import.meta.url), {
    workerData: { module, scale },
  });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the thread ended without an outcome')));
  });
}
