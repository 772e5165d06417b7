import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoreError } from '../../../core/base/errors.ts';
import { id } from '../../../core/base/ids.ts';
import type { BlobId, SessionId } from '../../../core/base/ids.ts';
import { limits } from '../../../core/base/limits.ts';
import { HeartbeatLease } from '../../../core/client/read-lease.ts';
import type { LeasePort } from '../../../core/client/read-lease.ts';
import { RenewedSession } from '../../../core/client/writer-session.ts';
import type { SessionPort } from '../../../core/client/writer-session.ts';
import { silentEvents } from '../../../core/env/events.ts';
import { SimClock } from '../../sim/clock.ts';

const unavailable = (error: unknown): boolean =>
  error instanceof CoreError && error.errorName === 'UNAVAILABLE';

class Sessions implements SessionPort {
  opened = 0;
  renewals: number[] = [];
  grants = 0;
  ended: number[] = [];
  discarded: BlobId[] = [];
  down = false;
  over = false;

  async open() {
    this.check();
    const session = id<SessionId>(++this.opened);
    this.over = false;
    return {
      session,
      leaseMs: 60_000,
      blobs: this.range(2000),
      layout: { table: 1, tableVersion: 1, chunkBytes: 4096, stripe: 1, seed: 0 },
      payloadBytesMax: 100,
    };
  }
  async renew(session: SessionId) {
    this.check();
    this.renewals.push(session);
    if (this.over) throw new CoreError('SESSION_ENDED', 'over');
    return { leaseMs: 60_000 };
  }
  async end(session: SessionId) {
    this.ended.push(session);
  }
  async grant() {
    this.check();
    this.grants++;
    return this.range(1000);
  }
  async discard(_session: SessionId, blobs: readonly BlobId[]) {
    this.check();
    this.discarded.push(...blobs);
  }
  private given = 0;
  private range(count: number) {
    const first = this.given;
    this.given += count;
    return { first, count };
  }
  private check(): void {
    if (this.down) throw new CoreError('UNAVAILABLE', 'down');
  }
}

describe('writer session', () => {
  test('gives every blob id once and asks for more before they run out', async () => {
    const port = new Sessions();
    const session = await RenewedSession.open(port, new SimClock(), silentEvents);
    const seen = new Set<number>();
    for (let i = 0; i < 5000; i++) seen.add((await session.takeBlob()).blob);
    assert.equal(seen.size, 5000);
    assert.ok(port.grants >= 3 && port.grants <= 6, `${port.grants} grants`);
    const rush = await Promise.all(Array.from({ length: 900 }, () => session.takeBlob()));
    for (const { blob } of rush) seen.add(blob);
    assert.equal(seen.size, 5900);
  });

  test('is renewed well within its lease, through failures too', async () => {
    const port = new Sessions();
    const clock = new SimClock();
    const session = await RenewedSession.open(port, clock, silentEvents);
    await clock.advance(61_000);
    assert.equal(port.renewals.length, 3);
    port.down = true;
    await clock.advance(30_000);
    port.down = false;
    await clock.advance(10_000);
    assert.ok(port.renewals.length >= 4);
    await session.close();
    assert.deepEqual(port.ended, [1]);
    await clock.advance(100_000);
    assert.ok(port.renewals.length <= 5);
    assert.throws(() => session.session, unavailable);
  });

  test('that was ended is replaced by a new one', async () => {
    const port = new Sessions();
    const clock = new SimClock();
    const session = await RenewedSession.open(port, clock, silentEvents);
    const old = await session.takeBlob();
    port.over = true;
    await clock.advance(21_000);
    assert.equal(session.session, 2);
    const fresh = await session.takeBlob();
    assert.notEqual(fresh.channels, old.channels);
    port.down = true;
    await old.discard(); // never throws
    await session.close();
  });
});

class Leases implements LeasePort {
  stated: number[] = [];
  epoch = 1;
  lost = false;
  down = false;
  async renew(oldestEpoch: number) {
    if (this.down) throw new CoreError('UNAVAILABLE', 'down');
    this.stated.push(oldestEpoch);
    return { epoch: this.epoch, leaseMs: 15_000, lost: this.lost };
  }
  async end() {
    this.stated.push(-1);
  }
}

async function openLease(): Promise<{ port: Leases; clock: SimClock; lease: HeartbeatLease }> {
  const port = new Leases();
  const clock = new SimClock();
  const lease = await HeartbeatLease.open('r', port, clock, silentEvents);
  return { port, clock, lease };
}

describe('read lease', () => {
  test('states the oldest epoch of its running reads, else the newest known', async () => {
    const { port, clock, lease } = await openLease();
    port.epoch = 5;
    await clock.advance(5_100);
    await clock.advance(5_000);
    assert.equal(port.stated.at(-1), 5);
    const old = lease.hold(6);
    const young = lease.hold(8);
    await clock.advance(5_000);
    assert.equal(port.stated.at(-1), 6);
    old.release();
    await clock.advance(5_000);
    assert.equal(port.stated.at(-1), 8);
    young.check();
    young.release();
    port.epoch = 20;
    await clock.advance(5_000);
    assert.equal(port.stated.at(-1), 8);
    await clock.advance(5_000);
    assert.equal(port.stated.at(-1), 20);
    await lease.close();
    assert.equal(port.stated.at(-1), -1);
  });

  test('fails reads when the core does not hear of them for a lease time', async () => {
    const { port, clock, lease } = await openLease();
    const hold = lease.hold(1);
    port.down = true;
    await clock.advance(14_000);
    hold.check();
    await clock.advance(2_000);
    assert.throws(() => hold.check(), unavailable);
  });

  test('fails reads that the core calls lost, and not later ones', async () => {
    const { port, clock, lease } = await openLease();
    const old = lease.hold(1);
    port.lost = true;
    port.epoch = 9;
    await clock.advance(5_100);
    assert.throws(() => old.check(), unavailable);
    port.lost = false;
    lease.hold(9).check();
    // Resolved before the lease moved on, answered after it: overtaken.
    assert.throws(() => lease.hold(8).check(), unavailable);
  });

  test('fails a read that was overtaken by a later statement, or that takes an hour', async () => {
    const { port, clock, lease } = await openLease();
    port.epoch = 4;
    await clock.advance(10_100);
    assert.equal(port.stated.at(-1), 4);
    assert.throws(() => lease.hold(3).check(), unavailable);
    const hold = lease.hold(4);
    hold.check();
    await clock.advance(limits.readMsMax + 1);
    assert.throws(() => hold.check(), unavailable);
    await clock.advance(5_100);
    port.epoch = 6;
    await clock.advance(10_100);
    assert.equal(port.stated.at(-1), 6); // no longer held back by it
  });
});
