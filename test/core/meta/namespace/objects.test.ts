// Single operations of the namespace through its calls: put, open, list, delete, copy, tags, buckets.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { limits } from '../../../../core/base/limits.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { Fixture, ann, bob, md5, noAttributes, rejects, root, textOf } from './fixture.ts';

const oneOf = (...etags: string[]): { any: boolean; etags: string[] } => ({ any: false, etags });

async function withFixture(use: (fixture: Fixture) => Promise<void>, local = true): Promise<void> {
  const fixture = await Fixture.open({ local });
  await use(fixture);
  await fixture.close();
}

describe('put and open', () => {
  it('keeps small content inline, medium content in a local chunk, large content in a blob', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const sizes = [
        0,
        1,
        limits.inlineBytesMax,
        limits.inlineBytesMax + 1,
        limits.journaledBytesMax,
      ];
      for (const size of sizes) {
        const content = Buffer.alloc(size, `${size}`);
        await f.put('b', `k${size}`, content);
        assert.deepEqual(await f.read('b', `k${size}`), content);
      }
      assert.equal(f.chunks.chunks.size, 2);
      await rejects(
        f.put('b', 'k', Buffer.alloc(limits.journaledBytesMax + 1)),
        'INVALID_ARGUMENT',
      );
      const large = Buffer.alloc(9 << 20, 'large');
      await f.put('b', 'large', large, { blob: await f.writeBlob(large) });
      assert.deepEqual(await f.read('b', 'large'), large);
      const range = { first: (4 << 20) - 5, last: (4 << 20) + 5 };
      assert.deepEqual(
        await f.read('b', 'large', { range }),
        large.subarray(range.first, range.last + 1),
      );
    }));

  it('answers ranges, the whole, and what lies outside', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      await f.put('b', 'k', '0123456789');
      const read = async (range: object): Promise<string> =>
        (await f.read('b', 'k', { range })).toString();
      assert.equal(await read({ first: 3, last: 5 }), '345');
      assert.equal(await read({ first: 7 }), '789');
      assert.equal(await read({ first: 7, last: 100 }), '789');
      assert.equal(await read({ suffix: 2 }), '89');
      assert.equal(await read({ suffix: 20 }), '0123456789');
      for (const range of [{ first: 10 }, { suffix: 0 }, { first: 5, last: 4 }]) {
        const { response } = await f.open('b', 'k', { range });
        assert.equal(response.outcome, 'range-not-satisfiable');
        assert.equal(response.info.sizeBytes, 10);
      }
    }));

  it('keeps attributes, sorts tags, and replaces everything on overwrite', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const attributes = {
        ...noAttributes(),
        headers: { contentType: 'text/x', cacheControl: 'none' },
        userMetadata: [{ name: 'a', value: 'ü' }],
        tags: [
          { name: 'z', value: '1' },
          { name: 'a', value: '' },
        ],
      };
      await f.put('b', 'k', 'one', { attributes });
      const { response } = await f.open('b', 'k', { content: false });
      assert.deepEqual(response.info.attributes, {
        ...attributes,
        tags: attributes.tags.toReversed(),
      });
      assert.equal(response.info.versionId, 'null');
      assert.equal(response.info.owner.id, ann.id);
      await f.put('b', 'k', 'two');
      const again = await f.open('b', 'k');
      assert.deepEqual(again.response.info.attributes, noAttributes());
      assert.equal(again.payload.toString(), 'two');
    }));

  it('never lets the time of a key run backwards', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const first = await f.put('b', 'k', '1');
      f.clock.wallMs = () => 1000;
      const second = await f.put('b', 'k', '2');
      assert.equal(second.lastModifiedMs, first.lastModifiedMs);
    }));

  it('takes larger content only as a blob where there is no chunk store', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      await f.put('b', 'small', Buffer.alloc(limits.inlineBytesMax));
      await rejects(f.put('b', 'k', Buffer.alloc(limits.inlineBytesMax + 1)), 'INVALID_ARGUMENT');
      const blob = await f.writeBlob(Buffer.from('content'));
      await f.put('b', 'k', '', { blob });
      const { response } = await f.open('b', 'k');
      assert.equal(response.inPayload, false);
      assert.deepEqual(
        response.map.extents.map(({ blob: number, length, offset }) => ({
          number,
          length,
          offset,
        })),
        [{ number: blob.blob, length: 7, offset: 0 }],
      );
    }, false));

  it('refuses what it should', () =>
    withFixture(async (f) => {
      await rejects(f.put('nope', 'k', 'x'), 'BUCKET_NOT_FOUND');
      await f.createBucket('b');
      await rejects(f.put('b', 'k', 'x', { who: bob }), 'ACCESS_DENIED');
      await f.put('b', 'k', 'x', { who: root });
      await rejects(f.put('b', '', 'x'), 'INVALID_ARGUMENT');
      await rejects(f.put('b', 'k'.repeat(1025), 'x'), 'INVALID_ARGUMENT');
      await rejects(f.open('b', 'missing'), 'KEY_NOT_FOUND');
      await rejects(f.open('b', 'k', { who: bob }), 'ACCESS_DENIED');
      await rejects(f.open('b', 'k', { partNumber: 2 }), 'PART_NUMBER_INVALID');
      await rejects(
        f.open('b', 'k', { object: { bucket: 'b', key: Buffer.from('k'), versionId: 'other' } }),
        'VERSION_NOT_FOUND',
      );
      await f.ask(calls.endSession, { session: f.session });
      await rejects(f.put('b', 'k', Buffer.alloc(100_000)), 'SESSION_ENDED');
      assert.equal(f.chunks.chunks.size, 0);
    }));
});

