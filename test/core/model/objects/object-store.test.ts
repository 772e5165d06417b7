// Every operation of the object model over a real core: RPC, namespace, journal and chunk engine on a
// temporary directory. What the namespace decides is tested in detail beside it; here the ways of content.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { CoreError } from '../../../../core/base/errors.ts';
import type { ErrorName } from '../../../../core/base/errors.ts';
import { KiB, MiB } from '../../../../core/base/limits.ts';
import { ReadRefused } from '../../../../core/model/objects/types.ts';
import type {
  ObjectBody,
  ObjectStore,
  Principal,
  UploadRef,
} from '../../../../core/model/objects/types.ts';
import {
  bodyOf,
  contentOf,
  CoreRig,
  get,
  md5,
  put,
  putRequest,
  who,
} from '../../../gateways/core/rig.ts';
import { content } from '../../client/rig.ts';

const is =
  (name: ErrorName) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof CoreError, String(error));
    assert.equal(error.errorName, name, error.message);
    return true;
  };

const key = (text: string): Buffer => Buffer.from(text);
const ref = (text: string, bucket = 'bucket') => ({ bucket, key: key(text) });
const read = (text: string) => ({ ...ref(text), conditions: {} });
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64');
const listAll = { prefix: key(''), delimiter: key(''), limit: 1000 };
const stranger: Principal = { id: 'b'.repeat(64), displayName: 'stranger', root: false };

