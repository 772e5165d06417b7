// The contract of MetaStore, run on every adapter (test/contracts/meta-store.test.ts).

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { isCoreError, type ErrorName } from '../../core/base/errors.ts';
import { limits } from '../../core/base/limits.ts';
import { Prng } from '../../core/base/prng.ts';
import type { MetaEntry, MetaStore, MetaTransaction } from '../../core/meta/meta-store.ts';
import { isReservedKey, tokenKey } from '../../core/meta/store/keyspace.ts';
import { randomHistory } from './meta-store-history.ts';
import { ringWorkload, transferWorkload } from './meta-store-workloads.ts';
import type { SkewedClock } from './skewed-clock.ts';

export interface OpenedMetaStore {
  readonly store: MetaStore;
  readonly clock: SkewedClock;
  /** Holds back durability until the returned function is called. */
  readonly hold: () => () => void;
  /** Makes the next sync fail. */
  readonly breakDisk: () => void;
  /** Closes and opens again; absent where nothing outlives the store. */
  readonly reopen?: () => Promise<MetaStore>;
  close(): Promise<void>;
}

export interface MetaStoreHarness {
  readonly name: string;
  open(): Promise<OpenedMetaStore>;
}

export const key = (name: string): Buffer => Buffer.from(name);
export const value = key;

export function text(entries: readonly MetaEntry[]): string {
  return entries.map(([name, content]) => `${asText(name)}=${asText(content)}`).join(' ');
}

export function asText(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '-' : Buffer.from(bytes).toString();
}

const rejects = (promise: Promise<unknown>, name: ErrorName): Promise<void> =>
  assert.rejects(promise, (error) => isCoreError(error, name));

const put = (store: MetaStore, entries: Record<string, string>): Promise<void> =>
  store.transact(async (transaction) => {
    for (const [name, content] of Object.entries(entries)) {
      transaction.set(key(name), value(content));
    }
  });

function watchEnd(promise: Promise<unknown>): { readonly ended: boolean } {
  const state = { ended: false };
  const end = (): void => {
    state.ended = true;
  };
  promise.then(end, end);
  return state;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function metaStoreContract(harness: MetaStoreHarness): void {
  const test = (name: string, body: (opened: OpenedMetaStore) => Promise<void>): void => {
    it(name, async () => {
      const opened = await harness.open();
      try {
        await body(opened);
      } finally {
        await opened.close();
      }
    });
  };

  describe(`MetaStore contract: ${harness.name}`, () => {
    describe('reads and writes', () => readsAndWrites(test));
    describe('own writes', () => ownWrites(test));
    describe('limits', () => sizeLimits(test));
    describe('conflicts', () => conflicts(test));
    describe('visibility', () => visibility(test));
    describe('transact', () => retries(test));
    describe('outbox', () => outbox(test));
    describe('watch', () => watches(test));
    describe('tokens', () => tokens(test));
    describe('failure and end', () => failures(test));
    describe('serializability', () => serializability(test));
  });
}

type Test = (name: string, body: (opened: OpenedMetaStore) => Promise<void>) => void;

function readsAndWrites(test: Test): void {
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

function ownWrites(test: Test): void {
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

function sizeLimits(test: Test): void {
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
    await rejects(transaction.get(key('a')), 'TRANSACTION_TOO_OLD');
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

/** Runs `first` up to its commit, lets `second` commit, then commits `first`. */
async function overlap(
  store: MetaStore,
  first: (transaction: MetaTransaction) => Promise<unknown>,
  second: (transaction: MetaTransaction) => Promise<unknown>,
): Promise<'committed' | 'conflict'> {
  const transaction = store.begin();
  await first(transaction);
  const other = store.begin();
  await second(other);
  await other.commit();
  try {
    await transaction.commit();
    return 'committed';
  } catch (error) {
    assert.ok(isCoreError(error, 'CONFLICT'), String(error));
    return 'conflict';
  }
}

const reads =
  (name: string) =>
  async (transaction: MetaTransaction): Promise<void> => {
    await transaction.get(key(name));
    transaction.set(key(`result of ${name}`), value('1'));
  };
const writes =
  (name: string) =>
  async (transaction: MetaTransaction): Promise<void> =>
    transaction.set(key(name), value('new'));
const deletes =
  (name: string) =>
  async (transaction: MetaTransaction): Promise<void> =>
    transaction.delete(key(name));
const lists =
  (from: string, to: string, limit: number, reverse = false) =>
  async (transaction: MetaTransaction): Promise<void> => {
    await transaction.range({ from: key(from), to: key(to), limit, reverse });
    transaction.set(key('result'), value('1'));
  };
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

function conflicts(test: Test): void {
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
    const own = async (transaction: MetaTransaction): Promise<void> => {
      transaction.set(key('a'), value('mine'));
      await transaction.get(key('a'));
    };
    assert.equal(await overlap(store, own, writes('a')), 'committed');
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
}

function visibility(test: Test): void {
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

function retries(test: Test): void {
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

const entries = async (store: MetaStore, topic: string, after?: string): Promise<string[]> =>
  (await store.readOutbox(topic, after, 100)).map((entry) => asText(entry.value));

function outbox(test: Test): void {
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

function watches(test: Test): void {
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

function tokens(test: Test): void {
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

function failures(test: Test): void {
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

function serializability(test: Test): void {
  for (const seed of [1, 2, 3]) {
    test(`random transactions equal their commit order, seed ${seed}`, async ({ store }) => {
      await randomHistory(store, new Prng(seed));
    });
  }

  test('transfers keep the sum', async ({ store }) => {
    await transferWorkload(store, new Prng(11));
  });

  test('swaps in a ring keep it one ring', async ({ store }) => {
    await ringWorkload(store, new Prng(12));
  });
}
