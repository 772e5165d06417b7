// CopyObject through the door, on the real core.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { checksumOf } from '../../../protocols/s3/checksums.ts';
import { elementOf, outcome } from './door.ts';
import { type System, sharedSystem } from './system.ts';

let s3: System;

const md5 = (bytes: string): string => createHash('md5').update(bytes).digest('hex');

const copyFrom = async (from: string, more: Record<string, string> = {}): Promise<string> =>
  outcome(await s3.put('/copies/copy-error', '', { 'x-amz-copy-source': from, ...more }));
const source = { 'x-amz-copy-source': '/copies/source%20key' };

const copyIf = async (headers: Record<string, string>): Promise<string> =>
  outcome(await s3.put('/copies/conditional-copy', '', { ...source, ...headers }));

describe('copies', () => {
  before(async () => {
    s3 = await sharedSystem();
    await s3.put('/copies');
  });
  before(() =>
    s3.put('/copies/source%20key', 'source', {
      'content-type': 'text/a',
      'x-amz-meta-a': '1',
      'x-amz-tagging': 'a=1',
    }),
  );

  test('content, metadata and tags go along, or are replaced', async () => {
    const copied = await s3.put('/copies/copy', '', source);
    assert.equal(copied.status, 200);
    assert.equal(elementOf(copied, 'ETag'), `&quot;${md5('source')}&quot;`);
    const got = await s3.get('/copies/copy');
    assert.equal(got.body.toString(), 'source');
    assert.equal(got.headers['content-type'], 'text/a');
    assert.equal(got.headers['x-amz-meta-a'], '1');
    assert.equal(got.headers['x-amz-tagging-count'], '1');
    await s3.put('/copies/copy', '', {
      ...source,
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-tagging-directive': 'REPLACE',
      'x-amz-meta-b': '2',
    });
    const replaced = await s3.head('/copies/copy');
    assert.equal(replaced.headers['content-type'], 'binary/octet-stream');
    assert.equal(replaced.headers['x-amz-meta-a'], undefined);
    assert.equal(replaced.headers['x-amz-meta-b'], '2');
    assert.equal(replaced.headers['x-amz-tagging-count'], undefined);
  });

  test('onto itself only with a change', async () => {
    await s3.put('/copies/self', 'self', { 'x-amz-meta-a': '1' });
    const self = { 'x-amz-copy-source': 'copies/self' };
    assert.equal(outcome(await s3.put('/copies/self', '', self)), '400 InvalidRequest');
    const replace = { ...self, 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-mtime': '5' };
    assert.equal((await s3.put('/copies/self', '', replace)).status, 200);
    const head = await s3.get('/copies/self');
    assert.equal(head.headers['x-amz-meta-mtime'], '5');
    assert.equal(head.headers['x-amz-meta-a'], undefined);
    assert.equal(head.body.toString(), 'self');
  });

  test('conditions of source and destination', async () => {
    const etag = md5('source');
    assert.equal(await copyIf({ 'x-amz-copy-source-if-match': 'bad' }), '412 PreconditionFailed');
    assert.equal(
      await copyIf({ 'x-amz-copy-source-if-none-match': etag }),
      '412 PreconditionFailed',
    );
    assert.equal(
      await copyIf({ 'x-amz-copy-source-if-modified-since': 'Sat, 29 Oct 2094 19:43:31 GMT' }),
      '412 PreconditionFailed',
    );
    assert.equal(await copyIf({ 'x-amz-copy-source-if-match': etag, 'if-none-match': '*' }), '200');
    assert.equal(await copyIf({ 'if-none-match': '*' }), '412 PreconditionFailed');
  });

  test('errors', async () => {
    assert.equal(await copyFrom('copies/none'), '404 NoSuchKey');
    assert.equal(await copyFrom('no-bucket/none'), '404 NoSuchBucket');
    assert.equal(await copyFrom('nothing'), '400 InvalidArgument');
    assert.equal(
      await copyFrom('copies/source%20key', { 'x-amz-metadata-directive': 'MOVE' }),
      '400 InvalidArgument',
    );
    assert.equal(
      await copyFrom('copies/source%20key', { 'x-amz-source-expected-bucket-owner': '1' }),
      '403 AccessDenied',
    );
  });

  test('a checksum that the source does not carry is computed', async () => {
    const copied = await s3.put('/copies/sum-copy', '', {
      ...source,
      'x-amz-checksum-algorithm': 'SHA256',
    });
    const value = checksumOf('SHA256', Buffer.from('source'));
    assert.equal(elementOf(copied, 'ChecksumSHA256'), value);
    const head = await s3.head('/copies/sum-copy', { 'x-amz-checksum-mode': 'ENABLED' });
    assert.equal(head.headers['x-amz-checksum-sha256'], value);
  });
});
