// Reads, writes, own writes and limits of one transaction.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { isCoreError } from '../../../core/base/errors.ts';
import { limits } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import { isReservedKey } from '../../../core/meta/store/keyspace.ts';
import { key, value, text, asText, rejects, put, type Test } from './harness.ts';

export function readsAndWrites(test: Test): void {
  test('get, getMany and deletes', async ({ store }) => {
    await put(store, { a: '1', b: '2', c: '' });
    assert.equal(asText(await store.get(key('a'))), '1');
    assert.equal((await store.get(key('c')))?.length, 0);
    assert.equal(await store.get(key('d')), undefined);
    const many = await store.getMany([key('b'), key('x'), key('a'), key('b')]);
    assert.deepEqual(many.map(asText), ['2', '-', '1', '2']);
    assert.deepEqual(await store.getMany([]), []);
    await store.transact(async (transaction) => transaction.delete(key('a')));
    assert.equal(await store.get(key('a')), undefined);
  });

  test('ranges: half open, limited, reverse, by bytes', async ({ store }) => {
    await put(store, { a: '1', b: '2', ba: '3', c: '4', 'c\0': '5', d: '6' });
    const all = { from: key('a'), to: key('d'), limit: 100 };
    assert.equal(text(await store.range(all)), 'a=1 b=2 ba=3 c=4 c\0=5');
    assert.equal(text(await store.range({ ...all, limit: 2 })), 'a=1 b=2');
    assert.equal(text(await store.range({ ...all, limit: 2, reverse: true })), 'c\0=5 c=4');
    assert.equal(text(await store.range({ ...all, from: key('aa'), to: key('c') })), 'b=2 ba=3');
    assert.deepEqual(await store.range({ ...all, limit: 0 }), []);
    assert.deepEqual(await store.range({ from: key('d'), to: key('a'), limit: 9 }), []);
    assert.deepEqual(await store.range({ from: key('b'), to: key('b'), limit: 9 }), []);
    const pages = await store.rangeMany([
      { from: key('b'), to: key('c'), limit: 9 },
      { from: key('d'), to: key('e'), limit: 9, reverse: true },
      { from: key('x'), to: key('y'), limit: 9 },
    ]);
    assert.deepEqual(pages.map(text), ['b=2 ba=3', 'd=6', '']);
  });

  test('keys are ordered as unsigned bytes', async ({ store }) => {
    const names = [[0], [0, 0], [1], [0x7f], [0x80], [0x80, 0], [0xff], [0xff, 0xff]];
    await store.transact(async (transaction) => {
      for (const name of names.toReversed()) transaction.set(Buffer.from(name), value('v'));
    });
    const range = { from: Buffer.of(0), to: Buffer.alloc(9, 0xff), limit: 100 };
    const rows = await store.range(range);
    const found = rows.map(([name]) => name).filter((name) => !isReservedKey(name));
    assert.deepEqual(
      found.map((name) => [...name]),
      names,
    );
  });

  test('thousands of keys in random order', async ({ store }) => {
    const prng = new Prng(7);
    const model = new Map<string, string>();
    for (let batch = 0; batch < 60; batch++) {
      // oxlint-disable-next-line no-await-in-loop
      await store.transact(async (transaction) => {
        for (let i = 0; i < 50; i++) {
          const name = `k${String(prng.below(4000)).padStart(5, '0')}`;
          if (prng.chance(0.2)) {
            transaction.delete(key(name));
            model.delete(name);
          } else {
            transaction.set(key(name), value(`${batch}.${i}`));
            model.set(name, `${batch}.${i}`);
          }
        }
      });
    }
    const expected = [...model].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const listed = await store.range({ from: key('k'), to: key('l'), limit: 9999 });
    assert.equal(text(listed), expected.map(([name, content]) => `${name}=${content}`).join(' '));
    const reverse = await store.range({ from: key('k'), to: key('l'), limit: 9999, reverse: true });
    assert.deepEqual(reverse, listed.toReversed());
  });
}

