// Names: buckets, keys, addresses in both styles, copy sources.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../../protocols/s3/address.ts';
import { parseCopySource } from '../../../protocols/s3/copy-source.ts';
import { isS3Error } from '../../../protocols/s3/errors.ts';
import { checkNewBucketName, isBucketName, keyBytes } from '../../../protocols/s3/names.ts';

test('bucket names', () => {
  const good = [
    'abc',
    '0foo',
    'aaa.111',
    'aaa-111',
    'a'.repeat(63),
    'my.bucket-1',
    '1.2.3',
    '1.2.3.4.5',
  ];
  const bad = [
    '',
    'a',
    'aa',
    'a'.repeat(64),
    '_foo',
    'foo_bar',
    'foo-',
    '-foo',
    'foo.',
    'foo..bar',
  ];
  bad.push('foo.-bar', 'foo-.bar', '192.168.5.123', 'Foo', 'foo bar', 'foo/bar', 'föö', 'foo\n');
  for (const name of good) assert.ok(isBucketName(name), name);
  for (const name of bad) assert.ok(!isBucketName(name), name);
});

test('reserved names cannot be made, but could exist', () => {
  for (const name of [
    'xn--foo',
    'sthree-foo',
    'foo-s3alias',
    'foo--ol-s3',
    'foo.mrap',
    'foo--x-s3',
  ]) {
    assert.ok(isBucketName(name), name);
    assert.throws(
      () => checkNewBucketName(name),
      (error) => isS3Error(error, 'InvalidBucketName'),
    );
  }
  checkNewBucketName('fine');
});

test('keys are 1 to 1024 bytes of UTF-8', () => {
  assert.deepEqual(keyBytes('é'), Buffer.from([0xc3, 0xa9]));
  assert.equal(keyBytes('x'.repeat(1024)).length, 1024);
  assert.throws(
    () => keyBytes('é'.repeat(513)),
    (error) => isS3Error(error, 'KeyTooLongError'),
  );
  assert.throws(
    () => keyBytes(''),
    (error) => isS3Error(error, 'InvalidArgument'),
  );
});

function address(path: string, host = 'localhost:9000', domains: string[] = []): string {
  try {
    const { scope, bucket, key } = parseAddress(path, host, domains);
    return `${scope} ${bucket} ${key}`.trim();
  } catch (error) {
    assert.ok(isS3Error(error));
    return error.code;
  }
}

test('path style', () => {
  assert.equal(address('/'), 'service');
  assert.equal(address('/bucket'), 'bucket bucket');
  assert.equal(address('/bucket/'), 'bucket bucket');
  assert.equal(address('/bucket/key'), 'object bucket key');
  assert.equal(address('/bucket//k//'), 'object bucket /k//');
  assert.equal(address('/bucket/../../etc'), 'object bucket ../../etc');
  assert.equal(address('/bucket/k/%C3%A4%20b+%2B%252F//x'), 'object bucket k/ä b++%2F//x');
  assert.equal(address('/bucket/%00'), 'object bucket \0');
  assert.equal(address('//k'), 'InvalidURI');
  assert.equal(address('/a%2Fbc/k'), 'InvalidBucketName');
  assert.equal(address('/foo_bar/k'), 'InvalidBucketName');
  assert.equal(address('/bucket/%ff'), 'InvalidURI');
  assert.equal(address('/bucket/%'), 'InvalidURI');
  assert.equal(address(`/bucket/${'x'.repeat(1025)}`), 'KeyTooLongError');
});

test('virtual-host style, when the host is below a configured domain', () => {
  const domains = ['s3.example.org', 'localhost'];
  assert.equal(address('/a/b', 'bucket.s3.example.org', domains), 'object bucket a/b');
  assert.equal(address('/', 'bucket.S3.Example.org:9000', domains), 'bucket bucket');
  assert.equal(address('/', 'my.bucket.localhost', domains), 'bucket my.bucket');
  assert.equal(address('//a', 'bucket.localhost', domains), 'object bucket /a');
  assert.equal(address('/a/b', 's3.example.org', domains), 'InvalidBucketName');
  assert.equal(address('/abc/b', 'localhost:80', domains), 'object abc b');
  assert.equal(address('/abc/b', 'bucket.elsewhere.org', domains), 'object abc b');
  assert.equal(address('/abc/b', '127.0.0.1', domains), 'object abc b');
  assert.equal(address('/k', 'UPPER_.localhost', domains), 'InvalidBucketName');
});

function source(value: string): string {
  try {
    const { bucket, key, versionId } = parseCopySource(value);
    return `${bucket}|${Buffer.from(key).toString()}|${versionId ?? '-'}`;
  } catch (error) {
    assert.ok(isS3Error(error));
    return error.code;
  }
}

test('copy sources', () => {
  assert.equal(source('bucket/key'), 'bucket|key|-');
  assert.equal(source('/bucket/key/with/slashes'), 'bucket|key/with/slashes|-');
  assert.equal(source('bucket%2Fkey%20x'), 'bucket|key x|-');
  assert.equal(source('bucket/a+b'), 'bucket|a+b|-');
  assert.equal(source('bucket/key?versionId=abc'), 'bucket|key|abc');
  assert.equal(source('bucket/%3FversionId'), 'bucket|?versionId|-');
  assert.equal(source('bucket/%3FversionId%3Dx?versionId=null'), 'bucket|?versionId=x|null');
  assert.equal(source('bucket/100%25.txt'), 'bucket|100%.txt|-');
  assert.equal(source('bucket///x'), 'bucket|//x|-');
  // Bytes of UTF-8 that were not encoded arrive as latin1.
  assert.equal(source(Buffer.from('bucket/ä').toString('latin1')), 'bucket|ä|-');
  for (const bad of ['', 'bucket', 'bucket/', '/bucket', 'bucket/key?versionId=', 'bucket/%zz'])
    assert.equal(source(bad), 'InvalidArgument', bad);
  assert.equal(source('b_cket/key'), 'InvalidBucketName');
  assert.equal(source('arn:aws:s3:us-west-2:1:accesspoint/my/object/key'), 'NotImplemented');
});
