// Versions of keys through the namespace's calls: against a model, and case by case.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import * as calls from '../../../../core/meta/calls.ts';
import { CompletedParts } from '../../../../core/meta/messages.ts';
import type { ListPage } from '../../../../core/meta/messages.ts';
import * as k from '../../../../core/meta/keys.ts';
import { Prng } from '../../../../core/base/prng.ts';
import { Fixture, ann, bob, md5, noAttributes, rejects, textOf } from './fixture.ts';
import { VersionsModel } from './versions-model.ts';
import type { ModelItem } from './versions-model.ts';

async function versioned(use: (fixture: Fixture) => Promise<void>): Promise<void> {
  const f = await Fixture.open();
  await f.createBucket('b');
  await f.versioning('b', true);
  await use(f);
  await f.close();
}

const itemsOf = (page: ListPage): ModelItem[] =>
  page.objects.map(({ key, versionId, isLatest, deleteMarker }) => ({
    key: Buffer.from(key).toString(),
    versionId: versionId ?? '',
    isLatest: isLatest ?? false,
    deleteMarker: deleteMarker ?? false,
  }));

/** Every page of a listing, with what goes on after each. */
async function allItems(
  f: Fixture,
  limit: number,
  more: { prefix?: string; delimiter?: string } = {},
): Promise<{ items: ModelItem[]; prefixes: string[] }> {
  const items: ModelItem[] = [];
  const prefixes: string[] = [];
  for (let after: { after?: string; afterVersionId?: string } = {}; ;) {
    const page = await f.listVersions('b', { ...more, ...after, limit });
    items.push(...itemsOf(page));
    prefixes.push(...page.commonPrefixes.map((prefix) => Buffer.from(prefix).toString()));
    assert.ok(page.objects.length + page.commonPrefixes.length <= limit);
    if (page.next === undefined) return { items, prefixes };
    assert.equal(page.objects.length + page.commonPrefixes.length, limit);
    assert.ok(page.nextVersionId !== undefined);
    after = { after: Buffer.from(page.next).toString(), afterVersionId: page.nextVersionId };
  }
}

const readVersion = async (f: Fixture, key: string, versionId: string): Promise<string> =>
  (
    await f.read('b', key, { object: { bucket: 'b', key: Buffer.from(key), versionId } })
  ).toString();

const oneOf = (...etags: string[]): { any: boolean; etags: string[] } => ({ any: false, etags });
const any = { any: true, etags: [] };

const keys = ['a', 'a-b', 'a/', 'a/x', 'a/x/y', 'b', 'd/e/f', 'nul\0', 'nul'];

async function change(
  f: Fixture,
  model: VersionsModel,
  key: string,
  dice: number,
  text: string,
): Promise<void> {
  const present = model.versions(key);
  if (dice < 0.04 || (model.versioning === undefined && dice < 0.08)) {
    await f.versioning('b', true);
    model.versioning = 'enabled';
  } else if (dice < 0.12) {
    if (model.versioning === undefined) return;
    await f.versioning('b', false);
    model.versioning = 'suspended';
  } else if (dice < 0.55) {
    const content = dice < 0.45 ? text : text.repeat(1000);
    const { versionId } = await f.put('b', key, content);
    assert.equal(versionId === 'null', model.versioning !== 'enabled');
    model.put(key, { versionId, content });
  } else if (dice < 0.7) {
    const { versionId, deleteMarker } = await f.removeVersion('b', key);
    assert.equal(deleteMarker, model.versioning !== undefined);
    if (deleteMarker) model.put(key, { versionId: versionId as string, content: undefined });
    else model.remove(key, 'null');
  } else {
    const at = Math.floor(dice * 1000) % (present.length + 1);
    const target = present[at] ?? { versionId: '0000000000ffff', content: 'none' };
    const gone = await f.removeVersion('b', key, target.versionId);
    assert.deepEqual(gone, {
      versionId: target.versionId,
      deleteMarker: target.content === undefined,
    });
    model.remove(key, target.versionId);
  }
}

