import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import { Gate } from '../../../core/base/gate.ts';

test('a few run at a time, the others in order of arrival, failures let the next one in', async () => {
  const gate = new Gate({ runningMax: 2, waitingMax: 3 });
  const began: number[] = [];
  const ends: (() => void)[] = [];
  const start = (number: number): Promise<number> =>
    gate.run(async () => {
      began.push(number);
      await new Promise<void>((resolve) => void (ends[number] = resolve));
      if (number === 1) throw new Error('one fails');
      return number;
    });
  const runs = [0, 1, 2, 3, 4].map(start);
  const outcomes = Promise.allSettled(runs);
  await assert.rejects(start(5), (error) => isCoreError(error, 'BUSY'));
  assert.deepEqual(began, [0, 1]);
  for (const [ending, then] of [
    [1, [0, 1, 2]],
    [2, [0, 1, 2, 3]],
    [0, [0, 1, 2, 3, 4]],
  ] as const) {
    ends[ending]?.();
    // oxlint-disable-next-line no-await-in-loop -- one ends after another
    await runs[ending]?.catch(() => undefined);
    // oxlint-disable-next-line no-await-in-loop
    await new Promise(setImmediate);
    assert.deepEqual(began, then);
  }
  ends[3]?.();
  ends[4]?.();
  const values = (await outcomes).map((each) => (each.status === 'fulfilled' ? each.value : -1));
  assert.deepEqual(values, [0, -1, 2, 3, 4]);
});
