import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isS3Error } from '../../../protocols/s3/errors.ts';
import {
  decodeToken,
  encodeToken,
  listParameters,
  parseCount,
  urlEncode,
} from '../../../protocols/s3/listing.ts';

const query = (fields: Record<string, string>) => ({
  queryFirst: (name: string): string | undefined => fields[name],
});
const invalid = (error: unknown): boolean => isS3Error(error, 'InvalidArgument');

test('parameters', () => {
  assert.deepEqual(listParameters(query({})), {
    prefix: '',
    delimiter: '',
    maxKeys: 1000,
    urlEncoding: false,
  });
  assert.deepEqual(
    listParameters(query({ prefix: 'a', delimiter: '/', 'max-keys': '2', 'encoding-type': 'url' })),
    { prefix: 'a', delimiter: '/', maxKeys: 2, urlEncoding: true },
  );
  assert.equal(listParameters(query({ 'max-keys': '0' })).maxKeys, 0);
  assert.equal(listParameters(query({ 'max-keys': '5000' })).maxKeys, 1000);
  assert.equal(listParameters(query({ 'allow-unordered': 'true' })).maxKeys, 1000);
  for (const bad of ['blah', '-1', '1.5', ' 1', '2147483648', '99999999999'])
    assert.throws(() => listParameters(query({ 'max-keys': bad })), invalid, bad);
  assert.throws(() => listParameters(query({ 'encoding-type': 'base64' })), invalid);
  assert.throws(
    () => listParameters(query({ delimiter: '/', 'allow-unordered': 'true' })),
    invalid,
  );
  assert.throws(() => parseCount('max-buckets', '0', 1000, 1), invalid);
});

test('url encoding keeps the slash and encodes blanks as %20', () => {
  assert.equal(urlEncode('foo/bar-1_2.txt~'), 'foo/bar-1_2.txt~');
  assert.equal(urlEncode('asdf+b'), 'asdf%2Bb');
  assert.equal(urlEncode('quux ab/'), 'quux%20ab/');
  assert.equal(urlEncode("test_file(3)!*'.png"), 'test_file%283%29%21%2A%27.png');
  assert.equal(urlEncode('ä\n%'), '%C3%A4%0A%25');
});

test('tokens come back, and nothing else is one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1024 }), (after) => {
      assert.deepEqual(Buffer.from(decodeToken(encodeToken(after))), Buffer.from(after));
    }),
  );
  const token = encodeToken(Buffer.from('key'));
  for (const bad of ['', 'x', 'bar', `${token}A`, token.slice(1), `${token}=`, ` ${token}`])
    assert.throws(() => decodeToken(bad), invalid, bad);
  for (let at = 0; at < token.length; at++) {
    const other = token[at] === 'A' ? 'B' : 'A';
    assert.throws(() => decodeToken(token.slice(0, at) + other + token.slice(at + 1)), invalid);
  }
});
