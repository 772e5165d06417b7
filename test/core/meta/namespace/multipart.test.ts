// Multipart uploads through the calls: parts, copies of parts, Complete with its refusals, replays and
// takeovers, abort, listings.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { CoreError } from '../../../../core/base/errors.ts';
import { limits } from '../../../../core/base/limits.ts';
import { marks } from '../../../../core/base/mark.ts';
import type { MessageOf } from '../../../../core/base/message.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { CompletedParts, UploadsPage } from '../../../../core/meta/messages.ts';
import { Fixture, ann, bob, md5, noAttributes, rejects } from './fixture.ts';

type CompleteRequest = MessageOf<typeof calls.completeUpload.request>;

/** One upload of a test. */
class Upload {
  readonly f: Fixture;
  readonly ref: { bucket: string; key: Buffer; uploadId: string };

  constructor(f: Fixture, ref: Upload['ref']) {
    this.f = f;
    this.ref = ref;
  }

  static async create(f: Fixture, key = 'key', more: object = {}): Promise<Upload> {
    const bytes = Buffer.from(key);
    const request = {
      who: ann,
      session: f.session,
      bucket: 'b',
      key: bytes,
      attributes: noAttributes(),
    };
    const { uploadId } = await f.ask(calls.createUpload, { ...request, ...more });
    return new Upload(f, { bucket: 'b', key: bytes, uploadId });
  }

  get base(): { who: typeof ann; session: number; upload: Upload['ref'] } {
    return { who: ann, session: this.f.session, upload: this.ref };
  }

  async put(
    partNumber: number,
    content: Buffer,
    more: object = {},
    etag = md5(content),
  ): Promise<string> {
    const small = content.length <= limits.journaledBytesMax;
    const blob = small ? {} : { blob: await this.f.writeBlob(content) };
    const request = { ...this.base, partNumber, etag, ...blob, ...more };
    await this.f.ask(calls.putPart, request, small ? content : undefined);
    return etag;
  }

  copy(
    partNumber: number,
    source: string,
    more: object = {},
  ): Promise<MessageOf<typeof calls.copyPart.response>> {
    return this.f.ask(calls.copyPart, {
      ...this.base,
      partNumber,
      source: { bucket: 'b', key: Buffer.from(source) },
      sourceConditions: {},
      ...more,
    });
  }

  complete(
    parts: readonly (readonly [number, string])[],
    more: Partial<CompleteRequest> = {},
  ): Promise<MessageOf<typeof calls.completeUpload.response>> {
    const named = parts.map(([partNumber, etag]) => ({ partNumber, etag }));
    const payload = CompletedParts.encode({ parts: named });
    return this.f.ask(calls.completeUpload, { ...this.base, conditions: {}, ...more }, payload);
  }

  abort(): Promise<object> {
    return this.f.ask(calls.abortUpload, this.base);
  }

  async parts(after = 0, limit = 1000): Promise<number[]> {
    const request = { who: ann, upload: this.ref, after, limit };
    return (await this.f.ask(calls.listParts, request)).parts.map(({ partNumber }) => partNumber);
  }
}

async function withBucket(use: (f: Fixture) => Promise<void>): Promise<void> {
  const f = await Fixture.open();
  await f.createBucket('b');
  await use(f);
  await f.close();
}

const big = (fill: string): Buffer => Buffer.alloc(limits.partBytesMin, fill);
const stated = (checksumValue: string): Partial<CompleteRequest> => ({
  checksumAlgorithm: 'SHA256',
  checksumValue,
});
const any = { any: true, etags: [] };

