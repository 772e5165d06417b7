// Random S3 operations of several workers on nasty keys in shared directories, with what the model says of each.
// Workers own their keys, so that every answer is known; directories are shared, so that they race. Between
// rounds nothing runs: listings are compared key by key, time passes, leases are renewed.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { CoreError, isCoreError } from '../../../../core/base/errors.ts';
import { limits } from '../../../../core/base/limits.ts';
import type { MessageOf } from '../../../../core/base/message.ts';
import { Prng } from '../../../../core/base/prng.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { CompletedParts, ListPage, UploadsPage } from '../../../../core/meta/messages.ts';
import type { CompletedPart } from '../../../../core/meta/messages.ts';
import { space, spaceRange } from '../../../../core/meta/keys.ts';
import type { MetaStore } from '../../../../core/meta/meta-store.ts';
import { completeUpload } from '../../../../core/meta/namespace/complete.ts';
import { drained } from '../../../sim/clock.ts';
import type { Fixture } from './fixture.ts';
import { ann, md5, noAttributes, rejects } from './fixture.ts';
import { bytes, listModel, sizeOf, sliceOf, text } from './model.ts';
import type { ModelListing, ModelObject } from './model.ts';
import { VersionActs, checkVersions, removeVersions, versionedBucket } from './model-versions.ts';
import { VersionsModel } from './versions-model.ts';

const workers = 6;
const keysPerWorker = 40;
export const bucket = 'model';

// --- keys ------------------------------------------------------------------------------------------------

const segments = [
  '',
  'a',
  'a-',
  'a0',
  'ab',
  'b',
  '.',
  '..',
  '\0',
  'ü',
  'z'.repeat(270),
  'c d',
  '%2f',
  '\u{1F600}',
];

function randomKey(prng: Prng): string {
  if (prng.chance(0.03))
    return text(Buffer.from(`${'q/'.repeat(34 + prng.below(10))}${prng.below(5)}`));
  if (prng.chance(0.01))
    return text(Buffer.from(`${'w/'.repeat(60 + prng.below(400))}${prng.below(5)}`));
  const depth = 1 + prng.below(4);
  const key = Array.from({ length: depth }, () => prng.pick(segments)).join('/');
  return key === '' ? 'empty' : text(Buffer.from(key));
}

/** Distinct keys for each worker, whose directories others share. */
function keysOfWorkers(prng: Prng): string[][] {
  const known = new Set<string>();
  while (known.size < workers * keysPerWorker) known.add(randomKey(prng));
  const keys = [...known];
  return Array.from({ length: workers }, (_, at) =>
    keys.filter((_key, index) => index % workers === at),
  );
}

// --- the run ---------------------------------------------------------------------------------------------

interface ModelPart {
  readonly etag: string;
  readonly pieces: readonly Buffer[];
}

interface OpenUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly parts: Map<number, ModelPart>;
  /** A Complete stopped in the middle: it takes no part until that one is taken over or back. */
  broken: boolean;
}

/** 5 MiB that every large part copies a run of. */
const large = Buffer.alloc(limits.partBytesMin + 5000, 'large content ');
const md5OfLarge = md5(large);
/** More blobs than a page names. */
const largeParts = limits.contentPageBlobsMax + 16;

/** Keys of a worker in the bucket with versioning: few, so that they gather versions. */
const versionedKeys = 8;

export class Run {
  /** Replaced when the stores are reopened. */
  f: Fixture;
  /** A second service over the same stores. */
  g: Fixture | undefined;
  readonly versions = new VersionsModel();
  readonly objects = new Map<string, ModelObject>();
  readonly uploads: OpenUpload[] = [];
  readonly mix: Record<string, number> = {};
  operations = 0;
  brokenOff = 0;

  constructor(f: Fixture) {
    this.f = f;
  }

  count(name: string): void {
    this.operations++;
    this.mix[name] = (this.mix[name] ?? 0) + 1;
  }

  keys(): string[] {
    return [...this.objects.keys()].toSorted();
  }

  async prepare(): Promise<void> {
    const { f } = this;
    await f.createBucket(bucket);
    await f.createBucket('source');
    await f.createBucket(versionedBucket);
    await f.put('source', 'large', '', { blob: await f.writeBlob(large), etag: md5(large) });
  }

