// npm run crash -- --minutes N [--seed S] [--writers N]

import { parseArgs } from 'node:util';
import { runCrashTest } from './crash.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now()) },
    writers: { type: 'string', default: '12' },
  },
});
process.stdout.write(`seed ${values.seed}\n`);
const summary = await runCrashTest({
  seed: values.seed,
  writers: Number(values.writers),
  kills: Number.POSITIVE_INFINITY,
  minutes: Number(values.minutes),
  progress: (line) => process.stdout.write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
process.exitCode = summary.violations.length === 0 ? 0 : 1;
