// `npm test [-- FILTER…]`: runs the suites, one process each. A suite is a folder group of test/, so there
// is no list to keep: every *.test.ts in the tree belongs to exactly one. FILTER keeps the files whose path
// contains it. LAMPYR_TEST_ALL=1 turns "skipped: not available here" into failures (test/tools/require.ts).

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { findTests, suiteNames, suiteOf } from './suite.ts';

const filters = process.argv.slice(2);
const chosen = findTests().filter(
  (file) => filters.length === 0 || filters.some((filter) => file.includes(filter)),
);
const suites = suiteNames.filter((suite) => chosen.some((file) => suiteOf(file) === suite));
if (suites.length === 0) {
  process.stderr.write(`no test file matches ${filters.join(' ')}\n`);
  process.exit(1);
}

const root = new URL('../../', import.meta.url);
const entries = suites.map((suite) => new URL(`test/suites/${suite}.js`, root).pathname);
for (const entry of entries)
  if (!existsSync(entry)) throw new Error(`suite without an entry: ${entry}`);

// Four at a time also on two cores, where node:test would take one: kills and ends of leases mostly wait.
const atOnce = availableParallelism() <= 4 ? ['--test-concurrency=4'] : [];
const child = spawn(
  process.execPath,
  ['--enable-source-maps', '--test', ...atOnce, '--test-reporter=spec', ...entries],
  { stdio: 'inherit', env: { ...process.env, LAMPYR_TEST_FILTER: filters.join(' ') } },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