  crew(prng: Prng): Worker[] {
    return keysOfWorkers(prng.fork('keys')).map(
      (keys, at) => new Worker(this, prng.fork(`worker ${at}`), keys, at % 2 === 1),
    );
  }

  /** Every worker at once, the janitor beside them; then what must hold at rest. */
  async round(crew: readonly Worker[], prng: Prng): Promise<void> {
    const { janitor } = this.f.service;
    const state = { working: true };
    const collect = async (): Promise<void> => {
      for (let steps = 0; state.working && steps < stepsPerRound; steps++) {
        // oxlint-disable no-await-in-loop -- beside the workers, in their pauses
        await janitor.step();
        await drained();
        // oxlint-enable no-await-in-loop
      }
    };
    const collecting = collect();
    await Promise.all(crew.map((worker) => worker.work(operationsPerWorker)));
    state.working = false;
    await collecting;
    await janitor.step();
    await barrier(this, prng);
  }

  /** At the end: when everything is removed, nothing is left but the source of copies. Closes the services. */
  async emptied(): Promise<void> {
    const { f } = this;
    for (const key of this.keys()) await f.remove(bucket, bytes(key));
    await removeVersions(this);
    for (const name of [bucket, versionedBucket])
      await f.ask(calls.deleteBucket, { who: ann, session: f.session, bucket: name });
    await f.clean();
    const rows = async (letter: number): Promise<number> =>
      (await f.store.range({ ...spaceRange(letter), limit: 10 })).length;
    for (const letter of [space.content, space.blob]) assert.equal(await rows(letter), 1);
    for (const letter of [space.reference, space.existence]) assert.ok((await rows(letter)) <= 2);
    for (const letter of [space.part, space.version]) assert.equal(await rows(letter), 0);
    assert.equal(f.chunks.chunks.size, 2);
    await this.g?.service.close();
    await f.close();
  }

  /** The writer sessions end, and what they had under way is taken back. */
  async newSessions(): Promise<void> {
    const services = [this.f, ...(this.g === undefined ? [] : [this.g])];
    for (const service of services) {
      // oxlint-disable no-await-in-loop -- two
      await service.ask(calls.endSession, { session: service.session });
      await service.openSession();
      // oxlint-enable no-await-in-loop
    }
    await this.takenBack();
  }

  /** After the sessions of broken-off Completes ended. */
  async takenBack(): Promise<void> {
    for (let steps = 0; steps < 4; steps++) {
      // oxlint-disable-next-line no-await-in-loop -- step after step
      await this.f.service.janitor.step();
    }
    for (const upload of this.uploads) upload.broken = false;
  }
}

const operationsPerWorker = 40;
/** Of the janitor, beside the workers. */
const stepsPerRound = 200;

export class Worker {
  private readonly run: Run;
  private readonly prng: Prng;
  private readonly keys: readonly string[];
  private readonly uploads: OpenUpload[] = [];
  private readonly versions: VersionActs;
  /** Every other worker asks the second service. */
  private readonly second: boolean;

  constructor(run: Run, prng: Prng, keys: readonly string[], second: boolean) {
    this.run = run;
    this.prng = prng;
    this.keys = keys;
    this.second = second;
    this.versions = new VersionActs(run.versions, prng, keys.slice(0, versionedKeys));
  }

  private get f(): Fixture {
    return this.second ? (this.run.g ?? this.run.f) : this.run.f;
  }

  private key(): string {
    return this.prng.pick(this.keys);
  }