export function ownWrites(test: Test): void {
  test('a transaction reads its own writes, others do not', async ({ store }) => {
    await put(store, { a: '1', b: '2', d: '4' });
    const transaction = store.begin();
    transaction.set(key('a'), value('10'));
    transaction.set(key('c'), value('30'));
    transaction.delete(key('b'));
    assert.equal(asText(await transaction.get(key('a'))), '10');
    assert.equal(asText(await transaction.snapshot.get(key('b'))), '-');
    const many = await transaction.getMany([key('a'), key('b'), key('c'), key('d')]);
    assert.deepEqual(many.map(asText), ['10', '-', '30', '4']);
    const all = { from: key('a'), to: key('z'), limit: 10 };
    assert.equal(text(await transaction.range(all)), 'a=10 c=30 d=4');
    assert.equal(text(await transaction.range({ ...all, reverse: true })), 'd=4 c=30 a=10');
    assert.equal(text(await transaction.range({ ...all, limit: 2 })), 'a=10 c=30');
    assert.equal(text(await store.range(all)), 'a=1 b=2 d=4');
    await transaction.commit();
    assert.equal(text(await store.range(all)), 'a=10 c=30 d=4');
  });

  test('a full page stays full when own deletes hide stored entries', async ({ store }) => {
    await put(store, { a: '1', b: '2', c: '3', d: '4', e: '5' });
    const transaction = store.begin();
    for (const name of ['a', 'b', 'e']) transaction.delete(key(name));
    transaction.set(key('ca'), value('x'));
    const all = { from: key('a'), to: key('z'), limit: 2 };
    assert.equal(text(await transaction.range(all)), 'c=3 ca=x');
    assert.equal(text(await transaction.range({ ...all, reverse: true })), 'd=4 ca=x');
  });
}

const tooLarge = (error: unknown): boolean => isCoreError(error, 'TRANSACTION_TOO_LARGE');

export function sizeLimits(test: Test): void {
  test('sizes of keys and values', async ({ store }) => {
    const transaction = store.begin();
    transaction.set(
      Buffer.alloc(limits.metaKeyBytesMax, 1),
      Buffer.alloc(limits.metaValueBytesMax),
    );
    assert.throws(
      () => transaction.set(Buffer.alloc(limits.metaKeyBytesMax + 1), value('')),
      tooLarge,
    );
    const long = Buffer.alloc(limits.metaValueBytesMax + 1);
    assert.throws(() => transaction.set(key('a'), long), tooLarge);
    assert.throws(() => transaction.outbox('topic', long), tooLarge);
    await transaction.commit();
    const stored = await store.get(Buffer.alloc(limits.metaKeyBytesMax, 1));
    assert.equal(stored?.length, limits.metaValueBytesMax);
  });

  test('mutations, a key counted once', async ({ store }) => {
    const transaction = store.begin();
    for (let i = 0; i < limits.metaMutationsMax - 1; i++) transaction.set(key(`k${i}`), value('v'));
    transaction.set(key('k0'), value('again'));
    transaction.outbox('topic', value('entry'));
    assert.throws(() => transaction.set(key('one more'), value('v')), tooLarge);
  });

  test('bytes', async ({ store }) => {
    const transaction = store.begin();
    const fit = Math.floor(limits.metaTransactionBytesMax / (limits.metaValueBytesMax + 2));
    const block = Buffer.alloc(limits.metaValueBytesMax);
    for (let i = 0; i < fit; i++) transaction.set(key(String(i).padStart(2, '0')), block);
    assert.throws(() => transaction.set(key('xx'), block), tooLarge);
  });

  test('read conflicts, but snapshot reads add none', async ({ store }) => {
    const keys = Array.from({ length: limits.metaReadConflictsMax }, (_, i) => key(`k${i}`));
    const transaction = store.begin();
    await transaction.getMany(keys);
    await transaction.get(key('k0'));
    await transaction.snapshot.getMany(keys.map((name) => key(`${asText(name)}.`)));
    await rejects(transaction.get(key('other')), 'TRANSACTION_TOO_LARGE');
  });

  test('age', async ({ store, clock }) => {
    const transaction = store.begin();
    await transaction.get(key('a'));
    clock.advance(limits.metaTransactionMsMax + 1);
    transaction.set(key('a'), value('1'));
    await rejects(transaction.commit(), 'TRANSACTION_TOO_OLD');
    assert.equal(await store.get(key('a')), undefined);
  });

  test('the keyspaces of the store are closed to callers', async ({ store }) => {
    const transaction = store.begin();
    assert.throws(() => transaction.set(key('Outbox'), value('')), /belong to the store/);
    assert.throws(() => transaction.delete(key('T')), /belong to the store/);
  });
}
