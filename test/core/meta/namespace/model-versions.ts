// The bucket with versioning of the namespace's model: versions are put, hidden, read, copied and removed for good;
// between rounds versioning is enabled and suspended, and the listing of all versions is compared.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Prng } from '../../../../core/base/prng.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { ListPage } from '../../../../core/meta/messages.ts';
import type { Fixture } from './fixture.ts';
import { ann, rejects } from './fixture.ts';
import { bytes, text } from './model.ts';
import type { Run } from './model-run.ts';
import type { ModelVersion, VersionsModel } from './versions-model.ts';

export const versionedBucket = 'versioned';

/** A key with more loses some. */
const versionsMax = 8;

export class VersionActs {
  private readonly model: VersionsModel;
  private readonly prng: Prng;
  private readonly keys: readonly string[];
  private next = 0;

  constructor(model: VersionsModel, prng: Prng, keys: readonly string[]) {
    this.model = model;
    this.prng = prng;
    this.keys = keys;
  }

  act(f: Fixture): Promise<void> {
    const key = this.prng.pick(this.keys);
    const present = this.model.versions(key);
    const chosen = this.prng.below(100);
    if (present.length > versionsMax || chosen < 25) return this.remove(f, key, present);
    if (chosen < 55) return this.put(f, key);
    if (chosen < 70) return this.hide(f, key);
    if (chosen < 78) return this.copy(f, key, present);
    return this.read(f, key, present);
  }

  private async put(f: Fixture, key: string): Promise<void> {
    const content = `${key} ${this.next++} `.repeat(this.prng.pick([1, 1, 400]));
    const { versionId } = await f.put(versionedBucket, bytes(key), content);
    assert.equal(versionId === 'null', this.model.versioning !== 'enabled');
    this.model.put(key, { versionId, content });
  }

  private async hide(f: Fixture, key: string): Promise<void> {
    const { versionId, deleteMarker } = await remove(f, key);
    assert.equal(deleteMarker, this.model.versioning !== undefined);
    if (deleteMarker) this.model.put(key, { versionId: versionId as string, content: undefined });
    else this.model.remove(key, 'null');
  }

  private async remove(f: Fixture, key: string, present: readonly ModelVersion[]): Promise<void> {
    const never = { versionId: '0000000000ffff', content: 'none' };
    const { versionId, content } = present.length === 0 ? never : this.prng.pick(present);
    const gone = await remove(f, key, versionId);
    assert.deepEqual(gone, { versionId, deleteMarker: content === undefined });
    this.model.remove(key, versionId);
  }

  /** An older version becomes the newest one again, as people do to restore it. */
  private async copy(f: Fixture, key: string, present: readonly ModelVersion[]): Promise<void> {
    if (present.length === 0) return;
    const { versionId: from, content } = this.prng.pick(present);
    const source = { bucket: versionedBucket, key: bytes(key), versionId: from };
    const copied = f.ask(calls.copyObject, {
      who: ann,
      session: f.session,
      source,
      sourceConditions: {},
      bucket: versionedBucket,
      key: bytes(key),
      conditions: {},
      replaceMetadata: false,
      headers: {},
      userMetadata: [],
      replaceTags: false,
      tags: [],
    });
    if (content === undefined) return rejects(copied, 'DELETE_MARKER');
    const { versionId } = await copied;
    this.model.put(key, { versionId, content });
  }

  private async read(f: Fixture, key: string, present: readonly ModelVersion[]): Promise<void> {
    const [newest] = present;
    if (newest === undefined) {
      return rejects(f.open(versionedBucket, bytes(key)), 'KEY_NOT_FOUND');
    }
    if (newest.content === undefined) {
      const { response } = await f.open(versionedBucket, bytes(key));
      assert.equal(response.outcome, 'delete-marker');
      assert.equal(response.info.versionId, newest.versionId);
    } else await this.readsAs(f, key, undefined, newest.content);
    const { versionId, content } = this.prng.pick(present);
    if (content !== undefined) await this.readsAs(f, key, versionId, content);
  }

  private async readsAs(
    f: Fixture,
    key: string,
    versionId: string | undefined,
    content: string,
  ): Promise<void> {
    const named = versionId === undefined ? {} : { versionId };
    const object = { bucket: versionedBucket, key: bytes(key), ...named };
    assert.equal((await f.read(versionedBucket, bytes(key), { object })).toString(), content);
  }
}

function remove(
  f: Fixture,
  key: string,
  versionId?: string,
): Promise<{ versionId?: string | undefined; deleteMarker: boolean }> {
  const named = versionId === undefined ? {} : { versionId };
  const object = { bucket: versionedBucket, key: bytes(key), ...named };
  return f.ask(calls.deleteObject, { who: ann, session: f.session, object, conditions: {} });
}

export async function removeVersions({ f, versions }: Run): Promise<void> {
  for (const { key, versionId } of versions.items) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await remove(f, key, versionId);
    versions.remove(key, versionId);
  }
}

/** At rest: every version is listed in order, and versioning may change. */
export async function checkVersions(run: Run, prng: Prng): Promise<void> {
  const { f, versions: model } = run;
  const limit = prng.pick([7, 50, 1000]);
  const items: object[] = [];
  for (let after: object | undefined = {}; after !== undefined;) {
    const request = {
      who: ann,
      bucket: versionedBucket,
      prefix: Buffer.alloc(0),
      delimiter: Buffer.alloc(0),
      limit,
      ...after,
    };
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const page = ListPage.decode((await f.answer(calls.listVersions, request)).payload);
    for (const { key, versionId, isLatest = false, deleteMarker = false } of page.objects)
      items.push({ key: text(key), versionId, isLatest, deleteMarker });
    after =
      page.next === undefined
        ? undefined
        : { after: page.next, afterVersionId: page.nextVersionId };
  }
  assert.deepEqual(items, model.items);
  const listed = await f.list(versionedBucket);
  assert.deepEqual(
    listed.objects.map(({ key }) => text(key)),
    model.objects,
  );
  if (!prng.chance(0.15)) return;
  run.count('versioning');
  const enabled = model.versioning !== 'enabled';
  await f.versioning(versionedBucket, enabled);
  model.versioning = enabled ? 'enabled' : 'suspended';
}
