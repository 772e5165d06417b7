import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Counter } from 'prom-client';
import { mergeMetrics, openMetrics } from '../../../gateways/roles/metrics.ts';

function exposition(role: string): string {
  const first = `# HELP a first\n# TYPE a counter\na{role="${role}"} 1\n`;
  return `${first}\n# HELP b second\n# TYPE b gauge\nb{role="${role}"} 2\n`;
}

describe('metrics', () => {
  test('texts of several processes become one with each metric in one place', () => {
    assert.equal(
      mergeMetrics([exposition('core'), '', exposition('object')]),
      '# HELP a first\n# TYPE a counter\na{role="core"} 1\na{role="object"} 1\n\n' +
        '# HELP b second\n# TYPE b gauge\nb{role="core"} 2\nb{role="object"} 2\n',
    );
  });

  test('a process shows its memory, its event loop and what the role counts', async () => {
    const registry = openMetrics('core');
    const counter = new Counter({ name: 'lampyr_x_total', help: 'x', registers: [registry] });
    counter.inc(3);
    const text = await registry.metrics();
    assert.match(text, /lampyr_x_total\{role="core"\} 3/);
    assert.match(text, /process_resident_memory_bytes\{role="core"\} \d/);
    assert.match(text, /nodejs_eventloop_lag_p99_seconds\{role="core"\} /);
  });
});
