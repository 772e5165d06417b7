import assert from 'node:assert/strict';
import { PerformanceObserver, constants } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { KiB, MiB } from '../../../core/base/limits.ts';
import { YoungGarbage } from '../../../gateways/object/young-garbage.ts';

describe('garbage of received bodies', () => {
  test('is collected every few mebibytes', () => {
    let collections = 0;
    const garbage = new YoungGarbage(() => void collections++);
    for (let turn = 0; turn < 1024; turn++) garbage.received(64 * KiB);
    assert.equal(collections, 16);
  });

  test('is collected by V8 from the young generation alone', async () => {
    const kinds: unknown[] = [];
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries())
        kinds.push((entry as unknown as { detail: { kind: number } }).detail.kind);
    });
    observer.observe({ entryTypes: ['gc'] });
    new YoungGarbage().received(64 * MiB);
    for (let turn = 0; turn < 50 && kinds.length === 0; turn++)
      // oxlint-disable-next-line no-await-in-loop -- until it is reported
      await sleep(10);
    observer.disconnect();
    assert.equal(kinds[0], constants.NODE_PERFORMANCE_GC_MINOR);
  });
});
