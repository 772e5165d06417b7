// npm run sim:cluster -- [--runs N] [--seed S] [--minutes M] [--stop-after N] [--engine real]: seeds from S (1) on, until
// N runs or M minutes are over, or so many have failed (5); on simulated targets, or on the chunk engine, whose disks are
// never full, lying or replaced by old copies. Prints what failed, and what the runs were like.

import { parseArgs } from 'node:util';
import { type RunReport, runSeed, runSeedOn } from './cluster.ts';
import { EngineSimTarget } from './engine-sim-target.ts';
import { summary } from './summary.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    'stop-after': { type: 'string', default: '5' },
    engine: { type: 'string', default: 'simulated' },
  },
});
const started = process.hrtime.bigint();
const seconds = (): number => Number(process.hrtime.bigint() - started) / 1e9;
const wanted = values.minutes === undefined ? Number(values.runs) : Infinity;
const deadline = Number(values.minutes ?? Infinity) * 60;
const reports: RunReport[] = [];
let failed = 0;
for (let seed = Number(values.seed); reports.length < wanted && seconds() < deadline; seed++) {
  const report =
    values.engine === 'real'
      ? // oxlint-disable-next-line no-await-in-loop -- seed after seed
        await runSeedOn(seed, (parts) => new EngineSimTarget(parts))
      : runSeed(seed);
  reports.push(report);
  if (report.violations.length === 0) continue;
  failed++;
  process.stdout.write(`seed ${seed}: ${report.violations.slice(0, 3).join('\n  ')}\n`);
  if (failed >= Number(values['stop-after'])) break;
}
process.stdout.write(`${JSON.stringify(summary(reports, seconds()), undefined, 2)}\n`);
process.exitCode = failed === 0 ? 0 : 1;
