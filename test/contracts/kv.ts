// What every Kv promises (core/env/kv.ts), run on `level` and on the simulated store.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { notNow } from '../../core/env/kv.ts';
import type { Kv, KvEntry, KvMutation } from '../../core/env/kv.ts';

export interface KvFixture {
  readonly kv: Kv;
  remove(): Promise<void>;
}

const key = (value: string): Buffer => Buffer.from(value, 'latin1');
const put = (name: string, value: string): KvMutation => ({ key: key(name), value: key(value) });
const del = (name: string): KvMutation => ({ key: key(name), value: undefined });
const shown = (entries: readonly KvEntry[]): string[] =>
  entries.map(([name, value]) =>
    [name, value].map((part) => Buffer.from(part).toString('latin1')).join('='),
  );

const numbered = (index: number): string => String(index).padStart(6, '0');

const textOf = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('latin1');

export function kvContract(name: string, make: () => Promise<KvFixture>): void {
  const withKv = async (run: (kv: Kv) => Promise<void>): Promise<void> => {
    const fixture = await make();
    try {
      await run(fixture.kv);
    } finally {
      await fixture.kv.close();
      await fixture.remove();
    }
  };

  describe(`kv contract: ${name}`, () => {
    test('get, getMany, overwrite, remove, empty values', () =>
      withKv(async (kv) => {
        assert.equal(await kv.get(key('a')), undefined);
        await kv.batch([put('a', '1'), put('b', ''), put('a', '2')], { sync: false });
        assert.equal(textOf(await kv.get(key('a'))), '2');
        assert.equal(textOf(await kv.get(key('b'))), '');
        await kv.batch([del('a'), del('never'), put('c', '3')], { sync: true });
        const many = await kv.getMany([key('c'), key('a'), key('b'), key('c')]);
        assert.deepEqual(many.map(textOf), ['3', undefined, '', '3']);
        assert.deepEqual(await kv.getMany([]), []);
      }));

    test('storedBytes grows with what is stored; compact changes nothing that is read', () =>
      withKv(async (kv) => {
        const rows = Array.from({ length: 4000 }, (_, index) =>
          put(numbered(index), 'v'.repeat(500)),
        );
        await kv.batch(rows, { sync: true });
        await kv.compact(key(numbered(0)), key(numbered(3999)));
        const stored = await kv.storedBytes(key(numbered(0)), key(numbered(3999)));
        assert.ok(stored > 10_000, String(stored));
        assert.ok((await kv.storedBytes(key(numbered(0)), key(numbered(1000)))) < stored / 2);
        const removed = rows.slice(0, 3900).map(({ key: at }) => ({ key: at, value: undefined }));
        await kv.batch(removed, { sync: true });
        await kv.compact(key(numbered(0)), key(numbered(3999)));
        assert.ok((await kv.storedBytes(key(numbered(0)), key(numbered(3999)))) < stored / 4);
        const left = await kv.range({ from: key('0'), to: key('9'), limit: 4000 });
        assert.deepEqual(
          left.map(([at]) => Buffer.from(at).toString('latin1')),
          Array.from({ length: 100 }, (_, index) => numbered(3900 + index)),
        );
      }));

    test('what getNow answers is what get does, also while a batch is on its way', () =>
      withKv(async (kv) => {
        let answered = 0;
        const now = (): string | undefined => {
          const value = kv.getNow(key('a'));
          if (value === notNow) return undefined;
          answered++;
          return textOf(value) ?? 'absent';
        };
        for (let round = 0; round < 100; round++) {
          const value = String(round);
          const before = now();
          assert.ok([undefined, 'absent', String(round - 1)].includes(before), before);
          const written = kv.batch([put('a', value)], { sync: false });
          const during = now();
          assert.ok([undefined, 'absent', String(round - 1), value].includes(during), during);
          // oxlint-disable-next-line no-await-in-loop -- batch after batch
          await written;
          assert.equal(textOf(kv.getSync(key('a'))), value);
          assert.equal(kv.getSync(key('none')), undefined);
          const after = now();
          assert.ok(after === undefined || after === value, after);
        }
        assert.ok(answered > 0);
      }));

    test('ranges are in byte order, half open, limited, reversible', () =>
      withKv(async (kv) => {
        const names = ['a', 'a\x00', 'a\xff', 'b', 'ba', '\x00', '\x7f', '\x80', '\xff\xff'];
        await kv.batch(
          names.map((each) => put(each, 'v')),
          { sync: false },
        );
        const range = async (from: string, to: string, limit: number, reverse = false) =>
          shown(await kv.range({ from: key(from), to: key(to), limit, reverse })).map((line) =>
            line.slice(0, -2),
          );
        assert.deepEqual(await range('', '\xff\xff\xff', 100), [
          '\x00',
          'a',
          'a\x00',
          'a\xff',
          'b',
          'ba',
          '\x7f',
          '\x80',
          '\xff\xff',
        ]);
        assert.deepEqual(await range('a', 'b', 100), ['a', 'a\x00', 'a\xff']);
        assert.deepEqual(await range('a', 'b', 2), ['a', 'a\x00']);
        assert.deepEqual(await range('a', 'b', 2, true), ['a\xff', 'a\x00']);
        assert.deepEqual(await range('a', 'b', 0), []);
        assert.deepEqual(await range('b', 'b', 5), []);
        assert.deepEqual(await range('c', 'b', 5), []);
      }));

    test('a page may be longer than one native trip', () =>
      withKv(async (kv) => {
        const numbers = Array.from({ length: 2500 }, (_, index) => String(index).padStart(5, '0'));
        await kv.batch(
          numbers.map((each) => put(each, 'x'.repeat(100))),
          { sync: false },
        );
        const page = await kv.range({ from: key('0'), to: key('9'), limit: 2400 });
        assert.equal(page.length, 2400);
        assert.equal(textOf(page[2399]?.[0]), '02399');
      }));

    test('what a reader got does not change under it', () =>
      withKv(async (kv) => {
        const value = Buffer.from('before');
        await kv.batch([{ key: key('k'), value }], { sync: false });
        value.fill(0x7e);
        const got = await kv.get(key('k'));
        await kv.batch([put('k', 'after')], { sync: false });
        assert.equal(textOf(got), 'before');
        assert.equal(textOf(await kv.get(key('k'))), 'after');
      }));
  });
}
