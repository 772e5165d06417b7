import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isS3Error } from '../../../protocols/s3/errors.ts';
import {
  contentHeaders,
  headerOverrides,
  objectHeaders,
  refuseUnsupported,
  storageClass,
  userMetadata,
} from '../../../protocols/s3/object-headers.ts';

const request = (fields: Record<string, string>) => ({
  header: (name: string): string | undefined => fields[name],
  headerNames: (): string[] => Object.keys(fields),
});
const refusal = (run: () => unknown): string => {
  try {
    run();
    return '';
  } catch (error) {
    assert.ok(isS3Error(error));
    return error.code;
  }
};

test('content headers are kept as sent', () => {
  const found = contentHeaders(
    request({
      'content-type': 'text/plain; charset=utf-8',
      'content-language': 'de',
      'content-disposition': 'attachment; filename="a"',
      'cache-control': 'public, max-age=14400',
      expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
      'x-amz-website-redirect-location': '/other',
    }),
  );
  assert.deepEqual(found, {
    contentType: 'text/plain; charset=utf-8',
    contentLanguage: 'de',
    contentDisposition: 'attachment; filename="a"',
    cacheControl: 'public, max-age=14400',
    expires: 'Thu, 01 Dec 1994 16:00:00 GMT',
    websiteRedirect: '/other',
  });
  assert.deepEqual(contentHeaders(request({})), {});
  assert.equal(
    refusal(() => contentHeaders(request({ 'x-amz-website-redirect-location': 'ftp://x' }))),
    'InvalidArgument',
  );
});

test('aws-chunked is framing, wherever it stands', () => {
  const cases: [string, string | undefined][] = [
    ['gzip', 'gzip'],
    ['deflate, gzip', 'deflate, gzip'],
    ['gzip, aws-chunked', 'gzip'],
    ['aws-chunked, gzip', 'gzip'],
    ['gzip,aws-chunked,br', 'gzip,br'],
    ['aws-chunked', undefined],
    ['AWS-Chunked, aws-chunked', undefined],
    ['', undefined],
  ];
  for (const [sent, stored] of cases)
    assert.equal(
      contentHeaders(request({ 'content-encoding': sent })).contentEncoding,
      stored,
      sent,
    );
});

test('user metadata: names without prefix, at most 2 KiB', () => {
  const fields = { 'x-amz-meta-a': '1', 'x-amz-acl': 'private', 'x-amz-meta-b': '\u00c3\u00a4' };
  assert.deepEqual(userMetadata(request(fields)), [
    ['a', '1'],
    ['b', '\u00c3\u00a4'],
  ]);
  assert.equal(userMetadata(request({ 'x-amz-meta-a': 'x'.repeat(2047) })).length, 1);
  assert.equal(
    refusal(() => userMetadata(request({ 'x-amz-meta-a': 'x'.repeat(2048) }))),
    'MetadataTooLarge',
  );
});

test('headers of features that are not there are refused, not ignored', () => {
  const refused: Record<string, string>[] = [
    { 'x-amz-server-side-encryption': 'AES256' },
    { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' },
    { 'x-amz-copy-source-server-side-encryption-customer-key': 'k' },
    { 'x-amz-object-lock-mode': 'GOVERNANCE' },
    { 'x-amz-grant-read': 'id=1' },
    { 'x-amz-write-offset-bytes': '0' },
    { 'x-amz-acl': 'public-read-write' },
    { 'x-amz-bucket-object-lock-enabled': 'true' },
    { 'x-amz-object-ownership': 'ObjectWriter' },
  ];
  for (const fields of refused)
    assert.equal(
      refusal(() => refuseUnsupported(request(fields))),
      'NotImplemented',
      JSON.stringify(fields),
    );
  const taken = {
    'x-amz-acl': 'public-read',
    'x-amz-meta-x': 'y',
    'x-amz-bucket-object-lock-enabled': 'false',
    'x-amz-object-ownership': 'BucketOwnerEnforced',
  };
  refuseUnsupported(request(taken));
  for (const name of ['x-amz-acl', 'x-amz-object-ownership'])
    assert.equal(
      refusal(() => refuseUnsupported(request({ [name]: 'x' }))),
      'InvalidArgument',
    );
  assert.equal(storageClass(request({ 'x-amz-storage-class': 'STANDARD_IA' })), 'STANDARD_IA');
  assert.equal(
    refusal(() => storageClass(request({ 'x-amz-storage-class': 'FAST' }))),
    'InvalidStorageClass',
  );
});

const shown = {
  headers: { contentType: 'text/plain', cacheControl: 'no-store' },
  userMetadata: [['mtime', '1.5']] as const,
  tags: [{}],
  storageClass: 'STANDARD',
  versionId: 'null',
  etag: 'abc',
  lastModifiedMs: Date.UTC(1994, 10, 6, 8, 49, 37, 500),
};

function asRecord(flat: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let at = 0; at < flat.length; at += 2) record[flat[at] as string] = flat[at + 1] as string;
  return record;
}

test('headers of an answer', () => {
  assert.deepEqual(asRecord(objectHeaders(shown, undefined)), {
    'Content-Type': 'text/plain',
    ETag: '"abc"',
    'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT',
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'no-store',
    'x-amz-tagging-count': '1',
    'x-amz-meta-mtime': '1.5',
  });
  const other = {
    ...shown,
    headers: {},
    tags: [],
    storageClass: 'GLACIER',
    versionId: 'v1',
    userMetadata: [],
  };
  assert.deepEqual(asRecord(objectHeaders(other, { contentLanguage: 'fr' })), {
    'Content-Type': 'binary/octet-stream',
    ETag: '"abc"',
    'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT',
    'Accept-Ranges': 'bytes',
    'Content-Language': 'fr',
    'x-amz-storage-class': 'GLACIER',
    'x-amz-version-id': 'v1',
  });
});

test('overrides from the query', () => {
  const query = [
    { name: 'response-content-disposition', value: 'attachment; filename="ä"' },
    { name: 'response-content-type', value: 'image/png' },
    { name: 'versionId', value: 'null' },
  ];
  assert.deepEqual(headerOverrides(query), {
    contentDisposition: 'attachment; filename="\u00c3\u00a4"',
    contentType: 'image/png',
  });
  assert.equal(headerOverrides([]), undefined);
  const split = [{ name: 'response-expires', value: 'x\r\nSet-Cookie: y' }];
  assert.equal(
    refusal(() => headerOverrides(split)),
    'InvalidArgument',
  );
});
