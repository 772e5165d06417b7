// Outbox, watches and tokens.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { isCoreError } from '../../../core/base/errors.ts';
import { limits } from '../../../core/base/limits.ts';
import type { MetaStore, MetaTransaction } from '../../../core/meta/meta-store.ts';
import { tokenKey } from '../../../core/meta/store/keyspace.ts';
import { key, value, asText, rejects, put, watchEnd, turn, type Test } from './harness.ts';

const entries = async (store: MetaStore, topic: string, after?: string): Promise<string[]> =>
  (await store.readOutbox(topic, after, 100)).map((entry) => asText(entry.value));

export function outbox(test: Test): void {
  test('entries in commit order, by topic, after a position', async ({ store }) => {
    for (const batch of [['a', 'b'], ['c'], ['d', 'e', 'f']]) {
      // oxlint-disable-next-line no-await-in-loop
      await store.transact(async (transaction) => {
        for (const entry of batch) transaction.outbox('feed', value(entry));
        transaction.outbox('feeds', value('other'));
      });
    }
    assert.deepEqual(await entries(store, 'feed'), ['a', 'b', 'c', 'd', 'e', 'f']);
    assert.equal((await entries(store, 'feeds')).length, 3);
    assert.deepEqual(await entries(store, 'fee'), []);
    const [, second] = await store.readOutbox('feed', undefined, 2);
    assert.deepEqual(await entries(store, 'feed', second?.position), ['c', 'd', 'e', 'f']);
    const all = await store.readOutbox('feed', undefined, 100);
    const positions = all.map((entry) => entry.position);
    assert.deepEqual(positions, positions.toSorted());
    assert.equal(new Set(positions).size, 6);
    await rejects(store.readOutbox('feed', 'nonsense', 1), 'INVALID_ARGUMENT');
    await rejects(store.readOutbox('', undefined, 1), 'INVALID_ARGUMENT');
  });

  test('visible when its commit is, never before a position already returned', async (opened) => {
    const { store } = opened;
    const seen: string[] = [];
    let after: string | undefined;
    const poll = async (): Promise<void> => {
      const found = await store.readOutbox('feed', after, 1000);
      for (const entry of found) {
        seen.push(asText(entry.value));
        after = entry.position;
      }
    };
    const writer = async (name: number): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        const body = async (transaction: MetaTransaction): Promise<void> => {
          await transaction.get(key(`own ${name}`));
          transaction.outbox('feed', value(`${name}.${i}`));
        };
        // oxlint-disable-next-line no-await-in-loop
        await store.transact(body);
      }
    };
    const writers = Promise.all([0, 1, 2, 3].map(writer));
    const state = watchEnd(writers);
    while (!state.ended) {
      // oxlint-disable-next-line no-await-in-loop
      await poll();
      // oxlint-disable-next-line no-await-in-loop
      await turn();
    }
    await writers;
    await poll();
    assert.equal(new Set(seen).size, 120);
    for (const name of [0, 1, 2, 3]) {
      const own = seen.filter((entry) => entry.startsWith(`${name}.`));
      assert.deepEqual(
        own,
        Array.from({ length: 30 }, (_, i) => `${name}.${i}`),
      );
    }
  });

  test('is not visible before it is durable', async ({ store, hold }) => {
    const release = hold();
    const committed = store.transact(async (transaction) => transaction.outbox('feed', value('a')));
    await turn();
    assert.deepEqual(await entries(store, 'feed'), []);
    release();
    await committed;
    assert.deepEqual(await entries(store, 'feed'), ['a']);
  });

  test('trim removes up to a position, also many', async ({ store }) => {
    for (let batch = 0; batch < 3; batch++) {
      // oxlint-disable-next-line no-await-in-loop
      await store.transact(async (transaction) => {
        for (let i = 0; i < 90; i++) transaction.outbox('feed', value(`${batch}.${i}`));
        transaction.outbox('other', value('kept'));
      });
    }
    const all = await store.readOutbox('feed', undefined, 1000);
    await store.trimOutbox('feed', all[249]?.position ?? '');
    assert.deepEqual(await store.readOutbox('feed', undefined, 1000), all.slice(250));
    assert.equal((await entries(store, 'other')).length, 3);
    await store.trimOutbox('feed', all.at(-1)?.position ?? '');
    assert.deepEqual(await entries(store, 'feed'), []);
    await store.trimOutbox('feed', all.at(-1)?.position ?? '');
  });
}

export function watches(test: Test): void {
  test('resolves at the first visible commit that writes the key', async ({ store, hold }) => {
    const { changed } = store.watch(key('a'));
    const state = watchEnd(changed);
    await put(store, { b: '1' });
    await turn();
    assert.equal(state.ended, false);
    const release = hold();
    const committed = put(store, { a: '1' });
    await turn();
    assert.equal(state.ended, false);
    release();
    await committed;
    await changed;
    const later = store.watch(key('a'));
    await store.transact(async (transaction) => transaction.delete(key('a')));
    await later.changed;
  });

  test('cancel rejects it, once and without noise', async ({ store }) => {
    const watch = store.watch(key('a'));
    watch.cancel();
    watch.cancel();
    await rejects(watch.changed, 'CANCELLED');
    const resolved = store.watch(key('a'));
    await put(store, { a: '1' });
    await resolved.changed;
    resolved.cancel();
    await resolved.changed;
  });

  test('their number is bounded', async ({ store }) => {
    const waiting = Array.from({ length: limits.metaWatchersMax }, (_, i) =>
      store.watch(key(`${i}`)),
    );
    assert.throws(
      () => store.watch(key('a')),
      (error) => isCoreError(error, 'BUSY'),
    );
    for (const watch of waiting) watch.cancel();
    const watch = store.watch(key('a'));
    await put(store, { a: '1' });
    await watch.changed;
  });
}

export function tokens(test: Test): void {
  const token = Buffer.alloc(16, 9);

  test('leaves a row that tells a retry', async ({ store }) => {
    assert.equal(await store.get(tokenKey(token)), undefined);
    await store.transact(async (transaction) => transaction.token(token));
    assert.notEqual(await store.get(tokenKey(token)), undefined);
  });

  test('of two attempts with one token at most one commits', async ({ store }) => {
    const attempts = [store.begin(), store.begin()];
    for (const attempt of attempts) attempt.token(token);
    await attempts[1]?.commit();
    await rejects(attempts[0]?.commit() ?? Promise.resolve(), 'CONFLICT');
  });

  test('is kept as long as promised, then dropped by maintain', async ({ store, clock }) => {
    await store.transact(async (transaction) => transaction.token(token));
    clock.advance(limits.commitTokenKeptMs - 60_000);
    await store.maintain();
    assert.notEqual(await store.get(tokenKey(token)), undefined);
    clock.advance(120_000);
    await store.maintain();
    assert.equal(await store.get(tokenKey(token)), undefined);
  });
}
