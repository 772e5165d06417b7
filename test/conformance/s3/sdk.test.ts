// @aws-sdk/client-s3 in its default settings against the whole system: the requests that its users make.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import * as sdk from '@aws-sdk/client-s3';
import { MiB } from '../../../core/base/limits.ts';
import { main } from '../../gateways/object/door.ts';
import { type System, openSystem } from '../../gateways/object/system.ts';

const Bucket = 'sdk-bucket';
let system: System;
let client: sdk.S3Client;

const failure = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason as Error & { $metadata?: { httpStatusCode?: number } },
  );
  return `${error.$metadata?.httpStatusCode} ${error.name}`;
};

const textOf = async (answer: sdk.GetObjectCommandOutput): Promise<string> =>
  (await answer.Body?.transformToString()) ?? '';

describe('aws-sdk-js v3', () => {
  before(async () => {
    system = await openSystem();
    client = new sdk.S3Client({
      endpoint: system.url,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: main.accessKey, secretAccessKey: main.secretKey },
    });
    await client.send(new sdk.CreateBucketCommand({ Bucket }));
  });
  after(async () => {
    client.destroy();
    await system.close();
  });

  test('objects: strings, buffers, streams, ranges, metadata', async () => {
    const Key = 'k/ä b+%2F//x';
    const put = new sdk.PutObjectCommand({ Bucket, Key, Body: 'hello', Metadata: { a: 'b' } });
    assert.equal((await client.send(put)).ETag, '"5d41402abc4b2a76b9719d911017c592"');
    const got = await client.send(new sdk.GetObjectCommand({ Bucket, Key }));
    assert.deepEqual([await textOf(got), got.Metadata], ['hello', { a: 'b' }]);
    const part = await client.send(new sdk.GetObjectCommand({ Bucket, Key, Range: 'bytes=1-2' }));
    assert.deepEqual([await textOf(part), part.ContentRange], ['el', 'bytes 1-2/5']);
    // Above 2 MiB the SDK waits for `100 Continue`.
    const large = Buffer.alloc(3 * MiB, 'x');
    await client.send(new sdk.PutObjectCommand({ Bucket, Key: 'large', Body: large }));
    // A stream goes out in chunks with a trailing checksum; its length is only in a header of its own.
    const Body = Readable.from([Buffer.from('streamed '), Buffer.from('content')]);
    const ContentLength = 'streamed content'.length;
    const streamed = { Bucket, Key: 'stream', Body, ContentLength };
    await client.send(new sdk.PutObjectCommand(streamed));
    const stream = await client.send(new sdk.GetObjectCommand({ Bucket, Key: 'stream' }));
    assert.equal(await textOf(stream), 'streamed content');
    const head = await client.send(new sdk.HeadObjectCommand({ Bucket, Key: 'large' }));
    assert.equal(head.ContentLength, large.length);
  });

  test('listing, copying, tagging, deleting', async () => {
    const Key = 'copy';
    await client.send(new sdk.PutObjectCommand({ Bucket, Key: 'from', Body: 'x', Tagging: 'a=1' }));
    await client.send(new sdk.CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/from` }));
    const { TagSet } = await client.send(new sdk.GetObjectTaggingCommand({ Bucket, Key }));
    assert.deepEqual(TagSet, [{ Key: 'a', Value: '1' }]);
    const keys: (string | undefined)[] = [];
    for await (const page of sdk.paginateListObjectsV2({ client, pageSize: 1 }, { Bucket }))
      keys.push(...(page.Contents ?? []).map((object) => object.Key));
    assert.ok(keys.includes('from') && keys.includes('copy'));
    const Objects = keys.map((name) => ({ Key: name }));
    const removed = await client.send(
      new sdk.DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
    );
    assert.equal(removed.Deleted?.length, keys.length);
    const { KeyCount } = await client.send(new sdk.ListObjectsV2Command({ Bucket }));
    assert.equal(KeyCount, 0);
  });

  test('multipart uploads', async () => {
    const upload = { Bucket, Key: 'parts' };
    const { UploadId } = await client.send(
      new sdk.CreateMultipartUploadCommand({ ...upload, ChecksumAlgorithm: 'CRC32' }),
    );
    const Parts: sdk.CompletedPart[] = [];
    for (const [at, Body] of [Buffer.alloc(5 * MiB, 'a'), Buffer.from('b')].entries()) {
      const PartNumber = at + 1;
      const { ETag, ChecksumCRC32 } = await client.send(
        new sdk.UploadPartCommand({ ...upload, UploadId, PartNumber, Body }),
      );
      Parts.push({ ETag, ChecksumCRC32, PartNumber });
    }
    const MultipartUpload = { Parts };
    const done = await client.send(
      new sdk.CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }),
    );
    assert.match(done.ETag ?? '', /-2"$/);
    const head = await client.send(new sdk.HeadObjectCommand(upload));
    assert.equal(head.ContentLength, 5 * MiB + 1);
  });

  test('errors carry their names and statuses', async () => {
    const get = new sdk.GetObjectCommand({ Bucket, Key: 'none' });
    assert.equal(await failure(client.send(get)), '404 NoSuchKey');
    const list = new sdk.ListObjectsV2Command({ Bucket: 'no-such-bucket' });
    assert.equal(await failure(client.send(list)), '404 NoSuchBucket');
    const policy = new sdk.GetBucketPolicyCommand({ Bucket });
    assert.equal(await failure(client.send(policy)), '404 NoSuchBucketPolicy');
    await client.send(new sdk.PutObjectCommand({ Bucket, Key: 'once', Body: '1' }));
    const again = new sdk.PutObjectCommand({ Bucket, Key: 'once', Body: '2', IfNoneMatch: '*' });
    assert.equal(await failure(client.send(again)), '412 PreconditionFailed');
  });
});
