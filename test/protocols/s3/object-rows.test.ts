import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isoSeconds } from '../../../protocols/s3/http-date.ts';
import { urlEncode } from '../../../protocols/s3/listing.ts';
import { ObjectRows } from '../../../protocols/s3/object-rows.ts';
import { element, leaf, leafIf } from '../../../protocols/s3/xml-writer.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
  fc.stringMatching(/^[0-9a-f]{32}$/),
);
const owner = fc.record({ id: text, displayName: text });
const owners = fc.uniqueArray(owner, { minLength: 1, maxLength: 2 });
const object = fc.record(
  {
    key: fc.oneof(
      text.map((name) => Buffer.from(name)),
      fc.uint8Array({ maxLength: 40 }),
    ),
    sizeBytes: fc.oneof(fc.maxSafeNat(), fc.nat(2000), fc.constantFrom(0, 9, 10, 99, 100)),
    etag: text,
    lastModifiedMs: fc.oneof(fc.nat(8e12), fc.nat(3000)),
    storageClass: fc.constantFrom('STANDARD', 'GLACIER'),
    who: fc.nat(1),
    checksumAlgorithm: fc.constantFrom('CRC32', 'CRC64NVME'),
    checksumType: fc.constantFrom('FULL_OBJECT', 'COMPOSITE'),
  },
  { requiredKeys: ['key', 'sizeBytes', 'etag', 'lastModifiedMs', 'storageClass', 'who'] },
);

test('the bytes of a row are what the same elements written one by one are', () => {
  fc.assert(
    fc.property(
      fc.array(object, { maxLength: 12 }),
      owners,
      fc.boolean(),
      fc.boolean(),
      (items, [first, second = first], urlEncoding, withOwner) => {
        const rows = new ObjectRows(1, { urlEncoding, owner: withOwner });
        let expected = '<é>';
        rows.xml(expected);
        for (const { who, ...item } of items) {
          const whose = (who === 0 ? first : second)!;
          rows.row({ ...item, owner: whose });
          const name = Buffer.from(item.key).toString('utf8');
          expected += element(
            'Contents',
            leaf('Key', urlEncoding ? urlEncode(name) : name) +
              leaf('LastModified', isoSeconds(item.lastModifiedMs)) +
              leaf('ETag', `"${item.etag}"`) +
              leafIf('ChecksumAlgorithm', item.checksumAlgorithm) +
              leafIf('ChecksumType', item.checksumType) +
              leaf('Size', item.sizeBytes) +
              (withOwner
                ? element('Owner', leaf('ID', whose.id) + leaf('DisplayName', whose.displayName))
                : '') +
              leaf('StorageClass', item.storageClass),
          );
        }
        assert.equal(rows.finish().toString('utf8'), expected);
      },
    ),
    { numRuns: 1000 },
  );
});
