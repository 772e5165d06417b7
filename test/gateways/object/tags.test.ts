// Tags, GetObjectAttributes and DeleteObjects through the door, on the real core.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { checksumOf } from '../../../protocols/s3/checksums.ts';
import { elementOf, outcome } from './door.ts';
import { type System, elementsOf, sharedSystem } from './system.ts';

let s3: System;

const md5 = (bytes: string): string => createHash('md5').update(bytes).digest('hex');

const tagging = (pairs: [string, string][]): string =>
  `<Tagging><TagSet>${pairs.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`).join('')}</TagSet></Tagging>`;

const deleteDocument = (quiet: boolean, keys: string[]): string =>
  `<Delete><Quiet>${quiet}</Quiet>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`;

describe('tags, attributes and bulk deletes', () => {
  before(async () => {
    s3 = await sharedSystem();
    await s3.put('/tags');
  });
  test('tags of objects and buckets', async () => {
    await s3.put('/tags/tagged', 'x');
    for (const target of ['/tags/tagged?tagging', '/tags?tagging']) {
      const set = await s3.put(
        target,
        tagging([
          ['b', '2'],
          ['a', ''],
        ]),
      );
      assert.ok(set.status === 200 || set.status === 204, outcome(set));
      const shown = await s3.get(target);
      assert.deepEqual(
        [elementsOf(shown, 'Key'), elementsOf(shown, 'Value')],
        [
          ['a', 'b'],
          ['', '2'],
        ],
      );
      assert.equal((await s3.delete(target)).status, 204);
      assert.equal(
        outcome(
          await s3.put(
            target,
            tagging([
              ['a', '1'],
              ['a', '2'],
            ]),
          ),
        ),
        '400 InvalidTag',
      );
      assert.equal(outcome(await s3.put(target, '<Tagging>')), '400 MalformedXML');
      assert.equal(outcome(await s3.put(target, '')), '400 MalformedXML');
    }
    assert.equal((await s3.get('/tags/tagged?tagging')).status, 200);
    assert.equal(outcome(await s3.get('/tags?tagging')), '404 NoSuchTagSet');
    assert.equal(outcome(await s3.get('/tags/none?tagging')), '404 NoSuchKey');
  });

  test('attributes that are asked for', async () => {
    const sum = checksumOf('CRC32', Buffer.from('attributes'));
    await s3.put('/tags/attributes', 'attributes', { 'x-amz-checksum-crc32': sum });
    const ask = (names: string) =>
      s3.get('/tags/attributes?attributes', { 'x-amz-object-attributes': names });
    const all = await ask('ETag, Checksum, ObjectParts, StorageClass, ObjectSize');
    assert.equal(elementOf(all, 'ETag'), md5('attributes'));
    assert.equal(elementOf(all, 'ChecksumCRC32'), sum);
    assert.equal(elementOf(all, 'ObjectSize'), '10');
    assert.equal(elementOf(all, 'StorageClass'), 'STANDARD');
    assert.ok(!all.body.includes('ObjectParts'));
    assert.ok(all.headers['last-modified'] !== undefined);
    const one = await ask('ObjectSize');
    assert.match(
      one.body.toString(),
      /<GetObjectAttributesResponse [^>]*><ObjectSize>10<\/ObjectSize><\/GetObjectAttributesResponse>/,
    );
    assert.equal(outcome(await ask('Colour')), '400 InvalidArgument');
    assert.equal(outcome(await s3.get('/tags/attributes?attributes')), '400 InvalidRequest');
  });

  test('many deletes in one request', async () => {
    for (const key of ['d1', 'd2', 'd%203&']) await s3.put(`/tags/${key}`, 'x');
    const loud = await s3.post(
      '/tags?delete',
      deleteDocument(false, ['d1', 'd 3&amp;', 'never-there']),
    );
    assert.deepEqual(elementsOf(loud, 'Key'), ['d1', 'd 3&amp;', 'never-there']);
    assert.equal(outcome(await s3.get('/tags/d1')), '404 NoSuchKey');
    const quiet = await s3.post('/tags?delete', deleteDocument(true, ['d2']));
    assert.equal(quiet.status, 200);
    assert.deepEqual(elementsOf(quiet, 'Key'), []);
    assert.equal(outcome(await s3.get('/tags/d2')), '404 NoSuchKey');
    const many = deleteDocument(
      true,
      Array.from({ length: 1001 }, (_, at) => `k${at}`),
    );
    assert.equal(outcome(await s3.post('/tags?delete', many)), '400 MalformedXML');
    assert.equal(
      outcome(await s3.post('/no-bucket?delete', deleteDocument(true, ['a']))),
      '404 NoSuchBucket',
    );
    const entity = '<!DOCTYPE a [<!ENTITY x "y">]><Delete><Object><Key>&x;</Key></Object></Delete>';
    assert.equal(outcome(await s3.post('/tags?delete', entity)), '400 MalformedXML');
    const huge = await s3.post('/tags?delete', deleteDocument(true, ['x'.repeat(3 * 1024 * 1024)]));
    assert.equal(huge.status, 400);
  });
});