  async work(count: number): Promise<void> {
    const acts: readonly (readonly [weight: number, name: string, act: () => Promise<void>])[] = [
      [26, 'put', () => this.put()],
      [8, 'put if', () => this.putIf()],
      [22, 'get', () => this.get()],
      [6, 'read of another', () => this.readOther()],
      [14, 'delete', () => this.remove()],
      [3, 'delete if', () => this.removeIf()],
      [2, 'delete many', () => this.removeMany()],
      [6, 'copy', () => this.copy()],
      [3, 'tags', () => this.tag()],
      [3, 'create upload', () => this.createUpload()],
      [4, 'put part', () => this.putPart()],
      [2, 'copy part', () => this.copyPart()],
      [3, 'complete', () => this.complete()],
      [1, 'abort', () => this.abort()],
      [2, 'contend', () => this.contend()],
      [2, 'break off', () => this.breakOff()],
      [1, 'complete twice', () => this.completeTwice()],
      [14, 'version', () => this.versions.act(this.f)],
    ];
    const total = acts.reduce((sum, [weight]) => sum + weight, 0);
    for (let done = 0; done < count; done++) {
      let pick = this.prng.below(total);
      const [, name, act] = acts.find(([weight]) => (pick -= weight) < 0) as (typeof acts)[number];
      this.run.count(name);
      await act();
    }
  }

  private content(): Buffer {
    const size = this.prng.pick([
      0,
      1,
      100,
      limits.inlineBytesMax,
      limits.inlineBytesMax + 1,
      9000,
      70_000,
    ]);
    const content = Buffer.alloc(size);
    for (let at = 0; at < Math.min(size, 64); at++) content[at] = this.prng.below(256);
    return content;
  }

  private async put(): Promise<void> {
    const key = this.key();
    const content = this.content();
    const blob = this.prng.chance(0.15) ? { blob: await this.f.writeBlob(content) } : {};
    if (content.length === 0 && 'blob' in blob) return;
    await this.f.put(bucket, bytes(key), content, { ...blob, etag: md5(content) });
    this.run.objects.set(key, { pieces: [content], etag: md5(content), tags: [], partCount: 0 });
  }

  private async putIf(): Promise<void> {
    const key = this.key();
    const { f } = this;
    const { objects } = this.run;
    const old = objects.get(key);
    const content = this.content();
    const etags = {
      any: this.prng.chance(0.3),
      etags: [this.prng.chance(0.5) ? (old?.etag ?? 'x') : 'x'],
    };
    const matches = old !== undefined && (etags.any || etags.etags.includes(old.etag));
    const ifMatch = this.prng.chance(0.5);
    const conditions = ifMatch ? { ifMatch: etags } : { ifNoneMatch: etags };
    const named = content.length > 0 && this.prng.chance(0.3);
    const blob = named ? { blob: await f.writeBlob(content) } : {};
    const put = f.put(bucket, bytes(key), content, { conditions, ...blob, etag: md5(content) });
    if (ifMatch && old === undefined) return rejects(put, 'KEY_NOT_FOUND');
    if (ifMatch !== matches) return rejects(put, 'CONDITION_FAILED');
    await put;
    objects.set(key, { pieces: [content], etag: md5(content), tags: [], partCount: 0 });
  }

  private async get(): Promise<void> {
    const key = this.key();
    const { f } = this;
    const { objects } = this.run;
    const object = objects.get(key);
    if (object === undefined) return rejects(f.open(bucket, bytes(key)), 'KEY_NOT_FOUND');
    const { response } = await f.open(bucket, bytes(key), { content: false });
    assert.equal(response.info.etag, object.etag);
    assert.equal(response.info.sizeBytes, sizeOf(object));
    assert.equal(response.info.partCount, object.partCount);
    assert.deepEqual(
      response.info.attributes.tags.map(({ name, value }) => [name, value]),
      object.tags,
    );
    const size = sizeOf(object);
    if (size === 0) return undefined;
    const first = this.prng.below(size);
    const last = Math.min(size, first + 1 + this.prng.below(80_000)) - 1;
    const read = await f.read(bucket, bytes(key), { range: { first, last } });
    assert.ok(read.equals(sliceOf(object, first, last + 1)), 'other bytes');
  }

  /** Another worker may replace it meanwhile: whatever is read must be one state of it. */
  private async readOther(): Promise<void> {
    const { f } = this;
    const { objects } = this.run;
    const keys = [...objects.keys()];
    if (keys.length === 0) return;
    const { response, payload } = await f
      .open(bucket, bytes(this.prng.pick(keys)))
      .catch(() => ({ response: undefined, payload: undefined }));
    if (response === undefined || !response.inPayload || response.info.partCount > 0) return;
    assert.equal(md5(payload), response.info.etag);
  }

