// Refusals of the optimistic store that its contract leaves to it.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { isCoreError } from '../../../../core/base/errors.ts';
import { limits } from '../../../../core/base/limits.ts';
import { marks } from '../../../../core/base/mark.ts';
import { openMemoryMetaStore } from '../../../../core/meta/store/memory-store.ts';
import { SkewedClock } from '../../../contracts/meta-store/skewed-clock.ts';
import { simRng } from '../../../sim/rng.ts';

const key = (name: string): Buffer => Buffer.from(name);

test('a read-only transaction older than what is remembered cannot be judged', async () => {
  const clock = new SkewedClock();
  const store = openMemoryMetaStore({ clock, rng: simRng(1) });
  const old = store.begin();
  await old.get(key('a'));
  for (let commit = 0; commit < 3; commit++) {
    const other = store.begin();
    other.set(key('b'), key('x'));
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await other.commit();
    clock.advance(limits.metaTransactionMsMax + 1);
  }
  await assert.rejects(old.commit(), (error) => isCoreError(error, 'TRANSACTION_TOO_OLD'));
  assert.ok(marks().has('store.tooOld'));
  await store.close();
});

test('commits beyond what may wait for the disk are refused, and the others go on', async () => {
  const gate: { open?: () => void } = {};
  const held = new Promise<void>((resolve) => {
    gate.open = resolve;
  });
  const store = openMemoryMetaStore({
    clock: new SkewedClock(),
    rng: simRng(1),
    sync: () => held,
  });
  const commits: Promise<string>[] = [];
  for (let at = 0; at <= limits.metaCommitsQueuedMax; at++) {
    const transaction = store.begin();
    transaction.set(key('a'), key('x'));
    commits.push(transaction.commit());
  }
  const refused = commits.pop() as Promise<string>;
  await assert.rejects(refused, (error) => isCoreError(error, 'BUSY'));
  assert.ok(marks().has('store.busy'));
  gate.open?.();
  assert.equal((await Promise.all(commits)).length, limits.metaCommitsQueuedMax);
  await store.close();
});
