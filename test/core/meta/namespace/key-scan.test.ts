// What a scan reads: the fewest trips that do not read in vain.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareBytes } from '../../../../core/base/bytes.ts';
import { id } from '../../../../core/base/ids.ts';
import type { InodeId } from '../../../../core/base/ids.ts';
import { entryKey } from '../../../../core/meta/keys.ts';
import type { MetaEntry, MetaReader, RangeRead } from '../../../../core/meta/meta-store.ts';
import { KeyScan, keyOf } from '../../../../core/meta/namespace/key-scan.ts';
import { EntryRow, encodeRow, entryKind } from '../../../../core/meta/rows.ts';

const unused = (): never => assert.fail('only ranges are read');
const none = Buffer.alloc(0);
const root = id<InodeId>(2);

function readerOf(entries: readonly MetaEntry[], reads: RangeRead[]): MetaReader {
  const sorted = entries.toSorted(([a], [b]) => compareBytes(a, b));
  const range = (asked: RangeRead): Promise<MetaEntry[]> => {
    reads.push(asked);
    const { from, to, limit } = asked;
    const inside = sorted.filter(
      ([key]) => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0,
    );
    return Promise.resolve(inside.slice(0, limit));
  };
  const rangeMany = (ranges: readonly RangeRead[]): Promise<MetaEntry[][]> =>
    Promise.all(ranges.map(range));
  return { get: unused, getMany: unused, range, rangeMany };
}

const entry = (directory: InodeId, name: string, inode: number): MetaEntry => {
  const kind = name.endsWith('/') ? entryKind.directory : entryKind.file;
  const row = encodeRow(EntryRow, { kind, inode, version: 1, nullVersion: true });
  return [entryKey(directory, Buffer.from(name)), row];
};

const numbered = (index: number): string => String(index).padStart(6, '0');

async function keysOf(reader: MetaReader, wanted: number): Promise<string[]> {
  const scan = new KeyScan(reader, { directory: root, path: none, prefix: none }, wanted);
  const keys: string[] = [];
  while (keys.length < wanted) {
    // oxlint-disable-next-line no-await-in-loop -- key after key
    const found = scan.known() ?? (await scan.next());
    if (found === undefined) break;
    keys.push(keyOf(found).toString());
  }
  return keys;
}

test('behind a page of files alone the rest of the keys that are wanted is one read', async () => {
  const files = Array.from({ length: 3000 }, (_, index) =>
    entry(root, numbered(index), 100 + index),
  );
  const reads: RangeRead[] = [];
  const keys = await keysOf(readerOf(files, reads), 1001);
  assert.equal(keys.length, 1001);
  assert.equal(keys.at(-1), numbered(1000));
  assert.deepEqual(
    reads.map(({ limit }) => limit),
    [128, 873],
  );
});

test('a page of directories is followed by no more than twice as many', async () => {
  const count = 600;
  const entries = Array.from({ length: count }, (_, index) => [
    entry(root, `${numbered(index)}/`, 1000 + index),
    entry(id<InodeId>(1000 + index), 'file', 10_000 + index),
  ]).flat();
  const reads: RangeRead[] = [];
  const keys = await keysOf(readerOf(entries, reads), 1001);
  assert.equal(keys.length, count);
  const parent = entryKey(root, none);
  const ofRoot = reads.filter(({ from }) => parent.equals(from.subarray(0, parent.length)));
  assert.ok(ofRoot.length > 2);
  assert.deepEqual(
    ofRoot.slice(0, 2).map(({ limit }) => limit),
    [128, 256],
  );
});
