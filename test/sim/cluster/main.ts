// npm run sim:cluster -- [--runs N] [--seed S] [--minutes M]: seeds from S (1) on, until N runs or M minutes are over.

import { parseArgs } from 'node:util';
import { faultKinds } from './faults.ts';
import { type RunReport, runSeed } from './cluster.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
  },
});
const started = process.hrtime.bigint();
const seconds = (): number => Number(process.hrtime.bigint() - started) / 1e9;
const wanted = values.minutes === undefined ? Number(values.runs) : Infinity;
const deadline = Number(values.minutes ?? Infinity) * 60;
const reports: RunReport[] = [];
const faults = new Map<string, number>();
let failed = 0;
for (let seed = Number(values.seed); reports.length < wanted && seconds() < deadline; seed++) {
  const report = runSeed(seed);
  reports.push(report);
  for (const [kind, count] of report.faults) faults.set(kind, (faults.get(kind) ?? 0) + count);
  if (report.violations.length === 0) continue;
  failed++;
  process.stdout.write(`seed ${seed}: ${report.violations.slice(0, 3).join('\n  ')}\n`);
  if (failed >= 5) break;
}
const sum = (of: (report: RunReport) => number): number =>
  reports.reduce((total, report) => total + of(report), 0);
const median = (of: (report: RunReport) => number): number =>
  reports.map(of).toSorted((a, b) => a - b)[Math.floor(reports.length / 2)] ?? 0;
const faultsOf = ({ faults: counts }: RunReport): number =>
  [...counts.values()].reduce((total, count) => total + count, 0);
process.stdout.write(
  `${JSON.stringify({
    runs: reports.length,
    failed,
    virtualHours: Math.round(sum(({ virtualMs }) => virtualMs) / 36_000) / 100,
    eventsPerSecond: Math.round(sum(({ events }) => events) / seconds()),
    median: {
      virtualSeconds: Math.round(median(({ virtualMs }) => virtualMs) / 1000),
      operations: median(({ operations }) => operations),
      faults: median(faultsOf),
      chainVersions: median(({ chainVersions }) => chainVersions),
    },
    faults: Object.fromEntries(faults),
    neverHit: faultKinds.filter((kind) => !faults.has(kind)),
  })}\n`,
);
process.exitCode = failed === 0 ? 0 : 1;
