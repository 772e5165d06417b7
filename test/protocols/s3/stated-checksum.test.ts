// The checksum headers of a request: which combinations mean what, and which contradict themselves.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checksumAlgorithms, checksumHeader, checksumOf } from '../../../protocols/s3/checksums.ts';
import {
  parseStatedChecksum,
  splitCompositeValue,
  uploadChecksum,
} from '../../../protocols/s3/stated-checksum.ts';
import { rawRequest, s3Error, value } from './helpers.ts';

const crc32 = 'MSpqpg==';

function parse(headers: Record<string, string>, query = '') {
  return parseStatedChecksum(rawRequest('PUT', `/b/k${query}`, { host: 'h', ...headers }));
}

function refused(headers: Record<string, string>, message: RegExp, query = ''): void {
  assert.match(s3Error('InvalidRequest', parse(headers, query)).message, message);
}

describe('stated checksum', () => {
  test('none', () => {
    const nothing = { body: undefined, objectAlgorithm: undefined, type: undefined };
    assert.deepEqual(value(parse({})), nothing);
    assert.deepEqual(value(parse({ 'x-amz-checksum-mode': 'ENABLED' })), nothing);
  });

  test('in a header, of each algorithm', () => {
    for (const algorithm of checksumAlgorithms) {
      const stated = { [checksumHeader(algorithm)]: 'any' };
      const expected = { algorithm, value: 'any' };
      assert.deepEqual(value(parse(stated)).body, expected);
      const named = { ...stated, 'x-amz-sdk-checksum-algorithm': algorithm.toLowerCase() };
      assert.deepEqual(value(parse(named)).body, expected);
    }
  });

  test('in a trailer', () => {
    const trailer = { 'x-amz-trailer': 'X-Amz-Checksum-CRC32' };
    const expected = { algorithm: 'CRC32', value: undefined };
    assert.deepEqual(value(parse(trailer)).body, expected);
    const named = { ...trailer, 'x-amz-sdk-checksum-algorithm': 'CRC32' };
    assert.deepEqual(value(parse(named)).body, expected);
    for (const name of [
      'x-amz-meta-a',
      'etag',
      'x-amz-checksum-type',
      'x-amz-checksum-crc32,etag',
    ]) {
      refused({ 'x-amz-trailer': name }, /x-amz-trailer header is not supported/);
    }
  });

  test('more than one is refused', () => {
    const stated = { 'x-amz-checksum-crc32': crc32 };
    refused({ ...stated, 'x-amz-checksum-sha1': 'x' }, /single x-amz-checksum-/);
    refused({ ...stated, 'x-amz-trailer': 'x-amz-checksum-crc32' }, /single x-amz-checksum-/);
    const twice = ['host', 'h', 'x-amz-checksum-crc32', crc32, 'X-Amz-Checksum-CRC32', crc32];
    s3Error('InvalidRequest', parseStatedChecksum(rawRequest('PUT', '/b/k', twice)));
  });

  test('an algorithm named without its checksum, or another one', () => {
    const named = { 'x-amz-sdk-checksum-algorithm': 'CRC32' };
    refused(named, /no corresponding x-amz-checksum-\* or x-amz-trailer headers/);
    refused({ ...named, 'x-amz-checksum-sha1': 'x' }, /Value for x-amz-sdk-checksum-algorithm/);
    refused({ ...named, 'x-amz-trailer': 'x-amz-checksum-sha1' }, /Value for x-amz-sdk-checksum-/);
  });

  test('algorithms that do not exist, and those not offered', () => {
    refused({ 'x-amz-sdk-checksum-algorithm': 'CRC31' }, /valid types: \[CRC32, CRC32C, CRC64NVME/);
    refused({ 'x-amz-checksum-algorithm': 'CRC31' }, /valid types: /);
    refused({ 'x-amz-checksum-crc31': 'x' }, /algorithm type you specified in x-amz-checksum-/);
    refused({ 'x-amz-trailer': 'x-amz-checksum-crc31' }, /algorithm type you specified/);
    for (const later of ['SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128']) {
      s3Error('NotImplemented', parse({ [`x-amz-checksum-${later.toLowerCase()}`]: 'x' }));
      s3Error('NotImplemented', parse({ 'x-amz-checksum-algorithm': later }));
    }
  });

  test('in the query of a presigned request, unless it is the one of nothing', () => {
    const query = (text: string) =>
      value(parse({}, `?x-amz-checksum-crc32=${encodeURIComponent(text)}`));
    assert.deepEqual(query(crc32).body, { algorithm: 'CRC32', value: crc32 });
    assert.equal(query('AAAAAA==').body, undefined);
    const sdk = '?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32';
    assert.equal(value(parse({}, sdk)).body, undefined);
    const nothing = encodeURIComponent(checksumOf('SHA256', Buffer.alloc(0)));
    assert.equal(value(parse({}, `?x-amz-checksum-sha256=${nothing}`)).body, undefined);
    // A header is enforced whatever the query says, the value of nothing included.
    const header = { 'x-amz-checksum-crc32': 'AAAAAA==' };
    assert.equal(value(parse(header, sdk)).body?.value, 'AAAAAA==');
    refused({}, /single/, '?x-amz-checksum-crc32=a&x-amz-checksum-sha1=b');
  });
});

function upload(headers: Record<string, string>) {
  return uploadChecksum(value(parse(headers)));
}

function asked(algorithm: string, type?: string) {
  const typed = type === undefined ? {} : { 'x-amz-checksum-type': type };
  return upload({ 'x-amz-checksum-algorithm': algorithm, ...typed });
}

describe('checksum of an upload', () => {
  test('has the type of its algorithm unless another is asked for', () => {
    assert.equal(value(upload({})), undefined);
    const types = {
      CRC32: 'COMPOSITE',
      CRC32C: 'COMPOSITE',
      CRC64NVME: 'FULL_OBJECT',
      SHA1: 'COMPOSITE',
      SHA256: 'COMPOSITE',
    };
    for (const algorithm of checksumAlgorithms) {
      assert.deepEqual(value(asked(algorithm)), { algorithm, type: types[algorithm] });
    }
    assert.deepEqual(value(asked('crc32', 'full_object')), {
      algorithm: 'CRC32',
      type: 'FULL_OBJECT',
    });
  });

  test('refuses types that the algorithm cannot have', () => {
    const message = /checksum type cannot be used with the/;
    assert.match(s3Error('InvalidRequest', asked('SHA256', 'FULL_OBJECT')).message, message);
    assert.match(s3Error('InvalidRequest', asked('CRC64NVME', 'COMPOSITE')).message, message);
    s3Error('InvalidRequest', upload({ 'x-amz-checksum-type': 'COMPOSITE' }));
    refused({ 'x-amz-checksum-type': 'HALF' }, /Value for x-amz-checksum-type/);
  });

  test('composite values are split from their part count', () => {
    assert.deepEqual(splitCompositeValue('MSpqpg==-3'), { value: 'MSpqpg==', partCount: 3 });
    assert.deepEqual(splitCompositeValue('MSpqpg=='), { value: 'MSpqpg==' });
    assert.deepEqual(splitCompositeValue('a-b'), { value: 'a-b' });
  });
});
