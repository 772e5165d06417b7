// The janitor: what operations leave behind goes, when no reader can hold it any more, and nothing else does.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { CoreError, isCoreError } from '../../../../core/base/errors.ts';
import { id } from '../../../../core/base/ids.ts';
import type { SessionId } from '../../../../core/base/ids.ts';
import { limits } from '../../../../core/base/limits.ts';
import { marks } from '../../../../core/base/mark.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { sessionKey, space, spaceRange } from '../../../../core/meta/keys.ts';
import { CompletedParts } from '../../../../core/meta/messages.ts';
import { Fixture, ann, md5, noAttributes, rejects, target } from '../namespace/fixture.ts';

async function withBucket(use: (f: Fixture) => Promise<void>): Promise<void> {
  const f = await Fixture.open();
  await f.createBucket('b');
  await use(f);
  await f.close();
}

async function rowsOf(f: Fixture, letter: number): Promise<number> {
  return (await f.store.range({ ...spaceRange(letter), limit: 10_000 })).length;
}

const medium = (fill: string): Buffer => Buffer.alloc(20_000, fill);

async function createUpload(
  f: Fixture,
  key = 'key',
): Promise<{ bucket: string; key: Buffer; uploadId: string }> {
  const bytes = Buffer.from(key);
  const { uploadId } = await f.ask(calls.createUpload, {
    who: ann,
    session: f.session,
    bucket: 'b',
    key: bytes,
    attributes: noAttributes(),
  });
  return { bucket: 'b', key: bytes, uploadId };
}

async function putPart(
  f: Fixture,
  upload: object,
  partNumber: number,
  content: Buffer,
): Promise<string> {
  const etag = md5(content);
  const request = { who: ann, session: f.session, upload: upload as never, partNumber, etag };
  await f.ask(calls.putPart, request, content);
  return etag;
}

