import { limits } from '../../../core/base/limits.ts';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import type { RecordNumber } from '../../../core/base/ids.ts';
import { Prng } from '../../../core/base/prng.ts';
import { silentEvents } from '../../../core/env/events.ts';
import type { Kv, KvEntry, KvMutation } from '../../../core/env/kv.ts';
import type { JournaledTable } from '../../../core/store/table.ts';
import { openTable } from '../../../core/store/table.ts';
import { Overlay } from '../../../core/store/table-overlay.ts';
import { decodeSummary, encodeSummary } from '../../../core/store/table-row.ts';
import { RangeMerge } from '../../../core/store/table-range.ts';
import { drained } from '../../sim/clock.ts';
import { SimKv } from '../../sim/kv.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');
const put = (key: string, value: string): KvMutation => ({ key: bytes(key), value: bytes(value) });
const del = (key: string): KvMutation => ({ key: bytes(key), value: undefined });
const shown = (entries: readonly KvEntry[]): string[] =>
  entries.map(([key, value]) => `${text(key)}=${text(value)}`);
const number = (value: number): RecordNumber => value as RecordNumber;

function open(
  kv: Kv,
  options: Partial<Parameters<typeof openTable>[0]> = {},
): Promise<JournaledTable> {
  return openTable({ name: 'test', kv, prefix: bytes('t'), events: silentEvents, ...options });
}

/** A promise that a test lets pass. */
function gate(): { passed: Promise<void>; open(): void } {
  const made = { open: (): void => undefined };
  const passed = new Promise<void>((resolve) => {
    made.open = resolve;
  });
  return { passed, open: () => made.open() };
}

/** Holds the answer to one get, and batches, until the test lets them go. */
class SlowKv extends SimKv {
  answer: Promise<void> | undefined;
  holds: Promise<void>[] = [];

  override async get(name: Uint8Array): Promise<Uint8Array | undefined> {
    const { answer } = this;
    this.answer = undefined;
    const value = await super.get(name);
    await answer;
    return value;
  }

  override async batch(
    mutations: readonly KvMutation[],
    options: { sync: boolean },
  ): Promise<void> {
    await this.holds.shift();
    await super.batch(mutations, options);
  }
}

const refused = (pattern: RegExp) => (error: unknown) =>
  isCoreError(error, 'DISK_REFUSED') && pattern.test(error.message);

const all = { from: bytes(''), to: bytes('\xff\xff'), limit: 1000 };