  private async remove(): Promise<void> {
    const key = this.key();
    await this.f.remove(bucket, bytes(key));
    this.run.objects.delete(key);
  }

  private async removeIf(): Promise<void> {
    const key = this.key();
    const { f } = this;
    const { objects } = this.run;
    const old = objects.get(key);
    const etag = this.prng.chance(0.5) ? (old?.etag ?? 'x') : 'x';
    const remove = f.ask(calls.deleteObject, {
      who: ann,
      session: f.session,
      object: { bucket, key: bytes(key) },
      conditions: { ifMatch: { any: false, etags: [etag] } },
    });
    if (old !== undefined && etag !== old.etag) return rejects(remove, 'CONDITION_FAILED');
    await remove;
    objects.delete(key);
  }

  private async removeMany(): Promise<void> {
    const { f } = this;
    const { objects } = this.run;
    const keys = Array.from({ length: 5 }, () => this.key());
    const results = await f.removeMany(bucket, keys.map(bytes));
    assert.ok(results.every(({ errorCode }) => errorCode === undefined));
    for (const key of keys) objects.delete(key);
  }

  private async copy(): Promise<void> {
    const { f } = this;
    const { objects } = this.run;
    const [from, to] = [this.key(), this.key()];
    const source = objects.get(from);
    const copied = f.ask(calls.copyObject, {
      who: ann,
      session: f.session,
      source: { bucket, key: bytes(from) },
      sourceConditions: {},
      bucket,
      key: bytes(to),
      conditions: {},
      replaceMetadata: false,
      headers: {},
      userMetadata: [],
      replaceTags: false,
      tags: [],
    });
    if (source === undefined) return rejects(copied, 'KEY_NOT_FOUND');
    await copied;
    objects.set(to, source);
  }

  private async tag(): Promise<void> {
    const key = this.key();
    const { f } = this;
    const { objects } = this.run;
    const object = objects.get(key);
    const tags = [{ name: 'n', value: `${this.prng.below(100)}` }];
    const request = { who: ann, session: f.session, object: { bucket, key: bytes(key) }, tags };
    if (object === undefined) return rejects(f.ask(calls.putObjectTags, request), 'KEY_NOT_FOUND');
    await f.ask(calls.putObjectTags, request);
    objects.set(key, { ...object, tags: tags.map(({ name, value }) => [name, value] as const) });
  }

