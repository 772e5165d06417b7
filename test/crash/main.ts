// npm run crash -- [--disk plain|lossy|lossy-twice] [--minutes N | --kills N] [--seed S] [--writers N]
//
// With --kills the run ends after that many, and fails when --minutes allowed fewer of them or of the writes that
// are to be acknowledged between two.

import { parseArgs } from 'node:util';
import { crashDisks, runCrashTest } from './crash.ts';

/** 30 kills see 1,000 acknowledged writes. */
const acknowledgedPerKillMin = 34;

const { values } = parseArgs({
  options: {
    disk: { type: 'string', default: 'plain' },
    kills: { type: 'string', default: 'Infinity' },
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now()) },
    writers: { type: 'string', default: '12' },
  },
});
const disk = crashDisks.find((name) => name === values.disk);
if (disk === undefined) throw new Error(`--disk ${values.disk}: ${crashDisks.join(', ')}`);
process.stdout.write(`seed ${values.seed}, ${disk} disk\n`);
const kills = Number(values.kills);
const summary = await runCrashTest({
  disk,
  seed: values.seed,
  writers: Number(values.writers),
  kills,
  minutes: Number(values.minutes),
  progress: (line) => process.stdout.write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
const enough =
  kills === Infinity ||
  (summary.kills >= kills && summary.acknowledged >= kills * acknowledgedPerKillMin);
if (!enough) process.stdout.write(`too few: ${summary.kills} kills of ${kills}, or writes\n`);
process.exitCode = summary.violations.length === 0 && enough ? 0 : 1;
