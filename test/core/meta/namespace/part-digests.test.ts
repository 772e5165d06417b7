// Digests of multipart objects. The values are those of S3 for three parts of 5 MiB of 'A', 'B' and 'C'
// (ceph/s3-tests, test_multipart_use_cksum_helper_*).

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { isCoreError } from '../../../../core/base/errors.ts';
import { nodeHasher } from '../../../../core/env/node/hasher.ts';
import {
  checkDigest,
  checksumOfParts,
  etagOfParts,
} from '../../../../core/meta/namespace/part-digests.ts';

const partBytes = 5 * 1024 * 1024;

const known: readonly (readonly [string, string, readonly string[], string])[] = [
  [
    'SHA256',
    'COMPOSITE',
    [
      '275VF5loJr1YYawit0XSHREhkFXYkkPKGuoK0x9VKxI=',
      'mrHwOfjTL5Zwfj74F05HOQGLdUb7E5szdCbxgUSq6NM=',
      'Vw7oB/nKQ5xWb3hNgbyfkvDiivl+U+/Dft48nfJfDow=',
    ],
    'uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=',
  ],
  [
    'SHA1',
    'COMPOSITE',
    [
      'iIaTCGbm+vdVjNqIMF2S0T7ibMk=',
      'LS/TJ32bAVKEwRu+sE3X7awh/lk=',
      '6DDwovUaHwrKNXDMzOGbuvj9kxI=',
    ],
    'sizjvY4eud3MrcHdZM3cQ/ol39o=',
  ],
  ['CRC64NVME', 'FULL_OBJECT', ['L/E4WYn8v98=', 'xW1l19VobYM=', 'cK5MnNaWrW4='], 'i+6LR0y3eFo='],
  ['CRC32', 'FULL_OBJECT', ['JRTCyQ==', 'QoZTGg==', 'YAgjqw=='], 'WgDhBQ=='],
  ['CRC32C', 'FULL_OBJECT', ['MDaLrw==', 'TH4EZg==', 'Z7mBIQ=='], 'xU+Krw=='],
];

const partsOf = (algorithm: string, values: readonly string[]) =>
  values.map((value, at) => ({
    partNumber: at + 1,
    sizeBytes: partBytes,
    etag: createHash('md5').update(Buffer.alloc(partBytes, 'ABC'[at])).digest('hex'),
    checksum: { algorithm, type: 'FULL_OBJECT', value },
  }));

describe('digests of multipart objects', () => {
  for (const [algorithm, type, values, whole] of known) {
    it(`are S3's: ${algorithm} ${type}`, () => {
      const parts = partsOf(algorithm, values);
      const checksum = checksumOfParts(nodeHasher, algorithm, type, parts);
      assert.deepEqual(checksum, { algorithm, type, value: whole });
      for (const { checksum: stored } of parts) checkDigest(stored);
    });
  }

  it("have S3's ETag", () => {
    const parts = partsOf('CRC32', ['', '', '']);
    assert.equal(etagOfParts(nodeHasher, parts), 'b2add96cc9702bbf4efb0ccdfc6b7747-3');
  });

  it('join composite CRCs as bytes', () => {
    const parts = partsOf('CRC32C', ['MDaLrw==', 'TH4EZg==']);
    const { value } = checksumOfParts(nodeHasher, 'CRC32C', 'COMPOSITE', parts);
    assert.equal(Buffer.from(value, 'base64').length, 4);
    assert.notEqual(value, checksumOfParts(nodeHasher, 'CRC32C', 'FULL_OBJECT', parts).value);
  });

  it('need a checksum on every part, and of the right form', () => {
    const parts = partsOf('CRC32', ['AAAAAA==']);
    assert.throws(
      () => checksumOfParts(nodeHasher, 'SHA256', 'COMPOSITE', parts),
      (error) => isCoreError(error, 'PART_INVALID'),
    );
    for (const [algorithm, value] of [
      ['CRC32', 'AAAA'],
      ['SHA256', 'AAAAAA=='],
      ['MD5', 'AAAAAA=='],
    ] as const) {
      assert.throws(
        () => checkDigest({ algorithm, type: 'FULL_OBJECT', value }),
        (error) => isCoreError(error, 'INVALID_ARGUMENT'),
      );
    }
  });
});
