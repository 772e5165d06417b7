import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isS3Error } from '../../../protocols/s3/errors.ts';
import { checkTags, parseTaggingHeader } from '../../../protocols/s3/tags.ts';

const invalid = (error: unknown): boolean => isS3Error(error, 'InvalidTag');
const many = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ key: String(at), value: String(at) }));

test('the header', () => {
  assert.deepEqual(parseTaggingHeader('Hello=World&foo=bar'), [
    { key: 'Hello', value: 'World' },
    { key: 'foo', value: 'bar' },
  ]);
  assert.deepEqual(parseTaggingHeader('foo=bar&bar'), [
    { key: 'bar', value: '' },
    { key: 'foo', value: 'bar' },
  ]);
  assert.deepEqual(parseTaggingHeader('a%3Db=c+d%2B=e'), [{ key: 'a=b', value: 'c d+=e' }]);
  assert.deepEqual(parseTaggingHeader(''), []);
  for (const bad of ['a=%', '=b', 'a=1&a=2', 'aws:x=1', 'a=b;c', 'a=%00'])
    assert.throws(() => parseTaggingHeader(bad), invalid, bad);
});

test('limits', () => {
  assert.equal(checkTags(many(10), 10).length, 10);
  assert.throws(() => checkTags(many(11), 10), invalid);
  const longest = { key: 'k'.repeat(128), value: 'v'.repeat(256) };
  assert.deepEqual(checkTags([longest], 10), [longest]);
  assert.throws(() => checkTags([{ ...longest, key: 'k'.repeat(129) }], 10), invalid);
  assert.throws(() => checkTags([{ ...longest, value: 'v'.repeat(257) }], 10), invalid);
  assert.equal(checkTags([{ key: '\u{10400}'.repeat(128), value: '' }], 10).length, 1);
});