describe('journaled table', () => {
  test('overlay, flushed and stored rows read alike, forward and backward', async () => {
    const kv = new SimKv();
    const table = await open(kv);
    table.apply(number(1), [put('a', '1'), put('b', '1'), put('c', '1'), put('d', '1')]);
    await table.flush(number(2));
    assert.ok(table.overlayBytes === 0);
    table.apply(number(2), [put('b', '2'), del('c'), put('bb', '2')]);
    assert.deepEqual(shown(await table.range(all)), ['a=1', 'b=2', 'bb=2', 'd=1']);
    assert.deepEqual(shown(await table.range({ ...all, reverse: true, limit: 3 })), [
      'd=1',
      'bb=2',
      'b=2',
    ]);
    assert.deepEqual(shown(await table.range({ from: bytes('b'), to: bytes('d'), limit: 9 })), [
      'b=2',
      'bb=2',
    ]);
    const many = await table.getMany(['a', 'b', 'c', 'x', 'd'].map(bytes));
    assert.deepEqual(
      many.map((value) => (value === undefined ? undefined : text(value))),
      ['1', '2', undefined, undefined, '1'],
    );
  });

  test('a get of a fresh row is synchronous', async () => {
    const table = await open(new SimKv());
    table.apply(number(1), [put('k', 'v'), del('gone')]);
    assert.equal(text(table.get(bytes('k')) as Uint8Array), 'v');
    assert.equal(table.get(bytes('gone')), undefined);
    const slow = await open(new SimKv({ delay: () => Promise.resolve() }));
    assert.ok(slow.get(bytes('unknown')) instanceof Promise);
  });

  test('values given to apply are kept as they are', async () => {
    const table = await open(new SimKv());
    const value = bytes('value');
    table.apply(number(1), [{ key: bytes('k'), value }]);
    assert.equal(table.get(bytes('k')), value);
  });

  test('many removals do not hide what follows', async () => {
    const table = await open(new SimKv());
    const keys = Array.from({ length: 3000 }, (_, index) => String(index).padStart(5, '0'));
    table.apply(
      number(1),
      keys.map((key) => put(key, 'v')),
    );
    await table.flush(number(2));
    table.apply(number(2), keys.slice(0, 2990).map(del));
    assert.deepEqual(shown(await table.range({ ...all, limit: 2 })), ['02990=v', '02991=v']);
    assert.deepEqual(shown(await table.range({ ...all, limit: 100 })).length, 10);
    assert.deepEqual(
      shown(await table.range({ ...all, to: bytes('02992'), limit: 5, reverse: true })),
      ['02991=v', '02990=v'],
    );
  });

  test('a damaged row is an error that names the key, a lost or stale one is found by verify', async () => {
    const kv = new SimKv();
    const table = await open(kv);
    table.apply(number(1), [put('a', '1'), put('b', '1'), put('c', '1')]);
    await table.flush(number(2));
    const stale = await kv.get(bytes('tb'));
    table.apply(number(2), [put('b', '2')]);
    await table.flush(number(3));
    const fresh = await open(kv);
    assert.deepEqual(await fresh.verify(), {
      rows: 3,
      damaged: [],
      damagedCount: 0,
      expectedRows: 3,
      ok: true,
    });
    const lost = kv.copy();
    lost.damage(bytes('ta'), undefined);
    assert.equal((await (await open(lost)).verify()).ok, false);
    const old = kv.copy();
    old.damage(bytes('tb'), stale);
    assert.equal((await (await open(old)).verify()).ok, false);
    const flipped = kv.copy();
    const row = Buffer.from((await kv.get(bytes('tc'))) as Uint8Array);
    row[4] = (row[4] as number) ^ 1;
    flipped.damage(bytes('tc'), row);
    const damaged = await open(flipped);
    const moved = kv.copy();
    moved.damage(bytes('ta'), await kv.get(bytes('tc')));
    await assert.rejects(
      async () => (await open(moved)).get(bytes('a')),
      (error) => isCoreError(error, 'CORRUPT'),
    );
    const corrupt = (error: unknown): boolean =>
      isCoreError(error, 'CORRUPT') && error.message.includes(bytes('c').toString('hex'));
    await assert.rejects(async () => damaged.get(bytes('c')), corrupt);
    await assert.rejects(damaged.getMany([bytes('a'), bytes('c')]), corrupt);
    await assert.rejects(damaged.range(all), corrupt);
    assert.deepEqual((await damaged.verify()).damaged.map(text), ['c']);
  });

  test('rows older than the journal begins, or newer than it ends, are refused', async () => {
    const kv = new SimKv();
    const table = await open(kv);
    table.apply(number(1), [put('a', '1')]);
    await table.flush(number(2));
    const old = kv.copy();
    table.apply(number(2), [put('a', '2')]);
    await table.flush(number(3));
    // Another user's record was the third: nothing to write, but it has to be stated.
    await table.flush(number(4));
    const expected = async (store: Kv, from: number, next: number): Promise<void> =>
      (await open(store)).expect(number(from), number(next));
    await expected(kv, 4, 4);
    await expected(kv, 1, 9);
    await assert.rejects(expected(kv, 5, 5), refused(/end at journal record 3.*begins at 5/));
    await assert.rejects(expected(kv, 3, 3), refused(/are of journal record 3.*ends before 3/));
    // Whole in itself, so that no check of its rows finds anything.
    assert.ok((await (await open(old)).verify()).ok);
    await assert.rejects(expected(old, 4, 4), refused(/restore the whole data directory/));
    // A table that lost everything, its summary too.
    await assert.rejects(expected(new SimKv(), 4, 4), refused(/end at journal record 0/));
    await expected(new SimKv(), 1, 1);
  });

  test('a summary of version 1 is read, and becomes one of version 2', async () => {
    const kv = new SimKv();
    const table = await open(kv);
    table.apply(number(1), [put('a', '1')]);
    await table.flush(number(2));
    const summaryKey = bytes('\0t');
    const stored = (await kv.get(summaryKey)) as Uint8Array;
    const summary = decodeSummary(summaryKey, stored);
    assert.deepEqual(summary?.through, 1);
    kv.damage(summaryKey, encodeSummary(summaryKey, { ...summary, through: undefined }));
    const old = await open(kv);
    old.expect(number(9), number(9));
    await old.flush(number(9));
    assert.equal((await kv.get(summaryKey))?.length, stored.length);
    const now = await open(kv);
    assert.throws(() => now.expect(number(10), number(10)), /end at journal record 8/);
    assert.ok((await now.verify()).ok);
  });

  test('verify goes on beside flushes that change what it has read', async () => {
    const kv = new SimKv();
    const table = await open(kv);
    const keys = Array.from({ length: 2500 }, (_, index) => String(index).padStart(5, '0'));
    table.apply(
      number(1),
      keys.map((key) => put(key, 'v')),
    );
    await table.flush(number(2));
    const check = table.verify();
    table.apply(number(2), [put('00001', 'changed'), del('00002'), put('00003a', 'new')]);
    table.apply(number(2), [put('02400', 'changed'), del('02401'), put('02402a', 'new')]);
    await table.flush(number(3));
    const { ok, rows } = await check;
    assert.deepEqual({ ok, rows }, { ok: true, rows: 2500 });
  });

  test('a merge does not pass what it has read of the Kv', () => {
    const bounds = { from: bytes(''), to: bytes('zz'), reverse: false, limit: 2 };
    const merge = new RangeMerge(bounds, { prefix: bytes('t'), decode: (_, row) => row });
    const overlay = new Overlay();
    merge.add(
      [
        [bytes('ta'), bytes('1')],
        [bytes('tb'), bytes('1')],
      ],
      overlay,
      undefined,
    );
    overlay.set('a', null);
    overlay.set('z', bytes('2'));
    assert.equal(merge.result(overlay, undefined), undefined);
    merge.add([[bytes('tc'), bytes('1')]], overlay, undefined);
    assert.deepEqual(shown(merge.result(overlay, undefined) ?? []), ['b=1', 'c=1']);
  });

  test('a read that raced a flush does not stay in the cache', async () => {
    // The flush has two batches; the answer to a read of a row in the first comes between or after them.
    for (const between of [true, false]) {
      const kv = new SlowKv();
      // oxlint-disable no-await-in-loop -- both orders
      const table = await open(kv);
      table.apply(number(1), [put('a', '1')]);
      await table.flush(number(2));
      const fresh = await open(kv);
      const [answer, second] = [gate(), gate()];
      kv.answer = answer.passed;
      const early = fresh.get(bytes('a'));
      await drained();
      fresh.apply(number(2), [put('a', '2')]);
      const rest = Array.from({ length: 600 }, (_, index) => put(`b${index}`, 'x'));
      fresh.apply(number(3), rest);
      kv.holds = [Promise.resolve(), second.passed];
      const flushed = fresh.flush(number(4));
      await drained();
      if (between) answer.open();
      await drained();
      second.open();
      await flushed;
      answer.open();
      assert.equal(text((await early) as Uint8Array), '1');
      assert.equal(text((await fresh.get(bytes('a'))) as Uint8Array), '2', `between: ${between}`);
      // oxlint-enable no-await-in-loop
    }
  });

  test('asks for a checkpoint once when the overlay is large', async () => {
    let asked = 0;
    let next = 1;
    let end: (() => void) | undefined;
    const onLarge = (): Promise<void> => {
      asked++;
      return new Promise((resolve) => (end = resolve));
    };
    const table = await open(new SimKv(), { overlayBytesMax: 2000, onLarge });
    const write = (): void => {
      for (let index = 0; index < 50; index++)
        table.apply(number(next++), [put(`key ${index}`, 'x'.repeat(100))]);
    };
    const ended = (): Promise<void> => {
      end?.();
      return drained();
    };
    write();
    assert.equal(asked, 1);
    await table.flush(number(next));
    await ended();
    assert.equal(asked, 1);
    write();
    assert.equal(asked, 2);
    // Large again before the checkpoint has ended: nobody else would ask once it has.
    await table.flush(number(next));
    write();
    assert.equal(asked, 2);
    await ended();
    assert.equal(asked, 3);
    // This one flushed nothing.
    await ended();
    assert.equal(asked, 4);
    await ended();
    assert.equal(asked, 4, 'nor does asking again help');
    write();
    assert.equal(asked, 5);
  });

  test('a change before there is a journal asks nobody, and the next one asks again', async () => {
    let asked = 0;
    const onLarge = (): undefined => void asked++;
    const table = await open(new SimKv(), { overlayBytesMax: 10, onLarge });
    table.apply(number(1), [put('key', 'value')]);
    table.apply(number(2), [put('key', 'value')]);
    assert.equal(asked, 2);
  });

  test('asks for a checkpoint when many rows are hidden by removals', async () => {
    let asked = 0;
    const table = await open(new SimKv(), { onLarge: () => void asked++ });
    const removals = Array.from({ length: limits.tableRemovalsMax }, (_, at) => del(`key ${at}`));
    table.apply(number(1), removals);
    table.apply(number(2), [del('key 0'), put('key 1', 'put again'), del('another')]);
    assert.equal(asked, 0);
    table.apply(number(3), [del('one more')]);
    assert.equal(asked, 1);
  });

  test('a flush that failed keeps its rows visible, and the next one writes them', async () => {
    const kv = new SimKv();
    const table = await open(kv);
    table.apply(number(1), [put('a', '1')]);
    kv.fail('batch');
    await assert.rejects(table.flush(number(2)));
    table.apply(number(2), [put('b', '2')]);
    assert.deepEqual(shown(await table.range(all)), ['a=1', 'b=2']);
    kv.fail(undefined);
    await table.flush(number(3));
    assert.deepEqual(shown(await (await open(kv)).range(all)), ['a=1', 'b=2']);
    assert.ok((await table.verify()).ok);
  });
});

