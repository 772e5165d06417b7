// Races that a single process rarely meets: two services over one store, and changes between the reads of an
// operation, put there on purpose.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { CoreError } from '../../../../core/base/errors.ts';
import { marks } from '../../../../core/base/mark.ts';
import { id } from '../../../../core/base/ids.ts';
import type { InodeId } from '../../../../core/base/ids.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { space } from '../../../../core/meta/keys.ts';
import { CompletedParts } from '../../../../core/meta/messages.ts';
import type { CommitPosition } from '../../../../core/meta/meta-store.ts';
import { removeIfEmpty } from '../../../../core/meta/namespace/empty-directories.ts';
import { InodeRow, decodeRow } from '../../../../core/meta/rows.ts';
import { Fixture, ann, md5, noAttributes, rejects } from './fixture.ts';

const any = { any: true, etags: [] };

async function withTwo(use: (f: Fixture, g: Fixture) => Promise<void>): Promise<void> {
  const f = await Fixture.open();
  const g = await f.another();
  await f.createBucket('b');
  await use(f, g);
  await g.service.close();
  await f.close();
}

const passed = (name: string): number => marks().get(name) ?? 0;

/** Runs `change` before the first read of a transaction or of the store that meets `when`. */
function interpose(
  f: Fixture,
  when: (key: Uint8Array) => boolean,
  change: () => Promise<unknown>,
): void {
  let done = false;
  const before = async (keys: readonly Uint8Array[]): Promise<void> => {
    if (done || !keys.some(when)) return;
    done = true;
    await change();
  };
  const { store } = f;
  const get = store.get.bind(store);
  store.get = async (key) => {
    await before([key]);
    return get(key);
  };
  const begin = store.begin.bind(store);
  store.begin = () => {
    const transaction = begin();
    const getMany = transaction.getMany.bind(transaction);
    transaction.getMany = async (keys) => {
      await before(keys);
      return getMany(keys);
    };
    return transaction;
  };
}

describe('two services over one store', () => {
  it('let exactly one conditional creator win, and leave no chunk of the others', () =>
    withTwo(async (f, g) => {
      for (let round = 0; round < 12; round++) {
        const key = round % 2 === 0 ? `flat${round}` : `d${round}/key`;
        const attempts = Array.from({ length: 12 }, (_, at) =>
          (at % 2 === 0 ? f : g).put('b', key, Buffer.alloc(10_000, at), {
            conditions: { ifNoneMatch: any },
          }),
        );
        const settled = await Promise.allSettled(attempts);
        assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
        assert.equal(f.chunks.chunks.size, round + 1);
      }
    }));

  it('take turns in overwriting a hot key, with every writer through', () =>
    withTwo(async (f, g) => {
      const writers = Array.from({ length: 120 }, (_, at) =>
        (at % 2 === 0 ? f : g).put('b', 'hot', Buffer.alloc(10_000, at)),
      );
      const answers = await Promise.all(writers);
      assert.equal(answers.length, 120);
      await f.clean();
      assert.equal(f.chunks.chunks.size, 1);
    }));

  it('number nothing twice', () =>
    withTwo(async (f, g) => {
      const blobs = await Promise.all([f, g, f, g].map(() => f.writeBlob(Buffer.from('x'))));
      assert.equal(new Set(blobs.map(({ blob }) => blob)).size, 4);
      const taken = await Promise.all(
        Array.from({ length: 200 }, (_, at) =>
          (at % 2 === 0 ? f : g).service.context.numbers.inode(),
        ),
      );
      assert.equal(new Set(taken).size, 200);
      assert.notEqual(f.service.context.own.session, g.service.context.own.session);
    }));

  it('complete an upload once, whoever takes it over', () =>
    withTwo(async (f, g) => {
      const base = { who: ann, session: f.session };
      const key = Buffer.from('key');
      const attributes = noAttributes();
      for (let round = 0; round < 10; round++) {
        const request = { ...base, bucket: 'b', key, attributes };
        const { uploadId } = await f.ask(calls.createUpload, request);
        const upload = { bucket: 'b', key, uploadId };
        const content = Buffer.alloc(10_000, round);
        const etag = md5(content);
        await f.ask(calls.putPart, { ...base, upload, partNumber: 1, etag }, content);
        const payload = CompletedParts.encode({ parts: [{ partNumber: 1, etag }] });
        const settled = await Promise.allSettled(
          [f, g].map((service) =>
            service.ask(calls.completeUpload, { ...base, upload, conditions: {} }, payload),
          ),
        );
        const answers = settled.flatMap((answer) =>
          answer.status === 'fulfilled' ? [answer.value] : [],
        );
        assert.ok(answers.length >= 1);
        assert.deepEqual(answers.at(-1), answers[0]);
        assert.deepEqual(await f.read('b', 'key'), content);
      }
      assert.ok(passed('complete.takeover') > 0);
      await f.clean();
      assert.equal(f.chunks.chunks.size, 1);
    }));

  it('give a staged chunk up whose transaction lost and was then refused', () =>
    withTwo(async (f, g) => {
      await warm(f, g);
      const before = passed('body.aborted');
      onNextCommit(f, async (commit) => {
        await g.put('b', 'k', 'winner');
        return commit();
      });
      const put = f.put('b', 'k', Buffer.alloc(10_000), { conditions: { ifNoneMatch: any } });
      await rejects(put, 'CONDITION_FAILED');
      assert.equal(passed('body.aborted'), before + 1);
      assert.equal(f.chunks.chunks.size, 0);
      assert.equal((await f.read('b', 'k')).toString(), 'winner');
    }));

  it('remove a submitted chunk again whose transaction the store did not take', () =>
    withTwo(async (f, g) => {
      await warm(f, g);
      const before = passed('body.removed');
      onNextCommit(f, async (_commit, submit) => {
        submit?.();
        throw new CoreError('BUSY', 'the queue of commits is full');
      });
      await rejects(f.put('b', 'k', Buffer.alloc(10_000)), 'BUSY');
      assert.equal(passed('body.removed'), before + 1);
      assert.equal(f.chunks.chunks.size, 0);
      await rejects(f.open('b', 'k'), 'KEY_NOT_FOUND');
    }));
});