describe('object store', () => {
  let rig: CoreRig;
  let store: ObjectStore;
  before(async () => {
    rig = await CoreRig.open();
    store = rig.objects;
    await store.createBucket(who, { bucket: 'bucket', region: 'us-east-1' });
  });
  after(() => rig.close());

  const keysOf = async (bucket: string): Promise<string[]> =>
    (await store.list(who, { bucket, ...listAll })).objects.map((object) =>
      Buffer.from(object.key).toString(),
    );

  test('buckets: make, describe, list, tag, remove', async () => {
    const made = await store.createBucket(who, { bucket: 'second', region: 'eu-1' });
    assert.equal(made.region, 'eu-1');
    await assert.rejects(
      store.createBucket(who, { bucket: 'second', region: 'eu-1' }),
      is('BUCKET_OWNED_BY_YOU'),
    );
    await assert.rejects(
      store.createBucket(stranger, { bucket: 'second', region: 'eu-1' }),
      is('BUCKET_EXISTS'),
    );
    assert.deepEqual(await store.headBucket(who, 'second'), made);
    await assert.rejects(store.headBucket(stranger, 'second'), is('ACCESS_DENIED'));
    await assert.rejects(store.headBucket(who, 'third'), is('BUCKET_NOT_FOUND'));
    const { buckets } = await store.listBuckets(who, { limit: 100 });
    assert.deepEqual(
      buckets.map(({ name }) => name),
      ['bucket', 'second'],
    );
    await assert.rejects(store.getBucketTags(who, 'second'), is('NO_TAGS'));
    await store.putBucketTags(who, 'second', [{ key: 'a', value: '1' }]);
    assert.deepEqual(await store.getBucketTags(who, 'second'), [{ key: 'a', value: '1' }]);
    await put(store, 'second', 'x', key('x'));
    await assert.rejects(store.deleteBucket(who, 'second'), is('BUCKET_NOT_EMPTY'));
    await store.delete(who, { ...ref('x', 'second'), conditions: {} });
    await store.deleteBucket(who, 'second');
    await assert.rejects(store.headBucket(who, 'second'), is('BUCKET_NOT_FOUND'));
  });

  test('put and get: attributes, digests and conditions', async () => {
    const bytes = content(1000);
    const attributes = {
      headers: { contentType: 'text/plain', cacheControl: 'no-cache' },
      userMetadata: [['color', 'blue']] as const,
      tags: [{ key: 't', value: 'v' }],
      storageClass: 'STANDARD',
    };
    const checksum = { algorithm: 'SHA256', type: 'FULL_OBJECT', value: sha256(bytes) } as const;
    const body: ObjectBody = { ...bodyOf(bytes), digests: () => ({ etag: md5(bytes), checksum }) };
    const result = await store.put(who, { ...putRequest('bucket', 'attr'), attributes }, body);
    assert.deepEqual(result.checksum, checksum);
    const { info } = await store.head(who, read('attr'));
    assert.equal(info.etag, md5(bytes));
    assert.equal(info.sizeBytes, 1000);
    assert.deepEqual(info.headers, attributes.headers);
    assert.deepEqual(info.userMetadata, attributes.userMetadata);
    assert.deepEqual(info.tags, attributes.tags);
    assert.deepEqual(info.checksum, checksum);

    const exists = { ...putRequest('bucket', 'attr'), conditions: { ifNoneMatch: '*' as const } };
    await assert.rejects(store.put(who, exists, bodyOf(bytes)), is('CONDITION_FAILED'));
    const large = { ...exists, conditions: { ifMatch: ['other'] } };
    await assert.rejects(store.put(who, large, bodyOf(content(MiB))), is('CONDITION_FAILED'));
    assert.ok((await get(store, 'bucket', 'attr')).equals(bytes));

    const unmodified = { ...read('attr'), conditions: { ifNoneMatch: [md5(bytes)] } };
    await assert.rejects(store.get(who, unmodified), (error) => {
      assert.ok(error instanceof ReadRefused);
      return is('NOT_MODIFIED')(error);
    });
    await assert.rejects(store.get(who, read('missing')), is('KEY_NOT_FOUND'));
    await assert.rejects(store.get(stranger, read('attr')), is('ACCESS_DENIED'));
    const range = { kind: 'from', first: 1000 } as const;
    await assert.rejects(store.get(who, { ...read('attr'), range }), is('RANGE_NOT_SATISFIABLE'));
  });

  test('a body of unknown length, in tiny or in huge pieces', async () => {
    const bytes = content(600 * KiB);
    for (const pieceBytes of [999, 5 * MiB]) {
      const { sizeBytes: _, ...body } = bodyOf(bytes, pieceBytes);
      await store.put(who, putRequest('bucket', 'unsized'), body);
      assert.ok((await get(store, 'bucket', 'unsized')).equals(bytes));
    }
  });

  test('a body that breaks off leaves no trace, whatever was sent of it', async () => {
    for (const size of [10, 300 * KiB, 9 * MiB]) {
      const failing: ObjectBody = {
        chunks: (async function* () {
          yield* bodyOf(content(size)).chunks;
          throw new CoreError('BODY_INCOMPLETE', 'broken off');
        })(),
        digests: () => ({ etag: '' }),
      };
      const putting = store.put(who, putRequest('bucket', 'broken'), failing);
      await assert.rejects(putting, is('BODY_INCOMPLETE'));
      await assert.rejects(store.head(who, read('broken')), is('KEY_NOT_FOUND'));
    }
  });

  test('a read that is cancelled, or broken off, gives its hold back', async () => {
    await put(store, 'bucket', 'large', content(20 * MiB));
    const cancelled = await store.get(who, read('large'));
    let seen = 0;
    for await (const piece of cancelled.chunks) {
      seen += piece.length;
      cancelled.cancel();
    }
    assert.ok(seen < 20 * MiB);
    const broken = await store.get(who, read('large'));
    for await (const _ of broken.chunks) break;
    assert.ok((await get(store, 'bucket', 'large')).equals(content(20 * MiB)));
  });

  test('many uploads and downloads at once', async () => {
    const all = Array.from({ length: 12 }, async (_, index) => {
      const bytes = content(6 * MiB + index, index);
      await put(store, 'bucket', `many/${index}`, bytes);
      assert.ok((await get(store, 'bucket', `many/${index}`)).equals(bytes));
    });
    await Promise.all(all);
  });

  test('delete one, delete many', async () => {
    await put(store, 'bucket', 'd/1', key('1'));
    await put(store, 'bucket', 'd/2', content(MiB));
    await store.delete(who, { ...ref('d/1'), conditions: {} });
    await store.delete(who, { ...ref('d/1'), conditions: {} });
    await assert.rejects(store.get(who, read('d/1')), is('KEY_NOT_FOUND'));
    const guarded = { ...ref('d/2'), conditions: { ifMatch: ['no'] } };
    await assert.rejects(store.delete(who, guarded), is('CONDITION_FAILED'));
    const items = [{ key: key('d/2') }, { key: key('d/3') }, { key: key('attr'), ifMatch: ['no'] }];
    const results = await store.deleteMany(who, 'bucket', items);
    assert.equal(results.length, 3);
    assert.ok(!(results[0] instanceof Error) && !(results[1] instanceof Error));
    assert.ok(is('CONDITION_FAILED')(results[2]));
    await assert.rejects(store.get(who, read('d/2')), is('KEY_NOT_FOUND'));
  });

  test('copy: content is shared, attributes are kept or replaced, a checksum is computed', async () => {
    const bytes = content(5 * MiB);
    await put(store, 'bucket', 'c/source', bytes);
    const request = {
      source: ref('c/source'),
      sourceConditions: {},
      ...ref('c/copy'),
      conditions: {},
    };
    const copied = await store.copy(who, request);
    assert.equal(copied.etag, md5(bytes));
    const headers = { headers: { contentType: 'x/y' }, userMetadata: [] };
    const digested = await store.copy(who, {
      ...request,
      ...ref('c/sum'),
      headers,
      checksumAlgorithm: 'SHA256',
    });
    assert.equal(digested.checksum?.value, sha256(bytes));
    assert.equal((await store.head(who, read('c/sum'))).info.headers.contentType, 'x/y');
    await store.delete(who, { ...ref('c/source'), conditions: {} });
    assert.ok((await get(store, 'bucket', 'c/copy')).equals(bytes));
    await assert.rejects(store.copy(who, request), is('KEY_NOT_FOUND'));
  });

  test('list: order, pages, groups, versions', async () => {
    await store.createBucket(who, { bucket: 'list', region: 'r' });
    const names = ['a', 'a/b', 'a0', 'b/c/d', 'b/e', 'z'];
    await Promise.all(names.map((name) => put(store, 'list', name, key(name))));
    assert.deepEqual(await keysOf('list'), names);
    const grouped = await store.list(who, { ...listAll, bucket: 'list', delimiter: key('/') });
    assert.deepEqual(
      grouped.objects.map((object) => String(object.key)),
      ['a', 'a0', 'z'],
    );
    assert.deepEqual(grouped.commonPrefixes.map(String), ['a/', 'b/']);
    const paged: string[] = [];
    let cursor: Uint8Array | undefined;
    do {
      const page = await store.list(who, {
        ...listAll,
        bucket: 'list',
        limit: 2,
        ...(cursor === undefined ? {} : { after: cursor }),
      });
      paged.push(...page.objects.map((object) => String(object.key)));
      cursor = page.next;
    } while (cursor !== undefined);
    assert.deepEqual(paged, names);
    const versions = await store.listVersions(who, { ...listAll, bucket: 'list' });
    assert.deepEqual(
      versions.objects.map(({ versionId }) => versionId),
      names.map(() => 'null'),
    );
  });

  test('object tags', async () => {
    await put(store, 'bucket', 'tagged', key('x'));
    assert.deepEqual(await store.getTags(who, ref('tagged')), []);
    await store.putTags(who, { ...ref('tagged'), tags: [{ key: 'k', value: 'v' }] });
    assert.deepEqual(await store.getTags(who, ref('tagged')), [{ key: 'k', value: 'v' }]);
  });

  describe('multipart', () => {
    const attributes = { headers: {}, userMetadata: [], tags: [], storageClass: 'STANDARD' };
    const begin = async (name: string): Promise<UploadRef> => ({
      ...ref(name),
      ...(await store.createUpload(who, { ...ref(name), attributes })),
    });

    test('parts of any way of storing become one object, whole, by range and by part', async () => {
      const source = content(6 * MiB, 77);
      await put(store, 'bucket', 'mp/source', source);
      const upload = await begin('mp/object');
      const first = content(5 * MiB, 1);
      const last = content(100, 3);
      const parts = [
        await store.putPart(who, { ...upload, partNumber: 1 }, bodyOf(first)),
        await store.copyPart(
          who,
          { ...upload, partNumber: 2 },
          { source: ref('mp/source'), sourceConditions: {} },
        ),
        await store.putPart(who, { ...upload, partNumber: 7 }, bodyOf(last)),
      ];
      const listed = await store.listParts(who, upload, { after: 0, limit: 2 });
      assert.deepEqual(
        listed.parts.map(({ partNumber }) => partNumber),
        [1, 2],
      );
      assert.equal(listed.truncated, true);
      const uploads = await store.listUploads(who, { ...listAll, bucket: 'bucket' });
      assert.deepEqual(
        uploads.uploads.map(({ uploadId }) => uploadId),
        [upload.uploadId],
      );

      const completed = parts.map(({ partNumber, etag }) => ({ partNumber, etag }));
      const request = { ...upload, parts: completed, conditions: {} };
      const done = await store.completeUpload(who, request);
      const whole = Buffer.concat([first, source, last]);
      assert.equal(done.sizeBytes, whole.length);
      const digests = parts.map(({ etag }) => Buffer.from(etag, 'hex'));
      assert.equal(done.etag, `${md5(Buffer.concat(digests))}-3`);
      assert.ok((await get(store, 'bucket', 'mp/object')).equals(whole));
      assert.deepEqual(await store.completeUpload(who, request), done);

      const part = await store.get(who, { ...read('mp/object'), partNumber: 2 });
      assert.ok((await contentOf(part)).equals(source));
      const range = { kind: 'from', first: 5 * MiB - 10, last: 11 * MiB + 5 } as const;
      const ranged = await store.get(who, { ...read('mp/object'), range });
      assert.ok((await contentOf(ranged)).equals(whole.subarray(range.first, range.last + 1)));
      const described = await store.objectParts(who, { ...ref('mp/object'), after: 1, limit: 10 });
      assert.equal(described.info.partCount, 3);
      assert.equal(described.parts.length, 2);
    });

    test('refusals leave the upload open; abort ends it', async () => {
      const upload = await begin('mp/refused');
      const small = await store.putPart(who, { ...upload, partNumber: 1 }, bodyOf(content(10)));
      const next = await store.putPart(who, { ...upload, partNumber: 2 }, bodyOf(content(10)));
      const complete = (parts: { partNumber: number; etag: string }[]) =>
        store.completeUpload(who, { ...upload, parts, conditions: {} });
      await assert.rejects(complete([next, small]), is('PART_ORDER_INVALID'));
      await assert.rejects(complete([small, next]), is('PART_TOO_SMALL'));
      await assert.rejects(complete([{ partNumber: 3, etag: 'x' }]), is('PART_INVALID'));
      assert.equal((await store.uploadInfo(who, upload)).uploadId, upload.uploadId);
      await store.abortUpload(who, upload);
      await assert.rejects(
        store.putPart(who, { ...upload, partNumber: 1 }, bodyOf(content(MiB))),
        is('UPLOAD_NOT_FOUND'),
      );
      await assert.rejects(store.uploadInfo(who, upload), is('UPLOAD_NOT_FOUND'));
    });
  });
});
