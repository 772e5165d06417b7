// What only the chunk engine's target has: marks that wait for company, damage of pending content, the list of pending
// chunks, sessions that end, a disk that fails. What any target promises: test/contracts/replica-target.ts.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c } from '../../../core/base/crc32c.ts';
import type { ChainVer, SessionId, UpdateVer } from '../../../core/base/ids.ts';
import { KiB, limits } from '../../../core/base/limits.ts';
import { EngineTarget } from '../../../core/replica/engine-target.ts';
import { ReadBudget } from '../../../core/replica/read-budget.ts';
import { checkStore } from '../../../core/store/check.ts';
import { scrub } from '../../../core/store/scrub.ts';
import type { PendingUpdate } from '../../../core/store/target-drafts.ts';
import { drained } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { type Rig, chunkOf, openRig, target1 } from './engine-rig.ts';

function updateOf(blob: number, version: number, offset: number, bytes: Buffer): PendingUpdate {
  return {
    chunk: chunkOf(blob),
    version: version as UpdateVer,
    chainVersion: 1 as ChainVer,
    tag: { session: blob as SessionId, channel: 0, sequence: version },
    body: { kind: 'write', offset, bytes, crc32c: crc32c(bytes) },
  };
}

const all = { target: target1, after: undefined };

async function slabOf(disk: SimDisk, bytes: Buffer): Promise<{ path: string; at: number }> {
  for (const path of disk.files().filter((name) => name.startsWith('slabs/'))) {
    const at = disk.content(path).indexOf(bytes);
    if (at >= 0) return { path, at };
  }
  return assert.fail('the bytes lie in a slab');
}

