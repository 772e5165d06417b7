// npm run thrash -- [--minutes N | --faults N] [--seed S] [--writers N] [--kind K] [--disk plain|lossy]

import { parseArgs } from 'node:util';
import { faultKinds } from './faults.ts';
import { runThrash } from './thrash.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    faults: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(Date.now()) },
    writers: { type: 'string', default: '4' },
    kind: { type: 'string' },
    disk: { type: 'string', default: 'plain' },
  },
});
const kinds = faultKinds.filter((kind) => values.kind === undefined || kind === values.kind);
if (kinds.length === 0) throw new Error(`--kind ${values.kind}: ${faultKinds.join(', ')}`);
process.stdout.write(`seed ${values.seed}\n`);
const summary = await runThrash({
  seed: values.seed,
  writers: Number(values.writers),
  faults: Number(values.faults),
  minutes: Number(values.minutes),
  kinds,
  lossy: values.disk === 'lossy',
  progress: (line) => process.stdout.write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(summary, undefined, 2)}\n`);
process.exitCode = summary.violations.length === 0 ? 0 : 1;