describe('conditions', () => {
  it('decides writes inside the transaction', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const any = { any: true, etags: [] };
      const put = (conditions: object, content = 'x'): Promise<object> =>
        f.put('b', 'k', content, { conditions });
      await rejects(put({ ifMatch: any }), 'KEY_NOT_FOUND');
      await rejects(put({ ifMatch: oneOf('bad') }), 'KEY_NOT_FOUND');
      await put({ ifNoneMatch: any });
      await rejects(put({ ifNoneMatch: any }), 'CONDITION_FAILED');
      await rejects(put({ ifNoneMatch: oneOf('bad', md5(Buffer.from('x'))) }), 'CONDITION_FAILED');
      await put({ ifNoneMatch: oneOf('bad') });
      await rejects(put({ ifMatch: oneOf('bad') }), 'CONDITION_FAILED');
      await put({ ifMatch: oneOf('bad', md5(Buffer.from('x'))) });
      await put({ ifMatch: any });
    }));

  it('lets exactly one of many conditional creators win', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      for (const key of ['flat', 'deep/er/key']) {
        const attempts = Array.from({ length: 40 }, (_, at) =>
          f.put('b', key, Buffer.alloc(at % 2 === 0 ? 10 : 10_000, at), {
            conditions: { ifNoneMatch: { any: true, etags: [] } },
          }),
        );
        const settled = await Promise.allSettled(attempts);
        assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
      }
      assert.ok(f.chunks.chunks.size <= 2);
    }));

  it('decides reads by RFC 9110', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      await f.put('b', 'k', 'x');
      const etag = md5(Buffer.from('x'));
      const outcome = async (conditions: object): Promise<string> =>
        (await f.open('b', 'k', { conditions })).response.outcome;
      const now = f.clock.wallMs();
      assert.equal(await outcome({ ifMatch: { any: false, etags: [etag] } }), 'ok');
      assert.equal(await outcome({ ifMatch: { any: false, etags: ['y'] } }), 'condition-failed');
      assert.equal(await outcome({ ifNoneMatch: { any: false, etags: [etag] } }), 'not-modified');
      assert.equal(await outcome({ ifNoneMatch: { any: true, etags: [] } }), 'not-modified');
      assert.equal(await outcome({ ifModifiedSinceMs: now + 5000 }), 'not-modified');
      assert.equal(await outcome({ ifModifiedSinceMs: now - 5000 }), 'ok');
      assert.equal(await outcome({ ifUnmodifiedSinceMs: now - 5000 }), 'condition-failed');
      // If-Match and If-None-Match go before the times.
      assert.equal(
        await outcome({ ifMatch: { any: true, etags: [] }, ifUnmodifiedSinceMs: now - 5000 }),
        'ok',
      );
      assert.equal(
        await outcome({ ifNoneMatch: { any: false, etags: ['y'] }, ifModifiedSinceMs: now + 5000 }),
        'ok',
      );
    }));

  it('decides deletes, and forgives what does not exist', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const remove = (conditions: object): Promise<object> =>
        f.ask(calls.deleteObject, {
          who: ann,
          session: f.session,
          object: { bucket: 'b', key: Buffer.from('k') },
          conditions,
        });
      const { lastModifiedMs } = await f.put('b', 'k', 'x');
      await rejects(remove({ ifMatch: { any: false, etags: ['y'] } }), 'CONDITION_FAILED');
      await rejects(remove({ sizeBytes: 2 }), 'CONDITION_FAILED');
      await rejects(remove({ lastModifiedMs: 1000 }), 'CONDITION_FAILED');
      await remove({ ifMatch: { any: true, etags: [] }, sizeBytes: 1, lastModifiedMs });
      await rejects(f.open('b', 'k'), 'KEY_NOT_FOUND');
      await remove({ ifMatch: { any: false, etags: ['y'] }, sizeBytes: 2 });
    }));
});