describe('a target of the chunk engine', () => {
  it('a commit mark goes with the next record, or alone after a while', async () => {
    const { engine, journal, clock } = await openRig();
    const store = engine.target(target1);
    await store.pending(updateOf(1, 1, 0, Buffer.from('first')));
    store.commit(chunkOf(1));
    await drained();
    const { groups } = journal.stats;
    const durable = journal.durableNumber;
    await store.pending(updateOf(1, 2, 0, Buffer.from('second')));
    assert.equal(journal.stats.groups, groups + 1, 'mark and update share a group');
    assert.equal(journal.durableNumber, durable + 2);
    store.commit(chunkOf(1));
    await clock.advance(limits.journalLazyMs - 1);
    assert.equal(journal.stats.groups, groups + 1);
    await clock.advance(2);
    assert.equal(journal.stats.groups, groups + 2, 'nobody came');
  });

  it('damage of pending content is found by reads and by scrub', async () => {
    const disk = new SimDisk();
    const { engine } = await openRig({ disk });
    const store = engine.target(target1);
    const bytes = Buffer.alloc(20 * KiB, 'pending content ');
    await store.pending(updateOf(1, 1, 0, bytes));
    assert.deepEqual((await scrub(engine, all, Infinity)).findings, []);
    const { path, at } = await slabOf(disk, bytes.subarray(0, 4096));
    disk.flip(path, at + 9);
    const { findings } = await scrub(engine, all, Infinity);
    assert.equal(findings.length, 1);
    assert.match(findings[0]?.detail ?? '', /do not match their checksum/);
    const { env } = targetOf({ engine });
    const shown = await new Promise((resolve) => {
      env.read(chunkOf(1), 'pending', { offset: 0, length: 5 }, (found) => resolve(found ?? 'bad'));
    });
    assert.equal(shown, 'bad');
  });

  it('a dropped update leaves the committed content and no block', async () => {
    const { engine } = await openRig();
    const store = engine.target(target1);
    const bytes = Buffer.alloc(20 * KiB, 1);
    await store.pending(updateOf(1, 1, 0, bytes));
    store.commit(chunkOf(1));
    const used = (): number => engine.parts.allocator.usedBytes();
    await store.forget();
    const before = used();
    await store.pending(updateOf(1, 2, 100, Buffer.alloc(14 * KiB, 2)));
    assert.ok(used() > before, 'both contents have their blocks');
    await store.forget();
    assert.equal(used(), before);
    assert.deepEqual(
      Buffer.from((await engine.read(target1, chunkOf(1), 0, 64 * KiB)).bytes),
      bytes,
    );
  });

  it('a check finds a pending update that is not listed', async () => {
    const { engine } = await openRig();
    await engine.target(target1).pending(updateOf(1, 1, 0, Buffer.from('x')));
    assert.equal((await checkStore(engine)).ok, true);
    engine.parts.pendings.note(target1, chunkOf(1), false);
    engine.parts.pendings.note(target1, chunkOf(2), true);
    const { findings } = await checkStore(engine);
    assert.deepEqual(
      findings.map(({ problem, chunk }) => [problem, chunk?.blob]),
      [
        ['unlisted pending update', 1],
        ['unlisted pending update', 2],
      ],
    );
  });

  it('entries of sessions that are over go, for good', async () => {
    const { engine, disk, kv, journal } = await openRig();
    const store = engine.target(target1);
    for (const blob of [1, 2, 3])
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await store.pending(updateOf(blob, 1, 0, Buffer.from('x')));
    await journal.checkpoint();
    await store.endSessions(3 as SessionId);
    assert.deepEqual(sessionsOf({ engine }), [3]);
    await engine.close();
    await journal.close();
    assert.deepEqual(sessionsOf(await openRig({ disk, kv })), [3]);
  });

  it('a failed sync ends the target, and nothing comes back', async () => {
    const disk = new SimDisk();
    const { engine } = await openRig({ disk });
    const target = targetOf({ engine });
    disk.inject({ operation: 'sync', code: 'EIO', path: 'journal' });
    let answered = false;
    const { chunk, tag, version } = updateOf(1, 1, 0, Buffer.from('x'));
    const identity = { version, assigned: 1 as ChainVer };
    const body = {
      kind: 'full',
      content: { bytes: Buffer.from('x'), crc32c: crc32c(Buffer.from('x')), sealed: false },
    } as const;
    target.env.persist({ kind: 'pending', chunk, identity, tag, body }, () => (answered = true));
    await drained();
    assert.equal(answered, false);
    assert.equal(target.reasons.length, 1);
    assert.match(target.reasons[0] ?? '', /EIO/);
    assert.throws(() => target.env.commit(chunk));
    assert.equal(target.reasons.length, 1);
  });
});

function targetOf({ engine }: Pick<Rig, 'engine'>): {
  env: EngineTarget['env'];
  reasons: string[];
} {
  const reasons: string[] = [];
  const target = new EngineTarget({
    store: engine.target(target1),
    send: () => undefined,
    after: () => undefined,
    failed: (reason) => reasons.push(reason),
  });
  return { env: target.env, reasons };
}

function sessionsOf({ engine }: Pick<Rig, 'engine'>): number[] {
  return engine
    .target(target1)
    .tags()
    .map(({ session }) => session);
}

describe('bytes of reads', () => {
  it('are bounded; one that is larger than the budget runs alone', async () => {
    const budget = new ReadBudget(10);
    let held = 0;
    let most = 0;
    const ends: (() => void)[] = [];
    const read = (bytes: number): Promise<void> =>
      budget.run(bytes, async () => {
        held += bytes;
        most = Math.max(most, held);
        await new Promise<void>((resolve) => ends.push(resolve));
        held -= bytes;
      });
    const reads = [6, 4, 1, 25, 3].map(read);
    for (let turn = 0; turn < 5; turn++) {
      // oxlint-disable-next-line no-await-in-loop -- turn after turn
      await drained();
      if (turn === 0) assert.equal(held, 10);
      ends.shift()?.();
    }
    await drained();
    for (const end of ends) end();
    await Promise.all(reads);
    assert.equal(most, 25);
  });
});
