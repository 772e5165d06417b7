// The thread of a crash test: the hooks of the test runner cost as much as the states themselves, and they
// are a matter of the thread that runs the tests.

import { parentPort, workerData } from 'node:worker_threads';
import { CrashRun } from './crash-run.ts';
import type { CrashRunOptions, CrashSubject } from './crash-run.ts';

/** More seeds than any long run needs. */
const seedsMax = 10_000;
/** A mark that so many seeds do not pass is not reached any more. */
const markSeedsMax = 4;

const { module, scale } = workerData as { readonly module: string; readonly scale: number };
const { subject, options } = (await import(module)) as {
  readonly subject: CrashSubject;
  readonly options: CrashRunOptions;
};

const run = new CrashRun(subject, options);
const states = options.states * scale;
const due = (): boolean =>
  (run.distinct < states && run.seeds < seedsMax) ||
  (run.missed.length > 0 && run.seeds < markSeedsMax);
// oxlint-disable-next-line no-await-in-loop -- run after run
while (due()) await run.next();
const { distinct, missed } = run;
const outcome = { report: run.report(), distinct, states, missed };
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort?.postMessage(outcome);