describe('keys', () => {
  const nasty = [
    'a',
    'a/',
    'a/b',
    'a//b',
    'a///',
    '/',
    '//',
    '/a',
    './x',
    '../x',
    'a/../b',
    'a/./b',
    'x\0y',
    '\0',
    'ü/ß',
    `${'s'.repeat(300)}/t`,
    'a-b',
    'a0',
    'a b',
    '%2e',
    '\\',
    '\u{1F600}',
    '\uFFFD',
  ];

  it('takes every key, each beside the others', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      for (const key of nasty) await f.put('b', key, `content of ${key}`);
      for (const key of nasty)
        assert.equal((await f.read('b', key)).toString(), `content of ${key}`);
      const listed = (await f.list('b')).objects.map(({ key }) => Buffer.from(key).toString());
      const sorted = nasty
        .map((key) => Buffer.from(key))
        .toSorted((a, b) => Buffer.compare(a, b))
        .map(String);
      assert.deepEqual(listed, sorted);
      for (const key of nasty) await f.remove('b', key);
      assert.deepEqual((await f.list('b')).objects, []);
      await f.ask(calls.deleteBucket, { who: ann, session: f.session, bucket: 'b' });
    }));

  it('makes the parents of the deepest keys', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const deepest = [
        '/'.repeat(1024),
        'a/'.repeat(512),
        `${'x/'.repeat(500)}file`,
        'd/'.repeat(40) + 'z',
      ];
      for (const key of deepest) await f.put('b', key, key);
      for (const key of deepest) assert.equal((await f.read('b', key)).toString(), key);
      const many = Array.from({ length: 20 }, (_, at) =>
        f.put('b', `${'q/'.repeat(300)}${at}`, 'x'),
      );
      await Promise.all(many);
      assert.equal((await f.list('b')).objects.length, deepest.length + 20);
    }));
});

describe('a full disk', () => {
  it('refuses what adds rows, be there a chunk or not; what removes goes on', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      await f.put('b', 'old', 'content');
      const base = { who: ann, session: f.session };
      const upload = { bucket: 'b', key: Buffer.from('new') };
      const more = { ...base, ...upload, attributes: noAttributes() };
      const { uploadId } = await f.ask(calls.createUpload, more);
      f.chunks.full = true;
      await rejects(f.put('b', 'new', 'inline'), 'DISK_FULL');
      await rejects(f.put('b', 'old', Buffer.alloc(limits.inlineBytesMax + 1)), 'DISK_FULL');
      await rejects(f.createBucket('c'), 'DISK_FULL');
      await rejects(f.ask(calls.createUpload, more), 'DISK_FULL');
      const tagged = { ...base, object: { bucket: 'b', key: Buffer.from('old') } };
      const tags = [{ name: 'a', value: 'b' }];
      await rejects(f.ask(calls.putObjectTags, { ...tagged, tags }), 'DISK_FULL');
      await f.ask(calls.putObjectTags, { ...tagged, tags: [] });
      assert.equal((await f.read('b', 'old')).toString(), 'content');
      await f.ask(calls.abortUpload, { ...base, upload: { ...upload, uploadId } });
      await f.remove('b', 'old');
      f.chunks.full = false;
      await f.put('b', 'new', 'inline');
    }));
});

