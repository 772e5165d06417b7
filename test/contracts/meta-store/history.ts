// Random concurrent transactions with a complete checker: commit positions give the order, so replaying the
// transactions in it against a map must reproduce every read. Read-only ones must match some state between
// their beginning and their end.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { isCoreError } from '../../../core/base/errors.ts';
import type { Prng } from '../../../core/base/prng.ts';
import type { MetaStore, MetaTransaction } from '../../../core/meta/meta-store.ts';

type Model = Map<string, string>;

interface Read {
  readonly what: string;
  readonly found: string;
  /** The same read of a model state. */
  replay(model: Model): string;
}

interface Done {
  readonly position: string;
  /** Newest position known when it began. */
  readonly begun: string;
  readonly reads: readonly Read[];
  readonly writes: readonly (readonly [string, string | undefined])[];
}

const keys = 24;
const nameOf = (at: number): string => `h${String(at).padStart(3, '0')}`;
const show = (entries: readonly (readonly [string, string])[]): string =>
  entries.map(([key, value]) => `${key}=${value}`).join(' ');

async function pointRead(transaction: MetaTransaction, prng: Prng): Promise<Read> {
  const key = nameOf(prng.below(keys));
  const value = await transaction.get(Buffer.from(key));
  const found = value === undefined ? '-' : Buffer.from(value).toString();
  return { what: `get ${key}`, found, replay: (model) => model.get(key) ?? '-' };
}

async function rangeRead(transaction: MetaTransaction, prng: Prng): Promise<Read> {
  const from = nameOf(prng.below(keys));
  const to = nameOf(prng.below(keys + 4));
  const limit = 1 + prng.below(6);
  const reverse = prng.chance(0.4);
  const bounds = { from: Buffer.from(from), to: Buffer.from(to) };
  const entries = await transaction.range({ ...bounds, limit, reverse });
  const found = show(
    entries.map(([key, value]) => [Buffer.from(key).toString(), Buffer.from(value).toString()]),
  );
  const replay = (model: Model): string => {
    const inside = [...model].filter(([key]) => key >= from && key < to);
    const sorted = inside.toSorted(([a], [b]) => (a < b ? -1 : 1));
    return show((reverse ? sorted.toReversed() : sorted).slice(0, limit));
  };
  return { what: `range ${from} ${to} ${limit} ${String(reverse)}`, found, replay };
}

async function oneTransaction(
  store: MetaStore,
  prng: Prng,
  begun: string,
  id: string,
): Promise<Done> {
  const transaction = store.begin();
  const reads: Read[] = [];
  for (let i = prng.below(4); i > 0; i--) {
    // oxlint-disable-next-line no-await-in-loop -- reads at different moments are the point
    reads.push(await (prng.chance(0.5) ? pointRead : rangeRead)(transaction, prng));
    // oxlint-disable-next-line no-await-in-loop
    if (prng.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
  }
  const writes = new Map<string, string | undefined>();
  for (let i = prng.below(4); i > 0; i--) {
    const key = nameOf(prng.below(keys));
    writes.set(key, prng.chance(0.3) ? undefined : `${id}.${i}`);
  }
  for (const [key, value] of writes) {
    if (value === undefined) transaction.delete(Buffer.from(key));
    else transaction.set(Buffer.from(key), Buffer.from(value));
  }
  const position = await transaction.commit();
  return { position, begun, reads, writes: [...writes] };
}

export async function randomHistory(store: MetaStore, prng: Prng): Promise<void> {
  const done: Done[] = [];
  let newest = '';
  let lost = 0;
  const actor = async (name: number): Promise<void> => {
    const own = prng.fork(`actor ${name}`);
    for (let i = 0; i < 40; i++) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- an actor's transactions follow one another
        const one = await oneTransaction(store, own, newest, `${name}.${i}`);
        done.push(one);
        if (one.position > newest) newest = one.position;
      } catch (error) {
        assert.ok(isCoreError(error, 'CONFLICT'), String(error));
        lost++;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, name) => actor(name)));
  assert.ok(lost > 0 && done.length > lost, `${done.length} committed, ${lost} lost`);
  check(done);
}

function check(done: readonly Done[]): void {
  const writers = done.filter(({ writes }) => writes.length > 0);
  writers.sort((a, b) => (a.position < b.position ? -1 : 1));
  const states: { readonly position: string; readonly model: Model }[] = [];
  let model: Model = new Map();
  states.push({ position: '', model });
  for (const { position, reads, writes } of writers) {
    for (const read of reads)
      assert.equal(read.found, read.replay(model), `${position}: ${read.what}`);
    model = new Map(model);
    for (const [key, value] of writes) {
      if (value === undefined) model.delete(key);
      else model.set(key, value);
    }
    states.push({ position, model });
  }
  for (const { begun, position, reads } of done.filter(({ writes }) => writes.length === 0)) {
    // A state holds until the next one.
    const possible = states.filter(
      (state, at) => state.position <= position && (states[at + 1]?.position ?? '~') > begun,
    );
    const matches = possible.some((state) =>
      reads.every((read) => read.found === read.replay(state.model)),
    );
    assert.ok(
      matches,
      `no state between ${begun} and ${position} explains ${reads.map((r) => r.what).join(', ')}`,
    );
  }
}
