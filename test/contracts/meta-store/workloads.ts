// Two classic workloads whose invariant breaks as soon as transactions are not serializable: transfers
// between accounts (the sum stays) and rotations in a ring of keys (it stays one ring).

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Prng } from '../../../core/base/prng.ts';
import type { MetaReader, MetaStore } from '../../../core/meta/meta-store.ts';

const name = (prefix: string, at: number): Buffer =>
  Buffer.from(`${prefix}${String(at).padStart(4, '0')}`);

async function numberAt(reader: MetaReader, key: Uint8Array): Promise<number> {
  const found = await reader.get(key);
  assert.ok(found !== undefined, `no row ${Buffer.from(key).toString()}`);
  return Number(Buffer.from(found).toString());
}

const pause = (prng: Prng): Promise<void> =>
  prng.chance(0.5) ? Promise.resolve() : new Promise((resolve) => setImmediate(resolve));

async function fill(
  store: MetaStore,
  prefix: string,
  count: number,
  value: (at: number) => number,
) {
  await store.transact(async (transaction) => {
    for (let at = 0; at < count; at++) {
      transaction.set(name(prefix, at), Buffer.from(String(value(at))));
    }
  });
}

/** Runs `turns` of `body` on each of `actors` concurrent actors. */
async function concurrently(
  actors: number,
  turns: number,
  body: () => Promise<void>,
): Promise<void> {
  const actor = async (): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop -- an actor's turns follow one another
    for (let i = 0; i < turns; i++) await body();
  };
  await Promise.all(Array.from({ length: actors }, actor));
}

export async function transferWorkload(store: MetaStore, prng: Prng): Promise<void> {
  const accounts = 12;
  const total = accounts * 100;
  await fill(store, 'bank', accounts, () => 100);
  const transfer = async (): Promise<void> => {
    const from = name('bank', prng.below(accounts));
    const to = name('bank', prng.below(accounts));
    if (from.equals(to)) return;
    const amount = prng.below(30);
    await store.transact(async (transaction) => {
      const rich = await numberAt(transaction, from);
      await pause(prng);
      const poor = await numberAt(transaction, to);
      if (rich < amount) return;
      transaction.set(from, Buffer.from(String(rich - amount)));
      transaction.set(to, Buffer.from(String(poor + amount)));
    });
  };
  const audit = async (): Promise<void> => {
    const rows = await store.transact(async (transaction) => {
      const half = await transaction.range({
        from: name('bank', 0),
        to: name('bank', accounts / 2),
        limit: 100,
      });
      await pause(prng);
      const rest = await transaction.range({
        from: name('bank', accounts / 2),
        to: name('bank', accounts),
        limit: 100,
      });
      return [...half, ...rest];
    });
    const sum = rows.reduce((all, [, value]) => all + Number(Buffer.from(value).toString()), 0);
    assert.equal(sum, total);
    assert.ok(rows.every(([, value]) => Number(Buffer.from(value).toString()) >= 0));
  };
  await concurrently(8, 25, async () => (prng.chance(0.2) ? audit() : transfer()));
  await audit();
}

export async function ringWorkload(store: MetaStore, prng: Prng): Promise<void> {
  const nodes = 20;
  await fill(store, 'ring', nodes, (at) => (at + 1) % nodes);
  const rotate = async (): Promise<void> => {
    const start = prng.below(nodes);
    await store.transact(async (transaction) => {
      // a → b → c → d becomes a → c → b → d.
      const a = name('ring', start);
      const b = await numberAt(transaction, a);
      await pause(prng);
      const c = await numberAt(transaction, name('ring', b));
      await pause(prng);
      const d = await numberAt(transaction, name('ring', c));
      transaction.set(a, Buffer.from(String(c)));
      transaction.set(name('ring', c), Buffer.from(String(b)));
      transaction.set(name('ring', b), Buffer.from(String(d)));
    });
  };
  await concurrently(8, 25, rotate);
  const seen = new Set<number>();
  let at = 0;
  while (!seen.has(at)) {
    seen.add(at);
    // oxlint-disable-next-line no-await-in-loop -- each step needs the last
    at = await numberAt(store, name('ring', at));
  }
  assert.equal(at, 0);
  assert.equal(seen.size, nodes);
}