// The table against a map: random changes, flushes and reads that run through each other, and crashes that
// lose any subset of unsynced batches, after which the records since the last finished flush are replayed.
describe('journaled table: model', () => {
  for (let seed = 1; seed <= 20; seed++) {
    test(`seed ${seed}`, () => new TableModel(seed).run(400));
  }
});

class TableModel {
  private readonly prng: Prng;
  private readonly model = new Map<string, string>();
  private kv: SimKv;
  private table!: JournaledTable;
  private log: { number: number; mutations: KvMutation[] }[] = [];
  private next = 1;
  private pending: Promise<unknown>[] = [];

  constructor(seed: number) {
    this.prng = new Prng(`table ${seed}`);
    this.kv = new SimKv({ delay: () => this.delay() });
  }

  /** Operations take a random number of microtasks, so that they overlap in many ways. */
  private async delay(): Promise<void> {
    for (let left = this.prng.below(6); left > 0; left--) {
      // oxlint-disable-next-line no-await-in-loop -- a delay
      await Promise.resolve();
    }
  }

  private key(): string {
    return 'k'.repeat(1 + this.prng.below(2)) + String.fromCodePoint(this.prng.below(40) + 100);
  }

  async run(steps: number): Promise<void> {
    this.table = await open(this.kv, { cacheBytesMax: 2000 });
    for (let step = 0; step < steps; step++) {
      const roll = this.prng.unit();
      // oxlint-disable no-await-in-loop -- one step after another
      if (roll < 0.5) this.change();
      else if (roll < 0.6) this.flush();
      else if (roll < 0.9) this.pending.push(this.check());
      else if (roll < 0.97) await this.settle();
      else await this.crash();
      await this.delay();
      // oxlint-enable no-await-in-loop
    }
    await this.settle();
    await this.check();
    await this.table.flush(number(this.next));
    assert.ok((await this.table.verify()).ok);
  }

