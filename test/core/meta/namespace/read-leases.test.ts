import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { limits } from '../../../../core/base/limits.ts';
import { ReadLeases } from '../../../../core/meta/namespace/read-leases.ts';

const later = limits.readLeaseMs + 1;

describe('read leases', () => {
  test('what a running read may use is not freed, whichever process reads', () => {
    const leases = new ReadLeases(0, 16);
    const epoch = leases.register('a', later);
    leases.register('b', later);
    const ended = leases.advance();
    assert.equal(ended, epoch);
    leases.renew('a', epoch, later);
    leases.renew('b', 0, later);
    assert.equal(leases.free(ended, later), false);
    leases.renew('a', 0, later);
    assert.equal(leases.free(ended, later), true);
    assert.equal(leases.renew('a', epoch, later).lost, true);
  });

  test('a lease that is not renewed stops holding after its time', () => {
    const leases = new ReadLeases(0, 16);
    leases.register('a', later);
    const ended = leases.advance();
    assert.equal(leases.free(ended, later), false);
    assert.equal(leases.free(ended, later + limits.readLeaseMs), true);
  });

  test('a core that restarts frees nothing for one lease time, and its epochs are later than all before', () => {
    const before = new ReadLeases(0, 16);
    for (let i = 0; i < 1000; i++) before.advance();
    const stated = before.epoch;
    const after = new ReadLeases(0, 17);
    assert.ok(after.register('a', 1) > stated);
    // The reader states what it read from the former core: held, not lost.
    assert.deepEqual(after.renew('a', stated, 100), { epoch: after.epoch, lost: false });
    assert.equal(after.free(after.advance(), limits.readLeaseMs - 1), false);
    assert.equal(after.free(after.advance(), later), false);
  });
});