describe('lists', () => {
  it('groups by any delimiter, with prefix, marker and limit', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const keys = [
        'a',
        'a/x',
        'a/y/z',
        'a-b',
        'a0',
        'b/c/d',
        'b/c/e',
        'boo',
        'foo::bar::1',
        'foo::baz',
      ];
      for (const key of keys) await f.put('b', key, key);
      const show = async (more: object): Promise<string> => textOf(await f.list('b', more));
      assert.equal(await show({ delimiter: '/' }), 'a a-b a/ a0 b/ boo foo::bar::1 foo::baz');
      assert.equal(await show({ delimiter: '/', prefix: 'a/' }), 'a/x a/y/');
      assert.equal(await show({ delimiter: '/', prefix: 'b' }), 'b/ boo');
      assert.equal(await show({ delimiter: '/', prefix: 'b/c' }), 'b/c/');
      assert.equal(await show({ delimiter: '::' }), 'a a-b a/x a/y/z a0 b/c/d b/c/e boo foo::');
      assert.equal(await show({ delimiter: '::', prefix: 'foo::' }), 'foo::bar:: foo::baz');
      assert.equal(await show({ delimiter: 'o' }), 'a a-b a/x a/y/z a0 b/c/d b/c/e bo fo');
      assert.equal(await show({ delimiter: '/', after: 'a/' }), 'a0 b/ boo foo::bar::1 foo::baz');
      assert.equal(await show({ delimiter: '/', after: 'a/x' }), 'a0 b/ boo foo::bar::1 foo::baz');
      assert.equal(await show({ after: 'a/x' }), 'a/y/z a0 b/c/d b/c/e boo foo::bar::1 foo::baz');
      assert.equal(await show({ prefix: 'zzz' }), '');
      assert.equal(await show({ prefix: 'a/y/z/q' }), '');
      const page = await f.list('b', { delimiter: '/', limit: 3 });
      assert.equal(textOf(page), 'a a-b a/');
      assert.equal(String(page.next), 'a/');
      const none = await f.list('b', { limit: 0 });
      assert.deepEqual([none.objects, none.commonPrefixes, none.next], [[], [], undefined]);
    }));

  it('shows a common prefix only while a key exists below it', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      await f.put('b', 'd/e/f', 'x');
      await f.put('b', 'g/', 'explicit');
      await f.remove('b', 'd/e/f');
      assert.equal(textOf(await f.list('b', { delimiter: '/' })), 'g/');
      assert.equal(textOf(await f.list('b', { delimiter: '/', prefix: 'g/' })), 'g/');
      await f.remove('b', 'g/');
      assert.equal(textOf(await f.list('b', { delimiter: '/' })), '');
    }));

  it('shows what the entry knows', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' };
      const attributes = { ...noAttributes(), storageClass: 'GLACIER' };
      const { lastModifiedMs } = await f.put('b', 'k', 'abc', { checksum, attributes });
      const page = await f.list('b');
      assert.equal(page.bucketOwner.displayName, 'Ann');
      const [object] = page.objects;
      assert.equal(object?.sizeBytes, 3);
      assert.equal(object?.etag, md5(Buffer.from('abc')));
      assert.equal(object?.lastModifiedMs, lastModifiedMs);
      assert.equal(object?.storageClass, 'GLACIER');
      assert.equal(object?.checksumAlgorithm, 'CRC32');
      assert.equal(object?.checksumType, 'FULL_OBJECT');
    }));

  it('deletes many, each on its own', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const keys = Array.from({ length: 300 }, (_, at) => `d${at % 7}/k${at}`);
      await Promise.all(keys.map((key) => f.put('b', key, key)));
      const results = await f.removeMany('b', [...keys, 'never', '']);
      assert.equal(results.length, 302);
      assert.equal(results.filter(({ errorCode }) => errorCode === undefined).length, 301);
      assert.equal(textOf(await f.list('b')), '');
      await rejects(
        f.removeMany(
          'b',
          Array.from({ length: 1001 }, () => 'k'),
        ),
        'INVALID_ARGUMENT',
      );
    }));
});