  /** Several writers of one key at once: what is there in the end is what one of them wrote. */
  private async contend(): Promise<void> {
    const key = this.key();
    const { f, g = f, objects } = this.run;
    const contents = [this.content(), this.content(), this.content()];
    const results = await Promise.allSettled([
      ...contents.map((content, at) =>
        (at % 2 === 0 ? f : g).put(bucket, bytes(key), content, { etag: md5(content) }),
      ),
      g.remove(bucket, bytes(key)),
    ]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    const found = await f.open(bucket, bytes(key), { content: false }).catch((error: unknown) => {
      assert.ok(isCoreError(error, 'KEY_NOT_FOUND'), String(error));
    });
    if (found === undefined) return void objects.delete(key);
    const { etag } = found.response.info;
    const content = contents.find((each) => md5(each) === etag);
    assert.ok(content !== undefined, 'what nobody wrote');
    objects.set(key, { pieces: [content], etag, tags: [], partCount: 0 });
  }

  // --- uploads -----------------------------------------------------------------------------------------

  private async createUpload(): Promise<void> {
    const { f } = this;
    const key = this.key();
    const request = {
      who: ann,
      session: f.session,
      bucket,
      key: bytes(key),
      attributes: noAttributes(),
    };
    const { uploadId } = await f.ask(calls.createUpload, request);
    const upload: OpenUpload = { key, uploadId, parts: new Map(), broken: false };
    if (this.prng.chance(0.03) && f.chunkStore === f.chunks) await this.fillLarge(upload);
    this.uploads.push(upload);
    this.run.uploads.push(upload);
  }

  private takeUpload(): OpenUpload | undefined {
    const at = this.prng.below(Math.max(this.uploads.length, 1));
    const [upload] = this.uploads.splice(at, 1);
    if (upload !== undefined) this.run.uploads.splice(this.run.uploads.indexOf(upload), 1);
    return upload;
  }

  private base(upload: OpenUpload): {
    who: typeof ann;
    session: number;
    upload: { bucket: string; key: Buffer; uploadId: string };
  } {
    const { key, uploadId } = upload;
    return { who: ann, session: this.f.session, upload: { bucket, key: bytes(key), uploadId } };
  }

  private async putPart(): Promise<void> {
    if (this.uploads.length === 0) return;
    const upload = this.prng.pick(this.uploads);
    const content = this.content();
    const partNumber = 1 + this.prng.below(4);
    const etag = md5(content);
    const put = this.f.ask(calls.putPart, { ...this.base(upload), partNumber, etag }, content);
    if (upload.broken) return rejects(put, 'UPLOAD_NOT_FOUND');
    await put;
    upload.parts.set(partNumber, { etag, pieces: [content] });
  }

  private async copyPart(): Promise<void> {
    if (this.uploads.length === 0) return;
    const upload = this.prng.pick(this.uploads);
    const partNumber = 1 + this.prng.below(4);
    const first = this.prng.below(5000);
    const last = first + limits.partBytesMin - 1 + this.prng.below(5000 - first);
    const copied = this.f.ask(calls.copyPart, {
      ...this.base(upload),
      partNumber,
      source: { bucket: 'source', key: bytes('large') },
      sourceConditions: {},
      range: { first, last },
    });
    if (upload.broken) return rejects(copied, 'UPLOAD_NOT_FOUND');
    const { part } = await copied;
    upload.parts.set(partNumber, { etag: part.etag, pieces: [large.subarray(first, last + 1)] });
  }

  private async complete(): Promise<void> {
    const upload = this.takeUpload();
    if (upload === undefined) return;
    const { f } = this;
    const { request, payload } = this.completion(upload);
    const completed = f.ask(calls.completeUpload, request, payload);
    const refusal = refusalOf(upload);
    if (refusal !== undefined) {
      await rejects(completed, refusal);
      // Whatever an earlier one had left is taken back with it.
      if (refusal !== 'INVALID_ARGUMENT') upload.broken = false;
      this.giveBack(upload);
      return;
    }
    const { etag } = await completed;
    assert.deepEqual(await f.ask(calls.completeUpload, request, payload), await completed);
    this.completed(upload, etag);
  }

  private completion(upload: OpenUpload): {
    request: MessageOf<typeof calls.completeUpload.request>;
    parts: CompletedPart[];
    payload: Uint8Array;
  } {
    const parts = numbersOf(upload).map((partNumber) => {
      const { etag } = upload.parts.get(partNumber) as ModelPart;
      return { partNumber, etag };
    });
    const request = { ...this.base(upload), conditions: {} };
    return { request, parts, payload: CompletedParts.encode({ parts }) };
  }

  private giveBack(upload: OpenUpload): void {
    this.uploads.push(upload);
    this.run.uploads.push(upload);
  }

  private completed(upload: OpenUpload, etag: string): void {
    const numbers = numbersOf(upload);
    const pieces = numbers.flatMap((number) => (upload.parts.get(number) as ModelPart).pieces);
    this.run.objects.set(upload.key, { pieces, etag, tags: [], partCount: numbers.length });
  }

  /** A Complete whose process stops after some of its transactions: the next Complete takes it over, or the
   *  janitor takes it back when the session has ended. */
  private async breakOff(): Promise<void> {
    const upload = this.takeUpload();
    if (upload === undefined) return;
    if (refusalOf(upload) !== undefined) return this.giveBack(upload);
    const { context } = this.f.service;
    const stopping = { ...context, store: stoppingStore(context.store, 1 + this.prng.below(3)) };
    const { request, parts } = this.completion(upload);
    try {
      const { etag } = await completeUpload(stopping, request, parts);
      this.completed(upload, etag);
    } catch (error) {
      assert.ok(isCoreError(error, 'DISK_OFFLINE'), String(error));
      upload.broken = true;
      this.run.brokenOff++;
      this.giveBack(upload);
    }
  }

  /** Through both services at once: one may lose the upload to the other, but not both. */
  private async completeTwice(): Promise<void> {
    const { f, g } = this.run;
    const upload = g === undefined ? undefined : this.takeUpload();
    if (upload === undefined) return;
    if (refusalOf(upload) !== undefined) return this.giveBack(upload);
    const { request, payload } = this.completion(upload);
    const settled = await Promise.allSettled(
      [f, g as Fixture].map((service) => {
        const asked = { ...request, session: service.session };
        return service.ask(calls.completeUpload, asked, payload);
      }),
    );
    const etags = settled.flatMap((answer) => {
      if (answer.status === 'fulfilled') return [answer.value.etag];
      assert.ok(isCoreError(answer.reason, 'BUSY'), String(answer.reason));
      return [];
    });
    const [etag] = etags;
    if (etag !== undefined) return this.completed(upload, etag);
    // Each took it from the other.
    upload.broken = true;
    return this.giveBack(upload);
  }

  /** So many blobs that a Complete takes several transactions; all have the same bytes. */
  private async fillLarge(upload: OpenUpload): Promise<void> {
    const etag = md5OfLarge;
    for (let partNumber = 1; partNumber <= largeParts; partNumber++) {
      // oxlint-disable no-await-in-loop -- part after part
      const blob = await this.f.writeBlob(large);
      await this.f.ask(calls.putPart, { ...this.base(upload), partNumber, etag, blob });
      // oxlint-enable no-await-in-loop
      upload.parts.set(partNumber, { etag, pieces: [large] });
    }
  }

  private async abort(): Promise<void> {
    const upload = this.takeUpload();
    if (upload === undefined) return;
    await this.f.ask(calls.abortUpload, this.base(upload));
    await rejects(this.f.ask(calls.abortUpload, this.base(upload)), 'UPLOAD_NOT_FOUND');
  }
}

const numbersOf = ({ parts }: OpenUpload): number[] => [...parts.keys()].toSorted((a, b) => a - b);

/** Why a Complete of all parts is refused; undefined when it is not. */
function refusalOf(upload: OpenUpload): 'INVALID_ARGUMENT' | 'PART_TOO_SMALL' | undefined {
  const numbers = numbersOf(upload);
  if (numbers.length === 0) return 'INVALID_ARGUMENT';
  const sizes = numbers.map((number) =>
    (upload.parts.get(number) as ModelPart).pieces.reduce((sum, { length }) => sum + length, 0),
  );
  return sizes.slice(0, -1).some((size) => size < limits.partBytesMin)
    ? 'PART_TOO_SMALL'
    : undefined;
}

/** A store whose process stops after so many transactions. */
function stoppingStore(store: MetaStore, transactions: number): MetaStore {
  let begun = 0;
  const stopping = Object.create(store) as MetaStore;
  stopping.transact = async (body, options) => {
    if (++begun > transactions) throw new CoreError('DISK_OFFLINE', 'the process stops here');
    return store.transact(body, options);
  };
  return stopping;
}

// --- listings --------------------------------------------------------------------------------------------

function randomListing(prng: Prng, keys: readonly string[]): ModelListing {
  const some = (): string => (keys.length === 0 ? 'a' : prng.pick(keys));
  const cut = (): string => some().slice(0, prng.below(12));
  const after = (): string =>
    `${prng.chance(0.5) ? some() : cut()}${prng.pick(['', '\0', '/', 'z'])}`;
  return {
    prefix: prng.chance(0.4) ? '' : cut(),
    delimiter: prng.pick([
      '',
      '',
      '/',
      '/',
      'a',
      '/a',
      '//',
      text(Buffer.from('ü')),
      '-',
      'a/',
      '\xff',
    ]),
    after: prng.chance(0.5) ? undefined : after(),
    limit: prng.pick([0, 1, 2, 3, 10, 50, 1000]),
  };
}

async function checkListing(
  run: Run,
  keys: readonly string[],
  listing: ModelListing,
): Promise<void> {
  run.count('list');
  const { f } = run;
  const { prefix, delimiter, after, limit } = listing;
  const request = {
    who: ann,
    bucket,
    prefix: bytes(prefix),
    delimiter: bytes(delimiter),
    limit,
    ...(after === undefined ? {} : { after: bytes(after) }),
  };
  const page = ListPage.decode((await f.answer(calls.listObjects, request)).payload);
  const items = [
    ...page.objects.map(({ key }) => text(key)),
    ...page.commonPrefixes.map(text),
  ].toSorted();
  const next = page.next === undefined ? undefined : text(page.next);
  assert.deepEqual({ items, next }, listModel(keys, listing), JSON.stringify(listing));
  for (const object of page.objects) {
    const expected = run.objects.get(text(object.key)) as ModelObject;
    assert.equal(object.etag, expected.etag);
    assert.equal(object.sizeBytes, sizeOf(expected));
  }
  const versions = ListPage.decode((await f.answer(calls.listVersions, request)).payload);
  assert.deepEqual(
    versions.objects.map(({ key }) => text(key)),
    page.objects.map(({ key }) => text(key)),
  );
}

/** Page after page: a long run has more uploads open than one page holds. */
async function checkUploads(run: Run): Promise<void> {
  const none = Buffer.alloc(0);
  const found: string[] = [];
  let marker: { after?: Uint8Array; afterUploadId?: string } | undefined = {};
  while (marker !== undefined) {
    const request = {
      who: ann,
      bucket,
      prefix: none,
      delimiter: none,
      limit: uploadsPerPage,
      ...marker,
    };
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const answer = await run.f.answer(calls.listUploads, request);
    const page = UploadsPage.decode(answer.payload);
    found.push(...page.uploads.map(({ key, uploadId }) => `${text(key)} ${uploadId}`));
    const { nextKey, nextUploadId } = page;
    marker =
      nextKey === undefined || nextUploadId === undefined
        ? undefined
        : { after: nextKey, afterUploadId: nextUploadId };
  }
  const expected = run.uploads.map(({ key, uploadId }) => `${key} ${uploadId}`);
  assert.deepEqual(found.toSorted(), expected.toSorted());
}

const uploadsPerPage = 50;

/** Between rounds nothing runs: listings are exact, time passes, leases are renewed. */
async function barrier(run: Run, prng: Prng): Promise<void> {
  const { f } = run;
  const keys = run.keys();
  for (let at = 0; at < 12; at++) await checkListing(run, keys, randomListing(prng, keys));
  await checkUploads(run);
  await checkVersions(run, prng);
  if (prng.chance(0.03)) await dayPasses(run);
  if (prng.chance(0.03)) await bucketComesAndGoes(run);
  await f.clock.advance(1000 * prng.below(9));
  await f.ask(calls.renewReadLease, { reader: 'reader', oldestEpoch: 0 });
  for (const service of [f, ...(run.g === undefined ? [] : [run.g])]) {
    // oxlint-disable no-await-in-loop -- two
    await service.service.context.own.renew();
    await service.ask(calls.renewSession, { session: service.session });
    // oxlint-enable no-await-in-loop
  }
  if (prng.chance(0.1)) await run.newSessions();
}

/** Sessions and leases expire, answers kept for replays are due. */
async function dayPasses(run: Run): Promise<void> {
  run.count('day');
  const { f, g } = run;
  await f.clock.advance(limits.uploadReplayKeptMs);
  const late = { reader: 'late', oldestEpoch: 1 };
  await f.ask(calls.renewReadLease, late);
  for (let steps = 0; steps < 4; steps++) {
    // oxlint-disable no-await-in-loop -- the first look at a session, then its end
    await f.service.janitor.step();
    await f.clock.advance(limits.sessionLeaseMs);
    // oxlint-enable no-await-in-loop
  }
  await f.openSession();
  await g?.service.context.own.renew();
  await g?.openSession();
  await run.takenBack();
}

/** A bucket with an upload and with directories whose keys are gone. */
async function bucketComesAndGoes(run: Run): Promise<void> {
  run.count('bucket');
  const { f } = run;
  await f.createBucket('passing');
  await f.put('passing', 'a/b/c', 'x');
  await f.remove('passing', 'a/b/c');
  const base = { who: ann, session: f.session, bucket: 'passing' };
  await f.ask(calls.createUpload, { ...base, key: bytes('k'), attributes: noAttributes() });
  await f.ask(calls.deleteBucket, base);
  await f.service.janitor.step();
  await rejects(f.list('passing'), 'BUCKET_NOT_FOUND');
}
