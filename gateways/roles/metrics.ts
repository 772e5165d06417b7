// The metrics of one process: prom-client's defaults (resident memory, CPU, event loop delay, garbage
// collection) beside what the role registers; and the merge of several processes' texts into one page.

import { Registry, collectDefaultMetrics } from 'prom-client';

/** Sampling of the event loop's delay: fine enough for the 2 ms rule of design 9 to show in p99 and max. */
const loopDelayResolutionMs = 10;

export function openMetrics(role: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({
    register: registry,
    eventLoopMonitoringPrecision: loopDelayResolutionMs,
  });
  return registry;
}

/** One exposition of several: the samples of a metric must stand together under one HELP and TYPE. */
export function mergeMetrics(texts: readonly string[]): string {
  const heads = new Map<string, string[]>();
  const samples = new Map<string, string[]>();
  for (const text of texts) {
    let name = '';
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const head = /^# (?:HELP|TYPE) (\S+)/.exec(line);
      if (head === null) {
        samples.get(name)?.push(line);
        continue;
      }
      name = head[1] as string;
      if (!samples.has(name)) samples.set(name, []);
      const known = heads.get(name) ?? [];
      if (known.length < 2 && !known.some((other) => other.startsWith(line.slice(0, 6))))
        known.push(line);
      heads.set(name, known);
    }
  }
  const blocks = [...samples].map(([name, lines]) =>
    [...(heads.get(name) ?? []), ...lines].join('\n'),
  );
  return `${blocks.join('\n\n')}\n`;
}
