import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isCoreError } from '../../../core/base/errors.ts';
import { ListedObjects } from '../../../core/meta/listed-objects.ts';
import { ListPage } from '../../../core/meta/messages.ts';
import { EntryRow, encodeRow, entryKind } from '../../../core/meta/rows.ts';

const uint = fc.maxSafeNat();
const text = fc.string({ maxLength: 200 });
const summary = fc.record(
  {
    sizeBytes: uint,
    modifiedMs: uint,
    etag: text,
    content: uint,
    storageClass: fc.constantFrom('STANDARD', 'GLACIER'),
    owner: fc.tuple(text, text).map(([id, displayName]) => ({ id, displayName })),
    checksumAlgorithm: text,
    checksumType: text,
  },
  { requiredKeys: ['sizeBytes', 'modifiedMs', 'etag', 'content'] },
);
const item = fc.record({
  path: fc.uint8Array({ maxLength: 300 }),
  name: fc.uint8Array({ maxLength: 300 }),
  inode: uint,
  version: uint,
  nullVersion: fc.boolean(),
  summary,
});

test('an object copied from its entry is the one that its summary says', () => {
  fc.assert(
    fc.property(fc.array(item, { maxLength: 20 }), (items) => {
      const objects = new ListedObjects(16);
      for (const { path, name, ...entry } of items) {
        const row = encodeRow(EntryRow, { kind: entryKind.file, ...entry });
        assert.equal(objects.addEntry(path, name, row), true);
      }
      const expected = items.map(({ path, name, summary: { modifiedMs, ...rest } }) => ({
        ...rest,
        lastModifiedMs: modifiedMs,
        storageClass: rest.storageClass ?? 'STANDARD',
        key: Buffer.concat([path, name]),
      }));
      assert.deepEqual(ListPage.decode(objects.finish()).objects, expected);
    }),
  );
});

test('an entry without a summary is left to the caller; a damaged or newer one is an error', () => {
  const objects = new ListedObjects(16);
  const nothing = Buffer.alloc(0);
  const entry = { kind: entryKind.file, inode: 7, version: 1, nullVersion: true };
  assert.equal(objects.addEntry(nothing, nothing, encodeRow(EntryRow, entry)), false);
  assert.equal(objects.finish().length, 0);
  const row = encodeRow(EntryRow, {
    ...entry,
    summary: { sizeBytes: 1, modifiedMs: 2, etag: 'e', content: 0 },
  });
  const cut = row.subarray(0, row.length - 6);
  assert.throws(
    () => objects.addEntry(nothing, nothing, cut),
    (error) => isCoreError(error, 'CORRUPT'),
  );
  row[0] = 2;
  assert.throws(
    () => objects.addEntry(nothing, nothing, row),
    (error) => isCoreError(error, 'VERSION_UNSUPPORTED'),
  );
});
