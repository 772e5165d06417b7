import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isCoreError } from '../../../../core/base/errors.ts';
import { ListPage } from '../../../../core/meta/messages.ts';
import { decodeListedPage } from '../../../../core/model/objects/listed-page.ts';

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.string({ maxLength: 50 }));
const owner = fc.record({ id: text, displayName: text }, { noNullPrototype: true });
const bytes = fc.uint8Array({ maxLength: 50 }).map((value) => Buffer.from(value));
/** Neighbours that share strings, and some that do not. */
const shared = fc.constantFrom('STANDARD', 'GLACIER', 'é', 'Ã©', '');
const object = fc.record(
  {
    sizeBytes: fc.maxSafeNat(),
    lastModifiedMs: fc.maxSafeNat(),
    etag: text,
    storageClass: shared,
    owner,
    checksumAlgorithm: shared,
    checksumType: shared,
    content: fc.maxSafeNat(),
    key: bytes,
  },
  {
    requiredKeys: ['sizeBytes', 'lastModifiedMs', 'etag', 'storageClass', 'content', 'key'],
    noNullPrototype: true,
  },
);
const page = fc.record(
  {
    objects: fc.array(object, { maxLength: 12 }),
    commonPrefixes: fc.array(bytes, { maxLength: 3 }),
    next: bytes,
    bucketOwner: owner,
  },
  { requiredKeys: ['objects', 'commonPrefixes', 'bucketOwner'], noNullPrototype: true },
);

test('a page is decoded to what its message says', () => {
  fc.assert(
    fc.property(page, ({ bucketOwner, objects, ...rest }) => {
      const expected = objects.map(({ content, ...shown }) => {
        assert.equal(typeof content, 'number');
        return { owner: bucketOwner, ...shown };
      });
      const payload = ListPage.encode({ bucketOwner, objects, ...rest });
      assert.deepEqual(decodeListedPage(payload), { ...rest, objects: expected });
    }),
    { numRuns: 300 },
  );
});

test('a cut or longer page is an error or a page, never a throw of another kind', () => {
  fc.assert(
    fc.property(page, fc.nat(), fc.nat(255), (value, place, byte) => {
      const payload = ListPage.encode(value);
      const at = place % Math.max(1, payload.length);
      const changed = Buffer.from(payload);
      if (changed.length > 0) changed[at] = byte;
      for (const damaged of [payload.subarray(0, at), changed]) {
        try {
          decodeListedPage(damaged);
        } catch (error) {
          assert.ok(isCoreError(error, 'PROTOCOL'), String(error));
        }
      }
    }),
    { numRuns: 300 },
  );
});