describe('copies and tags', () => {
  it('copies metadata only, keeping or replacing attributes', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      await f.createBucket('c', bob);
      const content = Buffer.alloc(100_000, 'copied');
      const attributes = { ...noAttributes(), tags: [{ name: 't', value: 'v' }] };
      await f.put('b', 'source', content, { attributes });
      const copy = (more: object = {}): Promise<object> =>
        f.ask(calls.copyObject, {
          who: ann,
          session: f.session,
          source: { bucket: 'b', key: Buffer.from('source') },
          sourceConditions: {},
          bucket: 'b',
          key: Buffer.from('x/copy'),
          conditions: {},
          replaceMetadata: false,
          headers: {},
          userMetadata: [],
          replaceTags: false,
          tags: [],
          ...more,
        });
      await copy();
      assert.equal(f.chunks.chunks.size, 1);
      assert.deepEqual(await f.read('b', 'x/copy'), content);
      await f.remove('b', 'source');
      assert.deepEqual(await f.read('b', 'x/copy'), content);
      const self = { source: { bucket: 'b', key: Buffer.from('x/copy') } };
      const replaced = { replaceMetadata: true, headers: { contentType: 'n/w' }, userMetadata: [] };
      await copy({ ...self, ...replaced });
      const { response } = await f.open('b', 'x/copy');
      assert.equal(response.info.attributes.headers.contentType, 'n/w');
      assert.deepEqual(response.info.attributes.tags, attributes.tags);
      await rejects(copy(), 'KEY_NOT_FOUND');
      await rejects(copy({ ...self, bucket: 'c' }), 'ACCESS_DENIED');
      await rejects(copy({ source: { bucket: 'c', key: Buffer.from('k') } }), 'ACCESS_DENIED');
      await rejects(copy({ ...self, sourceInode: 99 }), 'CONFLICT');
      const sourceConditions = { ifNoneMatch: { any: false, etags: [md5(content)] } };
      await rejects(copy({ ...self, sourceConditions }), 'CONDITION_FAILED');
      const conditions = { ifNoneMatch: { any: true, etags: [] } };
      await rejects(copy({ ...self, conditions }), 'CONDITION_FAILED');
    }));

  it('rewrites tags in place', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      await f.put('b', 'k', 'x');
      const object = { bucket: 'b', key: Buffer.from('k') };
      const before = (await f.open('b', 'k')).response.info;
      const tags = [
        { name: 'b', value: '2' },
        { name: 'a', value: '1' },
      ];
      await f.ask(calls.putObjectTags, { who: ann, session: f.session, object, tags });
      const answer = await f.ask(calls.getObjectTags, { who: ann, object });
      assert.deepEqual(answer.tags, tags.toReversed());
      const after = (await f.open('b', 'k')).response.info;
      assert.deepEqual(after, {
        ...before,
        attributes: { ...before.attributes, tags: answer.tags },
      });
    }));
});

describe('buckets', () => {
  it('belong to who made them, and are listed by owner', () =>
    withFixture(async (f) => {
      await f.createBucket('bucket-one');
      await f.createBucket('bucket-two');
      await f.createBucket('bobs', bob);
      await rejects(f.createBucket('bucket-one'), 'BUCKET_OWNED_BY_YOU');
      await rejects(f.createBucket('bobs'), 'BUCKET_EXISTS');
      const list = async (more: object = {}): Promise<string[]> =>
        (await f.ask(calls.listBuckets, { who: ann, limit: 1000, ...more })).buckets.map(
          ({ name }) => name,
        );
      assert.deepEqual(await list(), ['bucket-one', 'bucket-two']);
      assert.deepEqual(await list({ prefix: 'bucket-t' }), ['bucket-two']);
      assert.deepEqual(await list({ after: 'bucket-one' }), ['bucket-two']);
      assert.deepEqual(await list({ who: root, all: true }), ['bobs', 'bucket-one', 'bucket-two']);
      assert.deepEqual(await list({ who: root, all: true, after: 'bobs', prefix: 'b' }), [
        'bucket-one',
        'bucket-two',
      ]);
      assert.deepEqual(await list({ who: root }), []);
      await rejects(list({ all: true }), 'ACCESS_DENIED');
      const page = await f.ask(calls.listBuckets, { who: ann, limit: 1 });
      assert.equal(page.next, 'bucket-one');
      const head = await f.ask(calls.headBucket, { who: ann, bucket: 'bucket-one' });
      assert.equal(head.region, 'lampyr');
      await rejects(f.ask(calls.headBucket, { who: bob, bucket: 'bucket-one' }), 'ACCESS_DENIED');
    }));

  it('are deleted when no key is left, whatever empty directories are', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const remove = (): Promise<object> =>
        f.ask(calls.deleteBucket, { who: ann, session: f.session, bucket: 'b' });
      await f.put('b', 'a/b/c/d', 'x');
      await f.put('b', 'a/e/', 'x');
      await rejects(remove(), 'BUCKET_NOT_EMPTY');
      await f.remove('b', 'a/b/c/d');
      await rejects(remove(), 'BUCKET_NOT_EMPTY');
      await f.remove('b', 'a/e/');
      await remove();
      await rejects(remove(), 'BUCKET_NOT_FOUND');
      await f.createBucket('b', bob);
    }));

  it('have tags', () =>
    withFixture(async (f) => {
      await f.createBucket('b');
      const put = (tags: { name: string; value: string }[]): Promise<object> =>
        f.ask(calls.putBucketTags, { who: ann, session: f.session, bucket: 'b', tags });
      const get = (): Promise<{ tags: object[] }> =>
        f.ask(calls.getBucketTags, { who: ann, bucket: 'b' });
      await rejects(get(), 'NO_TAGS');
      await put([{ name: 'k', value: 'v' }]);
      assert.deepEqual((await get()).tags, [{ name: 'k', value: 'v' }]);
      await put([]);
      await rejects(get(), 'NO_TAGS');
    }));
});