describe('janitor', () => {
  it('removes replaced and deleted content, and leaves what copies share', () =>
    withBucket(async (f) => {
      await f.put('b', 'k', medium('1'));
      await f.put('b', 'k', medium('2'));
      await f.put('b', 'gone', medium('3'));
      await f.ask(calls.copyObject, {
        who: ann,
        session: f.session,
        source: { bucket: 'b', key: Buffer.from('gone') },
        sourceConditions: {},
        bucket: 'b',
        key: Buffer.from('copy'),
        conditions: {},
        replaceMetadata: false,
        headers: {},
        userMetadata: [],
        replaceTags: false,
        tags: [],
      });
      await f.remove('b', 'gone');
      assert.equal(f.chunks.chunks.size, 3);
      await f.clean();
      assert.equal(f.chunks.chunks.size, 2);
      assert.deepEqual(await f.read('b', 'copy'), medium('3'));
      await f.remove('b', 'copy');
      await f.remove('b', 'k');
      await f.clean();
      assert.equal(f.chunks.chunks.size, 0);
      for (const letter of [space.content, space.blob, space.reference, space.garbage]) {
        assert.equal(await rowsOf(f, letter), 0);
      }
    }));

  it('waits for readers that may still read', () =>
    withBucket(async (f) => {
      const { janitor } = f.service;
      const renew = (oldestEpoch: number): Promise<{ epoch: number; lost: boolean }> =>
        f.ask(calls.renewReadLease, { reader: 'slow', oldestEpoch });
      await f.put('b', 'k', medium('1'));
      await f.clock.advance(limits.readLeaseMs);
      const { response } = await f.open('b', 'k', { reader: 'slow' });
      await f.remove('b', 'k');
      for (let beat = 0; beat < 10; beat++) {
        await f.clock.advance(limits.readLeaseMs / 3);
        assert.equal((await renew(response.epoch)).lost, false);
        await janitor.step();
        assert.equal(f.chunks.chunks.size, 1, 'freed under a reader');
      }
      const idle = await renew(0);
      assert.ok(idle.epoch > response.epoch);
      await janitor.step();
      assert.equal(f.chunks.chunks.size, 0);
      assert.equal((await renew(response.epoch)).lost, true);
      assert.equal((await renew(idle.epoch)).lost, false);
    }));

  it('does not wait for a reader whose lease ended, nor free within a lease of the start', () =>
    withBucket(async (f) => {
      const { janitor } = f.service;
      await f.put('b', 'k', medium('1'));
      await f.open('b', 'k', { reader: 'dead' });
      await f.remove('b', 'k');
      await janitor.step();
      assert.equal(f.chunks.chunks.size, 1);
      await f.clock.advance(limits.readLeaseMs);
      await janitor.step();
      assert.equal(f.chunks.chunks.size, 0);
      assert.ok((marks().get('leases.expired') ?? 0) > 0);
    }));

  it('removes empty implicit directories, upwards, and keeps explicit and used ones', () =>
    withBucket(async (f) => {
      await f.put('b', 'a/b/c/d', 'x');
      await f.put('b', 'a/keep', 'x');
      await f.put('b', 'e/', 'explicit');
      await f.put('b', 'e/f', 'x');
      await f.remove('b', 'a/b/c/d');
      await f.remove('b', 'e/f');
      assert.equal(await rowsOf(f, space.existence), 5);
      await f.clean();
      // The bucket, a/ and e/.
      assert.equal(await rowsOf(f, space.existence), 3);
      assert.equal((await f.list('b')).objects.length, 2);
    }));

  it('never removes a directory under a PUT', () =>
    withBucket(async (f) => {
      const { janitor } = f.service;
      for (let round = 0; round < 60; round++) {
        await f.put('b', 'd/e/k', 'x');
        await f.remove('b', 'd/e/k');
        await Promise.all([
          janitor.step(),
          f.put('b', 'd/e/k', `round ${round}`),
          janitor.step(),
          f.put('b', 'd/other', 'x'),
        ]);
        assert.equal((await f.read('b', 'd/e/k')).toString(), `round ${round}`);
        assert.equal((await f.list('b')).objects.length, 2);
      }
    }));

  it('collects aborted, completed and replaced parts, and answers when they are due', () =>
    withBucket(async (f) => {
      const aborted = await createUpload(f);
      for (let part = 1; part <= 60; part++) await putPart(f, aborted, part, medium(`${part}`));
      await f.ask(calls.abortUpload, { who: ann, session: f.session, upload: aborted });
      const completed = await createUpload(f);
      await putPart(f, completed, 1, medium('replaced'));
      const etag = await putPart(f, completed, 1, medium('used'));
      await putPart(f, completed, 2, medium('unused'));
      const complete = (): Promise<object> =>
        f.ask(
          calls.completeUpload,
          { who: ann, session: f.session, upload: completed, conditions: {} },
          CompletedParts.encode({ parts: [{ partNumber: 1, etag }] }),
        );
      await complete();
      await f.clean();
      assert.equal(f.chunks.chunks.size, 1);
      assert.equal(await rowsOf(f, space.part), 0);
      assert.deepEqual(await f.read('b', 'key'), medium('used'));
      await complete();
      await f.clock.advance(limits.uploadReplayKeptMs);
      await f.openSession();
      await f.clean();
      await rejects(complete(), 'UPLOAD_NOT_FOUND');
      assert.equal(await rowsOf(f, space.upload), 0);
    }));

  it('ends the uploads of a deleted bucket', () =>
    withBucket(async (f) => {
      for (let at = 0; at < 30; at++)
        await putPart(f, await createUpload(f, `k${at}`), 1, medium('x'));
      await f.ask(calls.deleteBucket, { who: ann, session: f.session, bucket: 'b' });
      await f.clean();
      assert.equal(f.chunks.chunks.size, 0);
      assert.equal(await rowsOf(f, space.upload), 0);
      assert.equal(await rowsOf(f, space.part), 0);
      await f.createBucket('b');
    }));

  it('ends expired sessions, fences their commits and collects their blobs', () =>
    withBucket(async (f) => {
      const kept = Buffer.alloc(100_000, 'kept');
      await f.put('b', 'kept', '', { blob: await f.writeBlob(kept), etag: md5(kept) });
      const late = await f.writeBlob(Buffer.alloc(9 << 20, 'never named'));
      assert.equal(f.chunks.chunks.size, 4);
      const ended = f.session;
      for (let passed = 0; passed <= limits.sessionLeaseMs * 2; passed += 10_000) {
        await f.service.context.own.renew();
        await f.service.janitor.step();
        await f.clock.advance(10_000);
      }
      await rejects(f.put('b', 'late', '', { blob: late }), 'SESSION_ENDED');
      await rejects(f.ask(calls.renewSession, { session: ended }), 'SESSION_ENDED');
      await f.openSession();
      assert.ok(f.session > ended);
      await f.clean();
      assert.equal(f.chunks.chunks.size, 1);
      assert.deepEqual(await f.read('b', 'kept'), kept);
    }));

  it('keeps a session that renews, whatever the wall clock does', () =>
    withBucket(async (f) => {
      const wall = f.clock.wallMs.bind(f.clock);
      f.clock.wallMs = () => wall() + 365 * 24 * 3600_000;
      await f.service.janitor.step();
      await f.put('b', 'k', 'x');
      f.clock.wallMs = wall;
      for (let beat = 0; beat < 12; beat++) {
        await f.clock.advance(limits.sessionLeaseMs / 3);
        await f.ask(calls.renewSession, { session: f.session });
        await f.service.janitor.step();
      }
      await f.put('b', 'k', 'y');
    }));

  it('takes back a completion whose session ended', () =>
    withBucket(async (f) => {
      const upload = await createUpload(f);
      const etag = await putPart(f, upload, 1, medium('part'));
      const transact = f.store.transact.bind(f.store);
      let transactions = 0;
      const warm = await createUpload(f, 'warm');
      const payload = CompletedParts.encode({ parts: [{ partNumber: 1, etag }] });
      await putPart(f, warm, 1, medium('part'));
      const base = { who: ann, session: f.session, conditions: {} };
      await f.ask(calls.completeUpload, { ...base, upload: warm }, payload);
      f.store.transact = (body, options) => {
        if (++transactions > 1) throw new Error('the process stops here');
        return transact(body, options);
      };
      await assert.rejects(f.ask(calls.completeUpload, { ...base, upload }, payload));
      f.store.transact = transact;
      await f.ask(calls.endSession, { session: f.session });
      await f.openSession();
      await f.clean();
      const again = await putPart(f, upload, 1, medium('again'));
      await f.ask(
        calls.completeUpload,
        { ...base, session: f.session, upload },
        CompletedParts.encode({ parts: [{ partNumber: 1, etag: again }] }),
      );
      assert.deepEqual(await f.read('b', 'key'), medium('again'));
      assert.ok((marks().get('sessions.work-released') ?? 0) > 0);
    }));

  it('takes back a completion that stopped between any two of its transactions', () =>
    withBucket(async (f) => {
      const content = Buffer.alloc(limits.partBytesMin, 'm');
      const etag = md5(content);
      f.layout = { ...f.layout, chunkBytes: 8 << 20 };
      let ended = false;
      for (let stop = 1; !ended; stop++) {
        const upload = await createUpload(f);
        const parts: { partNumber: number; etag: string }[] = [];
        for (let partNumber = 1; partNumber <= 140; partNumber++) {
          const blob = await f.writeBlob(content);
          const base = { who: ann, session: f.session, upload };
          await f.ask(calls.putPart, { ...base, partNumber, etag, blob });
          parts.push({ partNumber, etag });
        }
        ended = await stopsAfter(f, stop, async () => {
          const request = { who: ann, session: f.session, upload, conditions: {} };
          await f.ask(calls.completeUpload, request, CompletedParts.encode({ parts }));
        });
        assert.ok(!ended || stop >= 4, 'several steps');
        await f.ask(calls.endSession, { session: f.session });
        const { layout } = f;
        await f.openSession();
        f.layout = layout;
        await f.clean();
        assert.equal(f.chunks.chunks.size, 140, 'the parts, or the object of them');
        if (ended) await f.remove('b', 'key');
        else await f.ask(calls.abortUpload, { who: ann, session: f.session, upload });
        await f.clean();
        assert.deepEqual((await f.fsck()).findings, [], `stopped after ${stop} transactions`);
        assert.equal(f.chunks.chunks.size, 0, `stopped after ${stop} transactions`);
        for (const letter of [space.content, space.blob, space.reference, space.part])
          assert.equal(await rowsOf(f, letter), 0);
      }
    }));

  it('collects blobs that were given up', () =>
    withBucket(async (f) => {
      const blob = await f.writeBlob(Buffer.alloc(9 << 20, 'broken off'));
      await f.ask(calls.discardBlobs, { session: f.session, blobs: [blob.blob] });
      const refused = await f.writeBlob(medium('refused'));
      const conditions = { ifMatch: { any: true, etags: [] } };
      await rejects(f.put('b', 'k', '', { blob: refused, conditions }), 'KEY_NOT_FOUND');
      assert.equal(f.chunks.chunks.size, 4);
      await f.clean();
      assert.equal(f.chunks.chunks.size, 0);
    }));

  it('quarantines unknown chunks for a day', () =>
    withBucket(async (f) => {
      const stranger = `${String(2 ** 40).padStart(16, '0')}/0000000000`;
      f.chunks.chunks.set(stranger, Buffer.from('?'));
      assert.deepEqual(
        (await f.fsck()).findings.map(({ kind }) => kind),
        ['chunk-unknown'],
      );
      await f.clean();
      assert.equal(f.chunks.chunks.size, 1);
      await f.clock.advance(limits.quarantineMs);
      await f.openSession();
      await f.clean();
      assert.equal(f.chunks.chunks.size, 0);
      assert.equal(await rowsOf(f, space.garbage), 0);
      for (const name of ['unknown.quarantined', 'unknown.removed']) assert.ok(marks().has(name));
    }));

  it('takes a dead content of many blobs apart page by page', () =>
    withBucket(async (f) => {
      const upload = await createUpload(f);
      const content = Buffer.alloc(limits.partBytesMin, 'm');
      const etag = md5(content);
      const parts: { partNumber: number; etag: string }[] = [];
      for (let partNumber = 1; partNumber <= 70; partNumber++) {
        const blob = await f.writeBlob(content);
        await f.ask(calls.putPart, {
          who: ann,
          session: f.session,
          upload,
          partNumber,
          etag,
          blob,
        });
        parts.push({ partNumber, etag });
      }
      const request = { who: ann, session: f.session, upload, conditions: {} };
      await f.ask(calls.completeUpload, request, CompletedParts.encode({ parts }));
      await f.clean();
      assert.equal(f.chunks.chunks.size, 140);
      await f.remove('b', 'key');
      await f.clean();
      assert.equal(f.chunks.chunks.size, 0);
      assert.ok((marks().get('collect.content-later') ?? 0) > 0);
      for (const letter of [space.content, space.blob, space.reference])
        assert.equal(await rowsOf(f, letter), 0);
    }));

  it('reports a damaged item and goes on with the others', () =>
    withBucket(async (f) => {
      const damaged = Buffer.from('Gdx');
      await f.store.transact(async (transaction) => transaction.set(damaged, Buffer.of(1)));
      await f.put('b', 'd/k', 'x');
      await f.remove('b', 'd/k');
      await f.clean();
      assert.equal(await rowsOf(f, space.existence), 1);
      assert.ok(f.bugs.length > 0 && f.bugs.every((bug) => bug.startsWith('meta.janitor-item')));
      assert.ok(marks().has('janitor.damaged'));
      f.bugs.length = 0;
      await f.store.transact(async (transaction) => transaction.delete(damaged));
    }));
});

