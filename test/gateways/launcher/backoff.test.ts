import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Backoff } from '../../../gateways/launcher/backoff.ts';
import { processLimits } from '../../../gateways/launcher/limits.ts';

describe('backoff', () => {
  test('doubles to its limit, becomes a loop, and recovers with service', () => {
    const backoff = new Backoff();
    const pauses = Array.from({ length: 50 }, () => backoff.crashed(0));
    assert.deepEqual(pauses.slice(0, 4), [100, 200, 400, 800]);
    assert.equal(pauses.at(-1), processLimits.backoffMsMax);
    assert.equal(backoff.looping, true);
    assert.equal(backoff.crashed(processLimits.recoveredMs), processLimits.backoffMsMin);
    assert.equal(backoff.looping, false);
  });
});
