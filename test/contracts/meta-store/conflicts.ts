// Which overlapping transactions conflict, and which must not.

import assert from 'node:assert/strict';
import type { MetaTransaction } from '../../../core/meta/meta-store.ts';
import {
  key,
  value,
  asText,
  rejects,
  put,
  turn,
  overlap,
  reads,
  writes,
  deletes,
  lists,
  type Test,
} from './harness.ts';

const readsMany = async (transaction: MetaTransaction): Promise<void> => {
  await transaction.getMany([key('x'), key('y')]);
  transaction.set(key('z'), value('1'));
};
const readsSnapshot = async (transaction: MetaTransaction): Promise<void> => {
  const { snapshot } = transaction;
  await snapshot.get(key('a'));
  await snapshot.getMany([key('a')]);
  await snapshot.range({ from: key('a'), to: key('b'), limit: 10 });
  await snapshot.rangeMany([{ from: key('a'), to: key('b'), limit: 10 }]);
  transaction.set(key('s'), value('1'));
};
const readsOwn = async (transaction: MetaTransaction): Promise<void> => {
  transaction.set(key('a'), value('mine'));
  await transaction.get(key('a'));
};
const crossed =
  (from: string, to: string) =>
  async (transaction: MetaTransaction): Promise<void> => {
    await transaction.get(key(from));
    transaction.set(key(to), value('0'));
  };
const conflictsAtKey = async (transaction: MetaTransaction): Promise<void> => {
  transaction.conflict(key('a'));
  transaction.set(key('r'), value('1'));
};
const conflictsInRange = async (transaction: MetaTransaction): Promise<void> => {
  transaction.conflict({ from: key('a'), to: key('c') });
  transaction.set(key('r'), value('1'));
};
const readsOnly = async (transaction: MetaTransaction): Promise<void> => {
  await transaction.get(key('a'));
  await transaction.range({ from: key('b'), to: key('c'), limit: 9 });
};

export function conflicts(test: Test): void {
  test('a read against a write, a delete, a write of an absent key', async ({ store }) => {
    await put(store, { a: '1', b: '1' });
    assert.equal(await overlap(store, reads('a'), writes('a')), 'conflict');
    assert.equal(await overlap(store, reads('a'), deletes('a')), 'conflict');
    assert.equal(await overlap(store, reads('none'), writes('none')), 'conflict');
    assert.equal(await overlap(store, reads('b'), writes('c')), 'committed');
    assert.equal(await overlap(store, readsMany, writes('y')), 'conflict');
    assert.equal(await overlap(store, readsMany, writes('xy')), 'committed');
  });

  test('a range against writes, deletes and phantoms in it', async ({ store }) => {
    await put(store, { b: '1', d: '1', f: '1' });
    const whole = lists('a', 'g', 100);
    assert.equal(await overlap(store, whole, writes('d')), 'conflict');
    assert.equal(await overlap(store, whole, writes('c')), 'conflict');
    assert.equal(await overlap(store, whole, deletes('c')), 'conflict');
    assert.equal(await overlap(store, whole, writes('a')), 'conflict');
    assert.equal(await overlap(store, whole, writes('g')), 'committed');
    assert.equal(await overlap(store, whole, writes('A')), 'committed');
    assert.equal(await overlap(store, lists('h', 'i', 9), writes('hh')), 'conflict');
  });

  test('a full page conflicts with the part that it returned', async ({ store }) => {
    await put(store, { b: '1', d: '1', f: '1', h: '1' });
    assert.equal(await overlap(store, lists('a', 'z', 2), writes('e')), 'committed');
    assert.equal(await overlap(store, lists('a', 'z', 2), writes('c')), 'conflict');
    await put(store, { b: '1', d: '1', f: '1', h: '1' });
    await store.transact(async (transaction) => {
      transaction.delete(key('c'));
      transaction.delete(key('e'));
      transaction.delete(key('result'));
    });
    assert.equal(await overlap(store, lists('a', 'j', 2, true), writes('e')), 'committed');
    assert.equal(await overlap(store, lists('a', 'j', 2, true), writes('i')), 'conflict');
    assert.equal(await overlap(store, lists('a', 'j', 1, true), writes('i')), 'conflict');
  });

  test('write skew', async ({ store }) => {
    await put(store, { a: '1', b: '1' });
    assert.equal(await overlap(store, crossed('a', 'b'), crossed('b', 'a')), 'conflict');
  });

  test('blind writes and snapshot reads never conflict', async ({ store }) => {
    await put(store, { a: '1' });
    assert.equal(await overlap(store, writes('a'), writes('a')), 'committed');
    assert.equal(await overlap(store, deletes('a'), writes('a')), 'committed');
    assert.equal(await overlap(store, readsSnapshot, writes('a')), 'committed');
  });

  test('reads of own writes do not conflict', async ({ store }) => {
    assert.equal(await overlap(store, readsOwn, writes('a')), 'committed');
    assert.equal(asText(await store.get(key('a'))), 'mine');
  });

  test('conflict() of a key and of a range', async ({ store }) => {
    assert.equal(await overlap(store, conflictsAtKey, writes('a')), 'conflict');
    assert.equal(await overlap(store, conflictsAtKey, writes('b')), 'committed');
    assert.equal(await overlap(store, conflictsInRange, writes('bb')), 'conflict');
    assert.equal(await overlap(store, conflictsInRange, writes('c')), 'committed');
  });

  test('a failed transaction leaves nothing', async ({ store }) => {
    const transaction = store.begin();
    await reads('a')(transaction);
    transaction.outbox('topic', value('entry'));
    await put(store, { a: 'other' });
    await rejects(transaction.commit(), 'CONFLICT');
    assert.equal(await store.get(key('result of a')), undefined);
    assert.deepEqual(await store.readOutbox('topic', undefined, 10), []);
  });

  test('read-only transactions are judged too', async ({ store }) => {
    await put(store, { a: '1', b: '1' });
    assert.equal(await overlap(store, readsOnly, writes('b')), 'conflict');
    assert.equal(await overlap(store, readsOnly, writes('d')), 'committed');
  });

  test('against commits that are queued and not yet durable', async ({ store, hold }) => {
    await put(store, { a: '1' });
    const first = store.begin();
    const second = store.begin();
    await reads('a')(first);
    await reads('a')(second);
    second.set(key('a'), value('2'));
    const release = hold();
    const committed = second.commit();
    await rejects(first.commit(), 'CONFLICT');
    release();
    await committed;
  });

  test('a read-only transaction stands before commits that are not yet durable', async (opened) => {
    const { store, hold } = opened;
    await put(store, { a: '1', b: '1' });
    const readers = [store.begin(), store.begin()];
    for (const reader of readers) {
      // oxlint-disable-next-line no-await-in-loop
      await readsOnly(reader);
    }
    await put(store, { x: '1' });
    const release = hold();
    const queued = put(store, { a: '2' });
    await turn();
    await readers[0]?.commit();
    release();
    await queued;
    await rejects(readers[1]?.commit() ?? Promise.resolve(), 'CONFLICT');
  });
}
