import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  checksumAlgorithms,
  checksumOf,
  checksumText,
  combineChecksums,
  compositeChecksum,
  decodeBase64,
  decodeChecksum,
  multipartEtag,
  startChecksum,
  type ChecksumAlgorithm,
} from '../../../protocols/s3/checksums.ts';

/**
 * Three parts of 5 MiB, all `A`, all `B` and all `C`: checksums of the parts and of the object.
 * Provenance: ceph/s3-tests, test_multipart_use_cksum_helper_* and test_multipart_reupload_checksum_and_etag.
 */
const uploads = {
  CRC32: { parts: ['JRTCyQ==', 'QoZTGg==', 'YAgjqw=='], object: 'WgDhBQ==' },
  CRC32C: { parts: ['MDaLrw==', 'TH4EZg==', 'Z7mBIQ=='], object: 'xU+Krw==' },
  CRC64NVME: { parts: ['L/E4WYn8v98=', 'xW1l19VobYM=', 'cK5MnNaWrW4='], object: 'i+6LR0y3eFo=' },
  SHA1: {
    parts: [
      'iIaTCGbm+vdVjNqIMF2S0T7ibMk=',
      'LS/TJ32bAVKEwRu+sE3X7awh/lk=',
      '6DDwovUaHwrKNXDMzOGbuvj9kxI=',
    ],
    object: 'sizjvY4eud3MrcHdZM3cQ/ol39o=-3',
  },
  SHA256: {
    parts: [
      '275VF5loJr1YYawit0XSHREhkFXYkkPKGuoK0x9VKxI=',
      'mrHwOfjTL5Zwfj74F05HOQGLdUb7E5szdCbxgUSq6NM=',
      'Vw7oB/nKQ5xWb3hNgbyfkvDiivl+U+/Dft48nfJfDow=',
    ],
    object: 'uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4=-3',
  },
} as const;
const partBytes = 5 << 20;
const bodies = ['A', 'B', 'C'].map((letter) => Buffer.alloc(partBytes, letter));

/** Of `abcdefg`. Provenance: versity/versitygw, tests/integration/unsigned_streaming_payload_trailer.go. */
const letters: Record<ChecksumAlgorithm, string> = {
  CRC32: 'MSpqpg==',
  CRC32C: '5if0QQ==',
  CRC64NVME: 'SmzZ/LTp1CA=',
  SHA1: 'L7XhNBn8iSRoZeejJPR27GJOh0A=',
  SHA256: 'fRpUEnsiJQL1t5tfsIAwYRUqRPkrN+I8ZSe69mXU2po=',
};

describe('checksums', () => {
  for (const algorithm of checksumAlgorithms) {
    const { parts, object } = uploads[algorithm];

    test(`${algorithm}: published values of content and of parts`, () => {
      assert.equal(checksumOf(algorithm, Buffer.from('abcdefg')), letters[algorithm]);
      assert.deepEqual(
        bodies.map((body) => checksumOf(algorithm, body)),
        parts,
      );
    });

    test(`${algorithm}: published value of the object`, () => {
      const composite = object.endsWith('-3');
      const value = composite
        ? compositeChecksum(algorithm, parts)
        : combineChecksums(
            algorithm,
            parts.map((part) => ({ value: part, sizeBytes: partBytes })),
          );
      const type = composite ? 'COMPOSITE' : 'FULL_OBJECT';
      assert.equal(checksumText({ algorithm, type, value: value ?? '' }, 3), object);
    });

    test(`${algorithm}: in pieces as in one`, () => {
      fc.assert(
        fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (pieces) => {
          const hasher = startChecksum(algorithm);
          for (const piece of pieces) hasher.update(piece);
          const whole = checksumOf(algorithm, Buffer.concat(pieces));
          assert.equal(hasher.digest().toString('base64'), whole);
        }),
      );
    });
  }

  test('CRCs of parts of any length combine to the object’s', () => {
    const algorithm = fc.constantFrom('CRC32', 'CRC32C', 'CRC64NVME' as const);
    fc.assert(
      fc.property(algorithm, fc.array(fc.uint8Array({ maxLength: 50 })), (crc, pieces) => {
        const parts = pieces.map((piece) => ({
          value: checksumOf(crc, piece),
          sizeBytes: piece.length,
        }));
        assert.equal(combineChecksums(crc, parts), checksumOf(crc, Buffer.concat(pieces)));
      }),
    );
  });

  test('nothing is combined from hashes or malformed values', () => {
    const part = { value: letters.SHA1, sizeBytes: 7 };
    assert.equal(combineChecksums('SHA1', [part]), undefined);
    assert.equal(combineChecksums('CRC32', [part]), undefined);
    assert.equal(compositeChecksum('SHA256', [letters.SHA1]), undefined);
  });

  test('values are exact padded base64', () => {
    assert.deepEqual(decodeChecksum('CRC32', 'MSpqpg=='), Buffer.from('312a6aa6', 'hex'));
    const bad = [
      '',
      'MSpqpg',
      'MSpqpg=',
      'MSpqph==',
      'MSpqpg==\n',
      ' MSpqpg==',
      'MSpqpg==AA',
      '!!!!',
    ];
    for (const text of bad) assert.equal(decodeChecksum('CRC32', text), undefined, text);
    assert.equal(decodeBase64('AAAA', 4), undefined);
  });

  test('ETags of multipart objects', () => {
    const md5s = bodies.map((body) => createHash('md5').update(body).digest('hex'));
    assert.equal(multipartEtag(md5s), 'b2add96cc9702bbf4efb0ccdfc6b7747-3');
  });
});