async function check(f: Fixture, model: VersionsModel, limit: number): Promise<void> {
  assert.deepEqual((await allItems(f, limit)).items, model.items);
  assert.equal(textOf(await f.list('b')), model.objects.join(' '));
  for (const key of keys) {
    const [newest] = model.versions(key);
    if (newest?.content === undefined) await missing(f, key, newest?.versionId);
    else assert.equal((await f.read('b', key)).toString(), newest.content);
    for (const { versionId, content } of model.versions(key)) {
      if (content !== undefined) assert.equal(await readVersion(f, key, versionId), content);
    }
  }
  assert.deepEqual((await f.fsck()).findings, []);
}

async function missing(f: Fixture, key: string, marker: string | undefined): Promise<void> {
  if (marker === undefined) return rejects(f.open('b', key), 'KEY_NOT_FOUND');
  const { response } = await f.open('b', key);
  assert.equal(response.outcome, 'delete-marker');
  assert.equal(response.info.versionId, marker);
}

async function copy(
  f: Fixture,
  from: string,
  versionId: string | undefined,
  to: string,
): Promise<{ versionId: string; sourceVersionId: string }> {
  return f.ask(calls.copyObject, {
    who: ann,
    session: f.session,
    source: {
      bucket: 'b',
      key: Buffer.from(from),
      ...(versionId === undefined ? {} : { versionId }),
    },
    sourceConditions: {},
    bucket: 'b',
    key: Buffer.from(to),
    conditions: {},
    replaceMetadata: false,
    headers: {},
    userMetadata: [],
    replaceTags: false,
    tags: [],
  });
}

describe('versions against the model', () => {
  for (const seed of ['one', 'two', 'three', 'four']) {
    it(`random operations, seed ${seed}`, async () => {
      const f = await Fixture.open({ seed });
      await f.createBucket('b');
      const prng = new Prng(seed);
      const model = new VersionsModel();
      for (let step = 0; step < 150; step++) {
        await change(f, model, prng.pick(keys), prng.unit(), `${seed} ${step}`);
        if (step % 10 === 0) await check(f, model, 1 + (step % 7));
        if (step % 25 === 0) f.clock.wallMs = () => 1_000_000 + Math.floor(prng.unit() * 10);
      }
      await f.clean();
      await check(f, model, 3);
      for (const { key, versionId } of model.items) await f.removeVersion('b', key, versionId);
      assert.deepEqual(itemsOf(await f.listVersions('b')), []);
      await f.clean();
      await f.ask(calls.deleteBucket, { who: ann, session: f.session, bucket: 'b' });
      for (const space of [k.space.version, k.space.content, k.space.inode, k.space.blob]) {
        const rows = await f.store.range({ ...k.spaceRange(space), limit: 10 });
        assert.deepEqual(rows, [], `rows of ${String.fromCharCode(space)}`);
      }
      await f.close();
    });
  }
});

describe('versioning of a bucket', () => {
  it('is off, then enabled or suspended for ever, and the owner decides', async () => {
    const f = await Fixture.open();
    await f.createBucket('b');
    const state = (): Promise<object> =>
      f.ask(calls.getBucketVersioning, { who: ann, bucket: 'b' });
    assert.deepEqual(await state(), { enabled: false, suspended: false });
    await f.versioning('b', true);
    await f.versioning('b', true);
    assert.deepEqual(await state(), { enabled: true, suspended: false });
    await f.versioning('b', false);
    assert.deepEqual(await state(), { enabled: false, suspended: true });
    const request = { who: bob, session: f.session, bucket: 'b', enabled: true };
    await rejects(f.ask(calls.putBucketVersioning, request), 'ACCESS_DENIED');
    await rejects(f.versioning('none', true), 'BUCKET_NOT_FOUND');
    await f.close();
  });

  it('keeps a bucket that has versions or only delete markers', () =>
    versioned(async (f) => {
      const drop = (): Promise<object> =>
        f.ask(calls.deleteBucket, { who: ann, session: f.session, bucket: 'b' });
      const { versionId } = await f.removeVersion('b', 'd/never');
      await rejects(drop(), 'BUCKET_NOT_EMPTY');
      const put = await f.put('b', 'd/never', 'x');
      await f.removeVersion('b', 'd/never', versionId);
      await f.clean();
      await rejects(drop(), 'BUCKET_NOT_EMPTY');
      await f.removeVersion('b', 'd/never', put.versionId);
      await drop();
    }));
});

