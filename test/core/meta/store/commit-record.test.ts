import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isCoreError } from '../../../../core/base/errors.ts';
import {
  decodeCommitRecord,
  encodeCommitRecord,
} from '../../../../core/meta/store/commit-record.ts';

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

const encoded = (...args: Parameters<typeof encodeCommitRecord>): Buffer =>
  Buffer.concat(encodeCommitRecord(...args));

const corrupt = (error: unknown): boolean => isCoreError(error, 'CORRUPT');
const unsupported = (error: unknown): boolean => isCoreError(error, 'VERSION_UNSUPPORTED');

describe('commit record', () => {
  it('has the documented layout', () => {
    const record = encoded(0x1_0000_0002, [
      { key: Buffer.from('ab'), value: Buffer.from('xyz') },
      { key: Buffer.from('c'), value: undefined },
      { key: Buffer.from('d'), value: Buffer.alloc(0) },
    ]);
    const expected =
      '01 0000000100000002 0003' +
      ' 01 0002 6162 00000003 78797a' +
      ' 00 0001 63' +
      ' 01 0001 64 00000000';
    assert.equal(record.toString('hex'), expected.replaceAll(' ', ''));
  });

  it('comes back as it was', () => {
    const mutation = fc
      .tuple(bytes(50), fc.option(bytes(1500), { nil: undefined }))
      .map(([key, value]) => ({ key, value }));
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.array(mutation, { maxLength: 20 }), (number, mutations) => {
        fc.pre(number > 0);
        const record = encoded(number, mutations);
        assert.deepEqual(decodeCommitRecord(record), { number, mutations });
      }),
    );
  });

  it('refuses every cut, trailing bytes, an unknown version and an unknown kind', () => {
    const record = encoded(7, [{ key: Buffer.from('key'), value: Buffer.from('value') }]);
    for (let length = 0; length < record.length; length++) {
      assert.throws(() => decodeCommitRecord(record.subarray(0, length)), corrupt);
    }
    assert.throws(() => decodeCommitRecord(Buffer.concat([record, Buffer.of(0)])), corrupt);
    const kind = Buffer.from(record);
    kind[11] = 9;
    assert.throws(() => decodeCommitRecord(kind), corrupt);
    const newer = Buffer.from(record);
    newer[0] = 2;
    assert.throws(() => decodeCommitRecord(newer), unsupported);
  });
});
