// What becomes visible when, retries, failure and end.

import assert from 'node:assert/strict';
import { limits } from '../../../core/base/limits.ts';
import type { MetaTransaction } from '../../../core/meta/meta-store.ts';
import { key, value, text, asText, rejects, put, watchEnd, turn, type Test } from './harness.ts';

export function visibility(test: Test): void {
  test('only durable commits are visible, all of their writes at once', async ({ store, hold }) => {
    await put(store, { a: '1', b: '1' });
    const release = hold();
    const committed = put(store, { a: '2', b: '2', c: '2' });
    const state = watchEnd(committed);
    for (let i = 0; i < 10; i++) {
      // oxlint-disable-next-line no-await-in-loop
      await turn();
      // oxlint-disable-next-line no-await-in-loop
      assert.equal(text(await store.range({ from: key('a'), to: key('d'), limit: 9 })), 'a=1 b=1');
    }
    assert.equal(state.ended, false);
    release();
    await committed;
    assert.equal(
      text(await store.range({ from: key('a'), to: key('d'), limit: 9 })),
      'a=2 b=2 c=2',
    );
  });

  test('a commit is judged and queued in the calling turn', async ({ store, hold }) => {
    const release = hold();
    const commits: Promise<string>[] = [];
    for (let i = 0; i < 20; i++) {
      const transaction = store.begin();
      transaction.set(key('last'), value(String(i)));
      commits.push(transaction.commit());
    }
    release();
    const positions = await Promise.all(commits);
    assert.deepEqual(positions, positions.toSorted());
    assert.equal(new Set(positions).size, 20);
    assert.equal(asText(await store.get(key('last'))), '19');
  });

  test('positions grow, also over reopening', async ({ store, reopen }) => {
    let opened = store;
    let newest = '';
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 3; i++) {
        const transaction = opened.begin();
        transaction.set(key('a'), value('1'));
        // oxlint-disable-next-line no-await-in-loop
        const position = await transaction.commit();
        assert.ok(position > newest, `${position} after ${newest}`);
        newest = position;
      }
      // oxlint-disable-next-line no-await-in-loop
      if (reopen !== undefined) opened = await reopen();
    }
  });

  test('what was committed is there after reopening', async ({ store, reopen }) => {
    if (reopen === undefined) return;
    await put(store, { a: '1', b: '2', c: '3' });
    await store.transact(async (transaction) => {
      transaction.delete(key('b'));
      transaction.outbox('topic', value('entry'));
    });
    let opened = await reopen();
    opened = await reopen();
    assert.equal(text(await opened.range({ from: key('a'), to: key('d'), limit: 9 })), 'a=1 c=3');
    assert.equal((await opened.readOutbox('topic', undefined, 10)).length, 1);
  });
}

export function retries(test: Test): void {
  test('calls beforeCommit in the turn of the commit, only when it will not conflict', async (opened) => {
    const { store } = opened;
    let attempts = 0;
    let called = 0;
    const body = async (transaction: MetaTransaction): Promise<void> => {
      attempts++;
      await transaction.get(key('a'));
      if (attempts === 1) await put(store, { a: '1' });
      transaction.set(key('b'), value('1'));
    };
    await store.transact(body, { beforeCommit: () => void called++ });
    assert.deepEqual({ attempts, called }, { attempts: 2, called: 1 });
    const transaction = store.begin();
    transaction.set(key('c'), value('1'));
    const failing = transaction.commit(() => {
      throw new RangeError('mine');
    });
    await assert.rejects(failing, RangeError);
    assert.equal(await store.get(key('c')), undefined);
  });

  test('runs again until it wins: no update is lost', async ({ store }) => {
    const count = async (): Promise<void> => {
      await store.transact(async (transaction) => {
        const seen = Number(asText((await transaction.get(key('n'))) ?? value('0')));
        await turn();
        transaction.set(key('n'), value(String(seen + 1)));
      });
    };
    await Promise.all(Array.from({ length: 64 }, count));
    assert.equal(asText(await store.get(key('n'))), '64');
  });

  test('waits for the commit that it lost to instead of spinning', async ({ store, hold }) => {
    await put(store, { a: '1' });
    const release = hold();
    const winner = put(store, { a: '2' });
    let attempts = 0;
    const loser = store.transact(async (transaction) => {
      attempts++;
      const seen = asText(await transaction.get(key('a')));
      transaction.set(key('b'), value(seen));
    });
    // oxlint-disable-next-line no-await-in-loop
    for (let i = 0; i < 20; i++) await turn();
    assert.equal(attempts, 1);
    release();
    await Promise.all([winner, loser]);
    assert.equal(attempts, 2);
    assert.equal(asText(await store.get(key('b'))), '2');
  });

  test('passes the error of a body on, and commits nothing', async ({ store }) => {
    const failing = store.transact(async (transaction) => {
      transaction.set(key('a'), value('1'));
      await transaction.get(key('b'));
      throw new TypeError('mine');
    });
    await assert.rejects(failing, TypeError);
    assert.equal(await store.get(key('a')), undefined);
  });

  test('does not let out an error that rests on an inconsistent state', async ({ store }) => {
    await put(store, { a: '1', b: '1' });
    let attempts = 0;
    await store.transact(async (transaction) => {
      attempts++;
      const a = asText(await transaction.get(key('a')));
      if (attempts === 1) await put(store, { a: '2', b: '2' });
      const b = asText(await transaction.get(key('b')));
      if (a !== b) throw new RangeError(`a=${a} b=${b}`);
    });
    assert.equal(attempts, 2);
  });

  test('ends with CONFLICT when it never wins', async ({ store, clock }) => {
    const losing = store.transact(async (transaction) => {
      await transaction.get(key('a'));
      await put(store, { a: '1' });
      clock.advance(limits.metaRetryMsMax / 8);
      transaction.set(key('b'), value('1'));
    });
    await rejects(losing, 'CONFLICT');
  });
}

export function failures(test: Test): void {
  test('a failed sync: queued commits are unknown, everything later is refused', async (opened) => {
    const { store, hold, breakDisk } = opened;
    await put(store, { a: '1' });
    const watch = store.watch(key('a'));
    const release = hold();
    const commits = [put(store, { a: '2' }), put(store, { b: '2' })];
    await turn();
    breakDisk();
    release();
    await Promise.all(commits.map((commit) => rejects(commit, 'COMMIT_UNKNOWN')));
    await rejects(watch.changed, 'DISK_OFFLINE');
    await rejects(put(store, { c: '1' }), 'DISK_OFFLINE');
    await rejects(store.get(key('a')), 'DISK_OFFLINE');
    await rejects(store.begin().get(key('a')), 'DISK_OFFLINE');
    await rejects(store.readOutbox('feed', undefined, 1), 'DISK_OFFLINE');
  });

  test('close waits for commits under way and refuses the rest', async ({ store }) => {
    const committed = put(store, { a: '1' });
    const watch = store.watch(key('b'));
    await turn();
    await store.close();
    await committed;
    await rejects(watch.changed, 'UNAVAILABLE');
    await rejects(store.get(key('a')), 'UNAVAILABLE');
    await rejects(put(store, { a: '1' }), 'UNAVAILABLE');
  });
}