describe('operations on versions', () => {
  it('read, tag, copy and list the parts of the version that is named', () =>
    versioned(async (f) => {
      const first = await f.put('b', 'k', 'first');
      const second = await f.put('b', 'k', 'second');
      assert.ok(second.versionId > first.versionId);
      const ref = { bucket: 'b', key: Buffer.from('k'), versionId: first.versionId };
      const tags = [{ name: 'n', value: 'v' }];
      const tagged = { who: ann, session: f.session, object: ref, tags };
      assert.deepEqual(await f.ask(calls.putObjectTags, tagged), { versionId: first.versionId });
      const got = await f.ask(calls.getObjectTags, { who: ann, object: ref });
      assert.deepEqual(got, { tags, versionId: first.versionId });
      const current = { bucket: 'b', key: Buffer.from('k') };
      assert.deepEqual((await f.ask(calls.getObjectTags, { who: ann, object: current })).tags, []);
      const parts = { who: ann, object: ref, after: 0, limit: 10 };
      assert.equal((await f.ask(calls.objectParts, parts)).info.etag, md5(Buffer.from('first')));
      const copied = await copy(f, 'k', first.versionId, 'k');
      assert.equal(copied.sourceVersionId, first.versionId);
      assert.equal((await f.read('b', 'k')).toString(), 'first');
      assert.equal(await readVersion(f, 'k', copied.versionId), 'first');
      await rejects(f.open('b', 'k', { object: { ...ref, versionId: 'null' } }), 'KEY_NOT_FOUND');
      for (const versionId of ['x', '00000000000001', '']) {
        await rejects(f.open('b', 'k', { object: { ...ref, versionId } }), 'VERSION_NOT_FOUND');
      }
    }));

  it('tell a delete marker from what is missing', () =>
    versioned(async (f) => {
      await f.put('b', 'k', 'x');
      const { versionId = '' } = await f.removeVersion('b', 'k');
      const marker = { bucket: 'b', key: Buffer.from('k'), versionId };
      const newest = { bucket: 'b', key: Buffer.from('k') };
      const { response } = await f.open('b', 'k', { object: marker });
      assert.equal(response.outcome, 'delete-marker');
      await rejects(f.ask(calls.getObjectTags, { who: ann, object: newest }), 'KEY_NOT_FOUND');
      await rejects(f.ask(calls.getObjectTags, { who: ann, object: marker }), 'DELETE_MARKER');
      await rejects(copy(f, 'k', undefined, 'to'), 'KEY_NOT_FOUND');
      await rejects(copy(f, 'k', versionId, 'to'), 'DELETE_MARKER');
      const tags = { who: ann, session: f.session, object: newest, tags: [] };
      await rejects(f.ask(calls.putObjectTags, tags), 'KEY_NOT_FOUND');
    }));

  it('judge conditions by the newest version; a delete marker is no object', () =>
    versioned(async (f) => {
      const etag = md5(Buffer.from('x'));
      await f.put('b', 'k', 'x', { conditions: { ifNoneMatch: any } });
      const old = md5(Buffer.from('y'));
      await f.put('b', 'k', 'y', { conditions: { ifMatch: oneOf(etag) } });
      await rejects(
        f.put('b', 'k', 'z', { conditions: { ifMatch: oneOf(etag) } }),
        'CONDITION_FAILED',
      );
      await f.put('b', 'k', 'z', { conditions: { ifNoneMatch: oneOf(old + '0') } });
      await f.removeVersion('b', 'k');
      await rejects(f.put('b', 'k', 'z', { conditions: { ifMatch: any } }), 'KEY_NOT_FOUND');
      await f.put('b', 'k', 'w', { conditions: { ifNoneMatch: any } });
    }));

  it('judge conditions of deletes by what they would delete', () =>
    versioned(async (f) => {
      const etag = md5(Buffer.from('x'));
      const nothing = await f.removeVersion('b', 'k', undefined, { ifMatch: oneOf(etag) });
      assert.deepEqual(nothing, { deleteMarker: false });
      assert.deepEqual(itemsOf(await f.listVersions('b')), []);
      const { versionId } = await f.put('b', 'k', 'x');
      await f.put('b', 'k', 'y');
      await rejects(
        f.removeVersion('b', 'k', undefined, { ifMatch: oneOf(etag) }),
        'CONDITION_FAILED',
      );
      await rejects(f.removeVersion('b', 'k', versionId, { sizeBytes: 2 }), 'CONDITION_FAILED');
      await f.removeVersion('b', 'k', versionId, { ifMatch: oneOf(etag), sizeBytes: 1 });
      await f.removeVersion('b', 'k');
      await rejects(
        f.removeVersion('b', 'k', undefined, { ifMatch: oneOf(etag) }),
        'CONDITION_FAILED',
      );
      await f.removeVersion('b', 'k', undefined, { ifMatch: any });
      assert.equal(itemsOf(await f.listVersions('b')).length, 3);
    }));

  it('complete an upload as a new version, and answer its replay with the same', () =>
    versioned(async (f) => {
      const { versionId: before } = await f.put('b', 'k', 'before');
      const key = Buffer.from('k');
      const attributes = noAttributes();
      const asked = { who: ann, session: f.session, bucket: 'b', key, attributes };
      const { uploadId } = await f.ask(calls.createUpload, asked);
      const upload = { bucket: 'b', key, uploadId };
      const content = Buffer.alloc(20_000, 'part');
      const part = { who: ann, session: f.session, upload, partNumber: 1, etag: md5(content) };
      await f.ask(calls.putPart, part, content);
      const parts = CompletedParts.encode({ parts: [{ partNumber: 1, etag: md5(content) }] });
      const complete = { who: ann, session: f.session, upload, conditions: {} };
      const done = await f.ask(calls.completeUpload, complete, parts);
      assert.ok(done.versionId > before);
      await f.removeVersion('b', 'k');
      assert.deepEqual(await f.ask(calls.completeUpload, complete, parts), done);
      await f.clean();
      assert.equal(await readVersion(f, 'k', done.versionId), content.toString());
      assert.equal(await readVersion(f, 'k', before), 'before');
    }));
});

