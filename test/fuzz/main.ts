// npm run fuzz -- NAME|all [--minutes N] [--seed N] [--keep]
//
// Runs a fuzzer, or one after another, and prints a JSON line for each. An input that breaks a rule is added to
// the corpus, where it fails `npm test -- fuzz` until the rule holds. With --keep the smallest inputs that reach
// all the code that was reached become the kept corpus.

import { inspect, parseArgs } from 'node:util';
import { addRegression, writeKept } from './corpus.ts';
import { fuzzers } from './fuzzers.ts';
import { BrokenRule, FuzzRun } from './run.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const [chosen] = positionals;
const named = fuzzers.filter(({ name }) => chosen === 'all' || name === chosen);
if (named.length === 0) {
  const names = fuzzers.map(({ name }) => name).join(', ');
  process.stderr.write(`usage: npm run fuzz -- NAME [options]; NAME is all or one of ${names}\n`);
  process.exit(2);
}

const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
for (const fuzzer of named) {
  const untilMs = performance.now() + Number(values.minutes) * 60_000;
  const more = (): boolean => performance.now() < untilMs;
  const run = new FuzzRun(fuzzer, { seed, more, coverage: true });
  try {
    process.stdout.write(`${JSON.stringify(await run.run())}\n`);
  } catch (error) {
    if (!(error instanceof BrokenRule)) throw error;
    const file = addRegression(fuzzer.name, error.input);
    process.stderr.write(`${error.message}\nadded to ${file}\n${inspect(error.cause)}\n`);
    process.exit(1);
  }
  if (values.keep) writeKept(fuzzer.name, await run.smallestSet());
}
// A broken rule may have left sockets open.
process.exit(0);