/** Takes numbers beforehand, so that the next commit of a PUT is its own; leaves no chunk. */
async function warm(f: Fixture, g: Fixture): Promise<void> {
  for (const service of [f, g]) await service.put('b', 'warm', Buffer.alloc(10_000));
  await f.put('b', 'warm', '');
  await f.clean();
  assert.equal(f.chunks.chunks.size, 0);
  // The leases that passed meanwhile were those of the other's sessions.
  await g.service.context.own.renew();
  await g.openSession();
}

type Commit = () => Promise<CommitPosition>;

/** Stands in for the next commit. `submit` is what the store calls in the turn of the commit. */
function onNextCommit(
  f: Fixture,
  instead: (commit: Commit, submit: (() => void) | undefined) => Promise<CommitPosition>,
): void {
  const begin = f.store.begin.bind(f.store);
  let armed = true;
  f.store.begin = () => {
    const transaction = begin();
    const commit = transaction.commit.bind(transaction);
    transaction.commit = (submit) => {
      if (!armed) return commit(submit);
      armed = false;
      return instead(() => commit(submit), submit);
    };
    return transaction;
  };
}

describe('changes between the reads of an operation', () => {
  it('make a read resolve the key again', () =>
    withTwo(async (f, g) => {
      await f.put('b', 'k', 'old');
      const before = passed('open.replaced');
      interpose(
        f,
        (key) => key[0] === space.inode,
        () => g.put('b', 'k', 'new'),
      );
      assert.equal((await f.read('b', 'k')).toString(), 'new');
      assert.equal(passed('open.replaced'), before + 1);
    }));

  it('make a PUT begin again when its directory is removed', () =>
    withTwo(async (f, g) => {
      await f.put('b', 'd/e/first', 'x');
      await f.remove('b', 'd/e/first');
      const directories = await f.store.range({
        from: Buffer.of(space.inode),
        to: Buffer.of(space.inode + 1),
        limit: 100,
      });
      const inner = directories.find(
        ([, row]) => Buffer.from(decodeRow(InodeRow, row).name).toString() === 'e/',
      ) as readonly [Uint8Array, Uint8Array];
      const directory = id<InodeId>(Buffer.from(inner[0]).readUInt32BE(5));
      const before = passed('path.moved');
      interpose(
        f,
        (key) => key[0] === space.existence,
        () => removeIfEmpty(g.service.context, directory),
      );
      await f.put('b', 'd/e/second', 'y');
      assert.ok(passed('path.moved') > before);
      assert.equal((await f.read('b', 'd/e/second')).toString(), 'y');
    }));
});