/** Runs an operation whose process stops after so many transactions. True when it came to its end before. */
async function stopsAfter(
  f: Fixture,
  transactions: number,
  operation: () => Promise<void>,
): Promise<boolean> {
  const transact = f.store.transact.bind(f.store);
  let begun = 0;
  f.store.transact = async (body, options) => {
    if (++begun > transactions) throw new CoreError('DISK_OFFLINE', 'the process stops here');
    return transact(body, options);
  };
  try {
    await operation();
    return true;
  } catch (error) {
    assert.ok(isCoreError(error, 'DISK_OFFLINE'), String(error));
    return false;
  } finally {
    f.store.transact = transact;
  }
}

describe('sessions', () => {
  it('grant ranges that never overlap', () =>
    withBucket(async (f) => {
      const ranges = await Promise.all(
        Array.from({ length: 10 }, () => f.ask(calls.grantBlobs, { session: f.session })),
      );
      const firsts = ranges.map(({ blobs }) => blobs.first).toSorted((a, b) => a - b);
      for (const [at, first] of firsts.entries()) {
        if (at > 0) assert.ok(first >= (firsts[at - 1] as number) + limits.blobsPerGrant);
      }
      const given = await f.ask(calls.openSession, { role: 'given', session: 5_000_000 });
      assert.equal(given.session, 5_000_000);
      await rejects(
        f.ask(calls.openSession, { role: 'given', session: 5_000_000 }),
        'INVALID_ARGUMENT',
      );
    }));

  it('of this process is replaced when it was ended, and small bodies go on', () =>
    withBucket(async (f) => {
      const { own } = f.service.context;
      const before = own.session;
      await f.store.transact(async (transaction) => transaction.delete(sessionKey(before)));
      await f.put('b', 'k', medium('1'));
      assert.notEqual(own.session, before);
      assert.ok(marks().has('sessions.own-replaced'));
      await f.ask(calls.endSession, { session: own.session });
      await own.renew();
      assert.ok(own.session > id<SessionId>(before + 1));
      await f.put('b', 'k', medium('2'));
      assert.equal((await f.chunks.scan(target, undefined, 10)).length, 2);
    }));
});