describe('multipart uploads', () => {
  it('join parts of every kind', () =>
    withBucket(async (f) => {
      const upload = await Upload.create(f, 'dir/key', {
        attributes: { ...noAttributes(), headers: { contentType: 'x/y' } },
      });
      const contents = [big('a'), big('b'), Buffer.alloc(100_000, 'c')];
      const named: [number, string][] = [];
      for (const [at, content] of contents.entries()) {
        named.push([at * 3 + 1, await upload.put(at * 3 + 1, content)]);
      }
      assert.deepEqual(await upload.parts(), [1, 4, 7]);
      assert.deepEqual(await upload.parts(1, 1), [4]);
      const whole = Buffer.concat(contents);
      await rejects(f.open('b', 'dir/key'), 'KEY_NOT_FOUND');
      const answer = await upload.complete(named, { sizeBytes: whole.length });
      assert.equal(answer.sizeBytes, whole.length);
      assert.equal(answer.partCount, 3);
      const joined = md5(Buffer.concat(named.map(([, etag]) => Buffer.from(etag, 'hex'))));
      assert.equal(answer.etag, `${joined}-3`);
      assert.deepEqual(await f.read('b', 'dir/key'), whole);
      const { response } = await f.open('b', 'dir/key', { partNumber: 4 });
      assert.equal(response.firstByte, limits.partBytesMin);
      assert.equal(response.info.partCount, 3);
      assert.equal(response.info.attributes.headers.contentType, 'x/y');
      assert.deepEqual(await f.read('b', 'dir/key', { partNumber: 7 }), contents[2]);
      await rejects(f.open('b', 'dir/key', { partNumber: 2 }), 'PART_NUMBER_INVALID');
      const range = { first: limits.partBytesMin - 10, last: limits.partBytesMin * 2 + 10 };
      assert.deepEqual(
        await f.read('b', 'dir/key', { range }),
        whole.subarray(range.first, range.last + 1),
      );
      const object = { bucket: 'b', key: Buffer.from('dir/key') };
      const page = await f.ask(calls.objectParts, { who: ann, object, after: 1, limit: 1 });
      assert.deepEqual(
        page.parts.map(({ partNumber }) => partNumber),
        [4],
      );
      assert.equal(page.truncated, true);
      const replay = await upload.complete(named);
      assert.deepEqual(replay, answer);
      // Another list of parts is another object, which nobody made.
      await rejects(upload.complete(named.slice(0, 1)), 'UPLOAD_NOT_FOUND');
      const others = named.map(([number]) => [number, md5(Buffer.from('other'))] as const);
      await rejects(upload.complete(others), 'UPLOAD_NOT_FOUND');
      await rejects(upload.abort(), 'UPLOAD_NOT_FOUND');
      await rejects(upload.put(1, Buffer.from('late')), 'UPLOAD_NOT_FOUND');
    }));

  it('keep small parts inline, whichever part replaced which', () =>
    withBucket(async (f) => {
      const upload = await Upload.create(f);
      await upload.put(1, Buffer.alloc(50_000, 'old'));
      const etag = await upload.put(1, Buffer.from('new'));
      await upload.complete([[1, etag]]);
      assert.equal((await f.read('b', 'key')).toString(), 'new');
      assert.deepEqual(
        (await f.list('b')).objects.map(({ sizeBytes }) => sizeBytes),
        [3],
      );
    }));

  it('copy parts by reference', () =>
    withBucket(async (f) => {
      const first = await Upload.create(f, 'source');
      const contents = [big('s'), Buffer.from('the tail of it')];
      const etags = [
        await first.put(1, contents[0] as Buffer),
        await first.put(2, contents[1] as Buffer),
      ];
      await first.complete([
        [1, etags[0] as string],
        [2, etags[1] as string],
      ]);
      const source = Buffer.concat(contents);
      await f.put('b', 'tiny', 'tiny');
      const before = f.chunks.chunks.size;
      const upload = await Upload.create(f);
      const whole = await upload.copy(1, 'source');
      const range = { first: 7, last: source.length - 2 };
      const cut = await upload.copy(2, 'source', { range });
      const small = await upload.copy(3, 'tiny', { range: { first: 1, last: 2 } });
      assert.equal(cut.part.sizeBytes, source.length - 8);
      await f.remove('b', 'source');
      await upload.complete([
        [1, whole.part.etag],
        [2, cut.part.etag],
        [3, small.part.etag],
      ]);
      const expected = [source, source.subarray(range.first, range.last + 1), Buffer.from('in')];
      assert.deepEqual(await f.read('b', 'key'), Buffer.concat(expected));
      assert.equal(f.chunks.chunks.size, before);
    }));

  it('copy parts only from what the request means', () =>
    withBucket(async (f) => {
      await f.put('b', 'source', '01234');
      const upload = await Upload.create(f);
      await rejects(
        upload.copy(1, 'source', { range: { first: 0, last: 21 } }),
        'RANGE_NOT_SATISFIABLE',
      );
      await rejects(
        upload.copy(1, 'source', { range: { first: 3, last: 2 } }),
        'RANGE_NOT_SATISFIABLE',
      );
      await rejects(upload.copy(1, 'missing'), 'KEY_NOT_FOUND');
      const sourceConditions = { ifMatch: { any: false, etags: ['x'] } };
      await rejects(upload.copy(1, 'source', { sourceConditions }), 'CONDITION_FAILED');
      await rejects(upload.copy(1, 'source', { sourceInode: 1 }), 'CONFLICT');
      await rejects(upload.copy(0, 'source'), 'INVALID_ARGUMENT');
      const { part } = await upload.copy(1, 'source');
      assert.equal(part.etag, md5(Buffer.from('01234')));
      const given = await upload.copy(1, 'source', {
        range: { first: 1, last: 2 },
        etag: 'f'.repeat(32),
      });
      assert.equal(given.part.etag, 'f'.repeat(32));
    }));

  it('refuse a Complete that does not fit the parts, and stay open', () =>
    withBucket(async (f) => {
      const upload = await Upload.create(f);
      const [one, two] = [
        await upload.put(1, Buffer.from('one')),
        await upload.put(2, Buffer.from('two')),
      ];
      await rejects(upload.complete([]), 'INVALID_ARGUMENT');
      await rejects(
        upload.complete([
          [2, two],
          [1, one],
        ]),
        'PART_ORDER_INVALID',
      );
      await rejects(
        upload.complete([
          [1, one],
          [1, one],
        ]),
        'PART_ORDER_INVALID',
      );
      await rejects(upload.complete([[1, two]]), 'PART_INVALID');
      await rejects(upload.complete([[9999, one]]), 'PART_INVALID');
      await rejects(
        upload.complete([
          [1, one],
          [2, two],
        ]),
        'PART_TOO_SMALL',
      );
      await rejects(upload.complete([[1, one]], { sizeBytes: 4 }), 'UPLOAD_SIZE_MISMATCH');
      await rejects(upload.complete([[1, one]], { conditions: { ifMatch: any } }), 'KEY_NOT_FOUND');
      await f.put('b', 'key', 'present');
      await rejects(
        upload.complete([[1, one]], { conditions: { ifNoneMatch: any } }),
        'CONDITION_FAILED',
      );
      assert.equal((await f.read('b', 'key')).toString(), 'present');
      await upload.complete([[1, one]], { conditions: { ifMatch: any } });
      assert.equal((await f.read('b', 'key')).toString(), 'one');
    }));

  it('verify and answer checksums', () =>
    withBucket(async (f) => {
      const upload = await Upload.create(f, 'key', { checksumAlgorithm: 'SHA256' });
      const value = 'arcu6553sHVAiX4MjW0j7I7vD4w6R+Gz9Ok0Q9lTa+0=';
      const content = Buffer.alloc(1024, 'A');
      const checksum = { algorithm: 'SHA256', type: 'FULL_OBJECT', value };
      const etag = await upload.put(1, content, { checksum });
      await rejects(upload.complete([[1, etag]], stated('bad')), 'DIGEST_MISMATCH');
      await rejects(
        upload.complete([[1, etag]], { checksumType: 'FULL_OBJECT' }),
        'DIGEST_MISMATCH',
      );
      const composite = 'Ok6Cs5b96ux6+MWQkJO7UBT5sKPBeXBLwvj/hK89smg=';
      const answer = await upload.complete([[1, etag]], stated(`${composite}-1`));
      assert.deepEqual(answer.checksum, {
        algorithm: 'SHA256',
        type: 'COMPOSITE',
        value: composite,
      });
      const { response } = await f.open('b', 'key', { partNumber: 1 });
      assert.deepEqual(response.info.checksum, answer.checksum);
      assert.deepEqual(response.partChecksum, checksum);
      await rejects(
        upload.put(2, content, {
          checksum: { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' },
        }),
        'UPLOAD_NOT_FOUND',
      );
      await rejects(
        Upload.create(f, 'k', { checksumAlgorithm: 'SHA1', checksumType: 'FULL_OBJECT' }),
        'INVALID_ARGUMENT',
      );
      await rejects(
        Upload.create(f, 'k', { checksumAlgorithm: 'CRC64NVME', checksumType: 'COMPOSITE' }),
        'INVALID_ARGUMENT',
      );
      const other = await Upload.create(f, 'k', { checksumAlgorithm: 'CRC32' });
      await rejects(other.put(1, content, { checksum }), 'INVALID_ARGUMENT');
      const bare = await other.put(1, content);
      await rejects(other.complete([[1, bare]]), 'PART_INVALID');
    }));

  it('complete once however many try, and let one of two uploads win a condition', () =>
    withBucket(async (f) => {
      const upload = await Upload.create(f);
      const etag = await upload.put(1, Buffer.from('once'));
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => upload.complete([[1, etag]])),
      );
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
      const rivals = await Promise.all(['x', 'y', 'z'].map(() => Upload.create(f, 'rival')));
      const settled = await Promise.allSettled(
        rivals.map(async (rival, at) => {
          const part = await rival.put(1, Buffer.from(`rival ${at}`));
          return rival.complete([[1, part]], { conditions: { ifNoneMatch: any } });
        }),
      );
      assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
    }));

  it('write many parts in bounded steps', () =>
    withBucket(async (f) => {
      const upload = await Upload.create(f);
      const steps = marks().get('complete.step') ?? 0;
      const content = big('m');
      const etag = md5(content);
      const parts: [number, string][] = [];
      for (let partNumber = 1; partNumber <= 400; partNumber++) {
        parts.push([partNumber, await upload.put(partNumber, content, {}, etag)]);
      }
      await upload.complete(parts);
      assert.ok((marks().get('complete.step') ?? 0) - steps >= 4);
      const { response } = await f.open('b', 'key');
      assert.equal(response.lengthBytes, 400 * limits.partBytesMin);
      assert.equal(response.mapBytes, response.lengthBytes);
      assert.equal(response.map.extents.length, 400);
      const last = await f.open('b', 'key', { partNumber: 400 });
      assert.equal(last.response.firstByte, 399 * limits.partBytesMin);
    }));

  it('are taken over when a Complete broke off', () =>
    withBucket(async (f) => {
      // The first one takes the numbers that the second needs, so that its transactions are known.
      const earlier = await Upload.create(f, 'earlier');
      await earlier.complete([[1, await earlier.put(1, Buffer.from('x'))]]);
      const upload = await Upload.create(f);
      const etag = await upload.put(1, Buffer.from('content'));
      const transact = f.store.transact.bind(f.store);
      let transactions = 0;
      const dead = new CoreError('DISK_OFFLINE', 'the process died after the claim');
      f.store.transact = (body, options) =>
        ++transactions > 1 ? Promise.reject(dead) : transact(body, options);
      await rejects(upload.complete([[1, etag]]), 'DISK_OFFLINE');
      f.store.transact = transact;
      await rejects(upload.put(1, Buffer.from('late')), 'UPLOAD_NOT_FOUND');
      await upload.complete([[1, etag]]);
      assert.ok((marks().get('complete.takeover') ?? 0) > 0);
      assert.equal((await f.read('b', 'key')).toString(), 'content');
    }));

  it('are listed by key and time, with grouping and markers', () =>
    withBucket(async (f) => {
      const list = async (more: object = {}): Promise<MessageOf<typeof UploadsPage>> => {
        const none = Buffer.alloc(0);
        const request = {
          who: ann,
          bucket: 'b',
          prefix: none,
          delimiter: none,
          limit: 1000,
          ...more,
        };
        return UploadsPage.decode((await f.answer(calls.listUploads, request)).payload);
      };
      const show = async (more: object = {}): Promise<string> => {
        const page = await list(more);
        const keys = [...page.uploads.map(({ key }) => key), ...page.commonPrefixes];
        return keys
          .map((key) => Buffer.from(key).toString())
          .toSorted()
          .join(' ');
      };
      const keys = ['a', 'a', 'a\0b', 'b/1', 'b/2', 'c'];
      const uploads: Upload[] = [];
      for (const key of keys) {
        uploads.push(await Upload.create(f, key));
        await f.clock.advance(5);
      }
      assert.equal(await show(), 'a a a\0b b/1 b/2 c');
      assert.equal(await show({ prefix: Buffer.from('b') }), 'b/1 b/2');
      assert.equal(await show({ delimiter: Buffer.from('/') }), 'a a a\0b b/ c');
      assert.equal(await show({ after: Buffer.from('a') }), 'a\0b b/1 b/2 c');
      assert.equal(await show({ after: Buffer.from('b/1'), delimiter: Buffer.from('/') }), 'c');
      const first = await list({ limit: 1 });
      assert.equal(first.uploads[0]?.uploadId, uploads[0]?.ref.uploadId);
      assert.equal(first.nextUploadId, uploads[0]?.ref.uploadId);
      const second = await list({
        limit: 1,
        after: first.nextKey,
        afterUploadId: first.nextUploadId,
      });
      assert.equal(second.uploads[0]?.uploadId, uploads[1]?.ref.uploadId);
      const grouped = await list({ limit: 4, delimiter: Buffer.from('/') });
      assert.equal(String(grouped.nextKey), 'b/');
      assert.equal(await show({ after: grouped.nextKey, delimiter: Buffer.from('/') }), 'c');
      await uploads[0]?.abort();
      assert.equal(await show({ prefix: Buffer.from('a') }), 'a a\0b');
      assert.deepEqual((await list({ limit: 0 })).uploads, []);
    }));

  it('belong to the bucket owner and their key', () =>
    withBucket(async (f) => {
      const upload = await Upload.create(f);
      await rejects(f.ask(calls.abortUpload, { ...upload.base, who: bob }), 'ACCESS_DENIED');
      const elsewhere = { ...upload.ref, key: Buffer.from('other') };
      await rejects(f.ask(calls.uploadInfo, { who: ann, upload: elsewhere }), 'UPLOAD_NOT_FOUND');
      const forged = { ...upload.ref, uploadId: 'abc1234def' };
      await rejects(f.ask(calls.uploadInfo, { who: ann, upload: forged }), 'UPLOAD_NOT_FOUND');
      const info = await f.ask(calls.uploadInfo, { who: ann, upload: upload.ref });
      assert.equal(info.storageClass, 'STANDARD');
      await upload.abort();
      await rejects(upload.abort(), 'UPLOAD_NOT_FOUND');
      await rejects(upload.complete([[1, 'x']]), 'UPLOAD_NOT_FOUND');
    }));
});
