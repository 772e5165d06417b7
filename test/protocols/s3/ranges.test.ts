import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isS3Error } from '../../../protocols/s3/errors.ts';
import {
  contentRange,
  invalidRange,
  parseCopyRange,
  parseRange,
} from '../../../protocols/s3/ranges.ts';

test('single ranges', () => {
  assert.deepEqual(parseRange('bytes=0-0'), { kind: 'from', first: 0, last: 0 });
  assert.deepEqual(parseRange('bytes=4-7'), { kind: 'from', first: 4, last: 7 });
  assert.deepEqual(parseRange('Bytes= 4 - 7 '), { kind: 'from', first: 4, last: 7 });
  assert.deepEqual(parseRange('bytes=4-'), { kind: 'from', first: 4 });
  assert.deepEqual(parseRange('bytes=-7'), { kind: 'suffix', bytes: 7 });
  assert.deepEqual(parseRange('bytes=-0'), { kind: 'suffix', bytes: 0 });
  const most = Number.MAX_SAFE_INTEGER;
  assert.deepEqual(parseRange(`bytes=1-${'9'.repeat(30)}`), { kind: 'from', first: 1, last: most });
});

test('what is ignored: the answer is the whole object', () => {
  const ignored = ['', 'bytes', 'bytes=', 'bytes=-', 'bytes=7-4', 'bytes=0-1,3-4', 'items=0-1'];
  ignored.push('bytes=a-b', 'bytes=0x1-2', 'bytes=--1', 'bytes=1-2-3', '0-1', 'bytes=1.5-2');
  for (const value of ignored) assert.equal(parseRange(value), undefined, value);
});

test('copy ranges need both ends', () => {
  assert.deepEqual(parseCopyRange('bytes=0-21'), { kind: 'from', first: 0, last: 21 });
  // The bad ones of s3-tests, and some of our own.
  const bad = [
    '0-2',
    'bytes=0',
    'bytes=hello-world',
    'bytes=0-bar',
    'bytes=hello-',
    'bytes=0-2,3-5',
  ];
  bad.push('bytes=0-', 'bytes=-5', 'bytes=5-2', '', 'bytes=0-1 ');
  for (const value of bad)
    assert.throws(
      () => parseCopyRange(value),
      (error) => isS3Error(error, 'InvalidArgument'),
      value,
    );
});

test('headers of answers', () => {
  assert.equal(contentRange(4, 4, 11), 'bytes 4-7/11');
  const error = invalidRange(11, 'bytes=40-50');
  assert.equal(error.status, 416);
  assert.equal(error.headers['Content-Range'], 'bytes */11');
  assert.deepEqual(error.fields, { RangeRequested: 'bytes=40-50', ActualObjectSize: '11' });
});