describe('order of versions', () => {
  it('is that of the writes, whatever the clock does', () =>
    versioned(async (f) => {
      const ids: string[] = [];
      let now = 5_000_000;
      f.clock.wallMs = () => (now -= 1000);
      for (let at = 0; at < 20; at++) ids.push((await f.put('b', 'k', `${at}`)).versionId);
      assert.deepEqual(ids.toSorted(), ids);
      assert.deepEqual(
        itemsOf(await f.listVersions('b')).map(({ versionId }) => versionId),
        ids.toReversed(),
      );
    }));

  it('gives no id twice, also when what had it is gone', () =>
    versioned(async (f) => {
      f.clock.wallMs = () => 5_000_000;
      const ids = new Set<string>();
      for (let at = 0; at < 20; at++) {
        const { versionId } = await f.put('b', 'k', 'x');
        ids.add(versionId);
        await f.removeVersion('b', 'k', versionId);
      }
      assert.equal(ids.size, 20);
    }));

  it('of concurrent writers none is lost, and one is the newest', () =>
    versioned(async (f) => {
      const writers = Array.from({ length: 30 }, async (_, at) => {
        if (at % 3 === 2) return (await f.removeVersion('b', 'k')).versionId as string;
        return (await f.put('b', 'k', `${at}`.repeat(2000))).versionId;
      });
      const ids = await Promise.all(writers);
      const items = itemsOf(await f.listVersions('b'));
      assert.deepEqual(
        items.map(({ versionId }) => versionId),
        ids.toSorted().toReversed(),
      );
      assert.deepEqual(
        items.filter(({ isLatest }) => isLatest),
        items.slice(0, 1),
      );
      await Promise.all(ids.map((versionId) => f.removeVersion('b', 'k', versionId)));
      assert.deepEqual(itemsOf(await f.listVersions('b')), []);
      await f.clean();
      assert.equal(f.chunks.chunks.size, 0);
    }));

  it('of conditional creators one wins', () =>
    versioned(async (f) => {
      await f.removeVersion('b', 'k');
      const conditions = { ifNoneMatch: any };
      const puts = Array.from({ length: 12 }, (_, at) => f.put('b', 'k', `${at}`, { conditions }));
      const results = await Promise.allSettled(puts);
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      assert.equal(itemsOf(await f.listVersions('b')).length, 2);
    }));

  it('readers of a version never miss it while it becomes older and newer again', () =>
    versioned(async (f) => {
      const { versionId } = await f.put('b', 'k', 'kept');
      const state = { busy: true };
      const reading = (async () => {
        for (let reads = 0; state.busy; reads++)
          assert.equal(await readVersion(f, 'k', versionId), 'kept');
      })();
      for (let at = 0; at < 50; at++) {
        const above =
          at % 2 === 0 ? await f.put('b', 'k', 'above') : await f.removeVersion('b', 'k');
        await f.removeVersion('b', 'k', above.versionId);
      }
      state.busy = false;
      await reading;
    }));
});

