// What many runs were like: how long, how much was done and how much went wrong, and which faults and steps none met.

import type { RunReport } from './cluster.ts';
import { faultKinds } from './fault-kinds.ts';
import { managerPoints, storePoints } from './fault-points.ts';

export function summary(reports: readonly RunReport[], seconds: number) {
  const sum = (of: (report: RunReport) => number): number =>
    reports.reduce((all, report) => all + of(report), 0);
  const faults = added(reports.map((report) => report.faults));
  const points = added(reports.map((report) => report.points));
  return {
    runs: reports.length,
    failed: reports.filter(({ violations }) => violations.length > 0).length,
    virtualHours: Math.round(sum(({ virtualMs }) => virtualMs) / 36_000) / 100,
    events: sum(({ events }) => events),
    eventsPerSecond: Math.round(sum(({ events }) => events) / seconds),
    /** Of the runs: least, 10 in 100, half, 90 in 100, most. */
    distribution: {
      virtualSeconds: spread(reports.map(({ virtualMs }) => Math.round(virtualMs / 1000))),
      operations: spread(reports.map(({ operations }) => operations)),
      faults: spread(reports.map((report) => total(report.faults))),
      chainVersions: spread(reports.map(({ chainVersions }) => chainVersions)),
    },
    faults: Object.fromEntries(faults),
    crashesAtPoints: Object.fromEntries(points),
    neverHit: [...Object.keys(faultKinds), ...storePoints, ...managerPoints].filter(
      (name) => !faults.has(name) && !points.has(name),
    ),
  };
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((all, count) => all + count, 0);
}

function added(all: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const counts of all)
    for (const [name, count] of counts) sum.set(name, (sum.get(name) ?? 0) + count);
  return sum;
}

function spread(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return [0, 0.1, 0.5, 0.9, 1].map(at);
}
