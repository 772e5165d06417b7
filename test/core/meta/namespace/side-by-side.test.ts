import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes } from '../../../../core/base/bytes.ts';
import { marks, resetMarks } from '../../../../core/base/mark.ts';
import type { MetaEntry, MetaReader, RangeRead } from '../../../../core/meta/meta-store.ts';
import { readSideBySide } from '../../../../core/meta/namespace/side-by-side.ts';

const none = Buffer.alloc(0);

const unused = (): never => assert.fail('only ranges are read');
const rangesOf = (directories: readonly number[], limit: number): RangeRead[] =>
  directories.map((at) => ({ from: Buffer.of(at), to: Buffer.of(at + 1), limit }));

/** Only what the function uses. */
function readerOf(keys: readonly Buffer[], reads: RangeRead[]): MetaReader {
  const range = (asked: RangeRead): Promise<MetaEntry[]> => {
    reads.push(asked);
    const inside = keys.filter(
      (key) => compareBytes(key, asked.from) >= 0 && compareBytes(key, asked.to) < 0,
    );
    return Promise.resolve(inside.slice(0, asked.limit).map((key) => [key, none] as const));
  };
  return {
    get: unused,
    getMany: unused,
    range,
    rangeMany: (ranges) => Promise.all(ranges.map(range)),
  };
}

test('the pages are those of reading each range by itself, whatever lies between', async () => {
  resetMarks();
  const scenario = fc.record({
    keys: fc.uniqueArray(fc.tuple(fc.nat(30), fc.nat(20)), {
      maxLength: 120,
      selector: ([directory, name]) => directory * 100 + name,
    }),
    directories: fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 12 }),
    limit: fc.integer({ min: 1, max: 12 }),
    rowsMax: fc.integer({ min: 1, max: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ keys, directories, limit, rowsMax }) => {
      const sorted = keys.map(([a, b]) => Buffer.of(a, b)).toSorted(compareBytes);
      const reader = readerOf(sorted, []);
      const ranges = rangesOf(directories, limit);
      const { pages } = await readSideBySide(reader, ranges, rowsMax);
      assert.deepEqual(pages, await reader.rangeMany(ranges));
    }),
  );
  assert.ok((marks().get('list.apart') ?? 0) > 0, 'some pages were read by themselves');
});

test('directories side by side take one read, scattered ones are noticed', async () => {
  const keys = Array.from({ length: 400 }, (_, at) => Buffer.of(Math.floor(at / 10), at % 10));
  const reads: RangeRead[] = [];
  const beside = await readSideBySide(readerOf(keys, reads), rangesOf([3, 2, 4, 5], 11), 100);
  assert.equal(beside.scattered, false);
  assert.equal(reads.length, 1);
  const apart = await readSideBySide(readerOf(keys, reads), rangesOf([0, 20, 39], 11), 100);
  assert.equal(apart.scattered, true);
});