describe('listing versions', () => {
  it('groups by a delimiter and goes on behind a common prefix', () =>
    versioned(async (f) => {
      for (const key of ['a/1', 'a/2', 'b', 'c/d/e', 'c/f', 'dd']) await f.put('b', key, key);
      await f.removeVersion('b', 'a/1');
      await f.removeVersion('b', 'a/2');
      await f.removeVersion('b', 'b');
      for (const limit of [1, 2, 3, 10]) {
        const { items, prefixes } = await allItems(f, limit, { delimiter: '/' });
        assert.deepEqual(prefixes, ['a/', 'c/']);
        assert.deepEqual(
          items.map(({ key }) => key),
          ['b', 'b', 'dd'],
        );
        const below = await allItems(f, limit, { prefix: 'c/', delimiter: '/' });
        assert.deepEqual(below.prefixes, ['c/d/']);
        assert.deepEqual(
          below.items.map(({ key }) => key),
          ['c/f'],
        );
        const odd = await allItems(f, limit, { delimiter: 'd' });
        assert.deepEqual(odd.prefixes, ['c/d', 'd']);
      }
      assert.equal(textOf(await f.list('b', { delimiter: '/' })), 'c/ dd');
    }));

  it('goes on by a version marker whose version is gone', () =>
    versioned(async (f) => {
      for (let at = 0; at < 10; at++) await f.put('b', 'k', `${at}`);
      await f.put('b', 'l', 'x');
      for (let left = 11; left > 0;) {
        const page = await f.listVersions('b', { limit: 3 });
        assert.equal(page.objects.length, Math.min(left, 3));
        for (const { versionId } of itemsOf(page).filter(({ key }) => key === 'k')) {
          await f.removeVersion('b', 'k', versionId);
        }
        if (page.next === undefined) break;
        const next = await f.listVersions('b', {
          after: Buffer.from(page.next).toString(),
          afterVersionId: page.nextVersionId as string,
          limit: 3,
        });
        left -= 3;
        assert.deepEqual(itemsOf(next), itemsOf(await f.listVersions('b', { limit: 3 })));
      }
      const after = { after: 'k', afterVersionId: 'null' };
      assert.deepEqual(
        itemsOf(await f.listVersions('b', after)),
        itemsOf(await f.listVersions('b')),
      );
      await rejects(f.listVersions('b', { after: 'k', afterVersionId: 'x' }), 'INVALID_ARGUMENT');
    }));

  it('shows a bucket without versioning with the same markers', async () => {
    const f = await Fixture.open();
    await f.createBucket('b');
    for (const key of ['a', 'b/c', 'd']) await f.put('b', key, key);
    const { items } = await allItems(f, 1);
    assert.deepEqual(
      items,
      ['a', 'b/c', 'd'].map((key) => ({
        key,
        versionId: 'null',
        isLatest: true,
        deleteMarker: false,
      })),
    );
    await f.close();
  });
});