  private change(): void {
    const mutations = Array.from({ length: 1 + this.prng.below(4) }, () => {
      const key = this.key();
      return this.prng.chance(0.4) ? del(key) : put(key, `${this.next}`);
    });
    const record = { number: this.next++, mutations };
    this.log.push(record);
    this.table.apply(number(record.number), mutations);
    for (const { key, value } of mutations) {
      if (value === undefined) this.model.delete(text(key));
      else this.model.set(text(key), text(value));
    }
  }

  private flush(): void {
    const below = this.next;
    const flushed = this.table.flush(number(below)).then(() => {
      this.log = this.log.filter((record) => record.number >= below);
      return undefined;
    });
    this.pending.push(flushed);
  }

  private async settle(): Promise<void> {
    await Promise.all(this.pending.splice(0));
    await this.check();
  }

  /** What a read returns is the state of some moment between its start and its end. */
  private async check(): Promise<void> {
    const from = this.key();
    const to = this.key();
    const reverse = this.prng.chance(0.5);
    const limit = 1 + this.prng.below(12);
    const expected = (): string => {
      const keys = [...this.model.keys()].filter((key) => key >= from && key < to).toSorted();
      if (reverse) keys.reverse();
      return keys
        .slice(0, limit)
        .map((key) => `${key}=${this.model.get(key)}`)
        .join();
    };
    const one = this.key();
    const states = [expected()];
    const values = [this.model.get(one)];
    const reading = { on: true };
    const watch = (async () => {
      while (reading.on) {
        // oxlint-disable-next-line no-await-in-loop -- after each microtask
        await Promise.resolve();
        states.push(expected());
        values.push(this.model.get(one));
      }
    })();
    const [range, value] = await Promise.all([
      this.table.range({ from: bytes(from), to: bytes(to), limit, reverse }),
      this.table.get(bytes(one)),
    ]);
    reading.on = false;
    await watch;
    assert.ok(states.includes(shown(range).join()), `range ${from}…${to}`);
    assert.ok(values.includes(value === undefined ? undefined : text(value)), `get ${one}`);
  }

  private async crash(): Promise<void> {
    this.pending = this.pending.map((each) => each.catch(() => undefined));
    await Promise.all(this.pending.splice(0));
    // A flush of which some batches were written when the power went.
    void this.table.flush(number(this.next)).catch(() => undefined);
    await this.delay();
    this.kv = this.kv.crash(() => this.prng.chance(0.5), { delay: () => this.delay() });
    this.table = await open(this.kv, { cacheBytesMax: 2000 });
    this.table.expect(number(this.log[0]?.number ?? this.next), number(this.next));
    for (const record of this.log) this.table.apply(number(record.number), record.mutations);
  }
}
