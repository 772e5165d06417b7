// Random S3 operations of several workers on nasty keys in shared directories, with what the model says of each.
// Workers own their keys, so that every answer is known; directories are shared, so that they race. Between
// rounds nothing runs: listings are compared key by key, time passes, leases are renewed.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { limits } from '../../../../core/base/limits.ts';
import { Prng } from '../../../../core/base/prng.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { CompletedParts, ListPage, UploadsPage } from '../../../../core/meta/messages.ts';
import type { Fixture } from './fixture.ts';
import { ann, md5, noAttributes, rejects } from './fixture.ts';
import { bytes, listModel, sizeOf, sliceOf, text } from './model.ts';
import type { ModelListing, ModelObject } from './model.ts';

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

interface OpenUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly parts: Map<number, { readonly etag: string; readonly pieces: readonly Buffer[] }>;
}

/** 5 MiB that every large part copies a run of. */
const large = Buffer.alloc(limits.partBytesMin + 5000, 'large content ');

export class Run {
  /** Replaced when the stores are reopened. */
  f: Fixture;
  readonly objects = new Map<string, ModelObject>();
  readonly uploads: OpenUpload[] = [];
  readonly mix: Record<string, number> = {};
  operations = 0;

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
    await f.put('source', 'large', '', { blob: await f.writeBlob(large), etag: md5(large) });
  }

  crew(prng: Prng): Worker[] {
    return keysOfWorkers(prng.fork('keys')).map(
      (keys, at) => new Worker(this, prng.fork(`worker ${at}`), keys),
    );
  }

  /** Every worker at once, the janitor beside them; then what must hold at rest. */
  async round(crew: readonly Worker[], prng: Prng): Promise<void> {
    const { janitor } = this.f.service;
    await Promise.all([...crew.map((worker) => worker.work(operationsPerWorker)), janitor.step()]);
    await janitor.step();
    await barrier(this, prng);
  }
}

const operationsPerWorker = 40;

export class Worker {
  private readonly run: Run;
  private readonly prng: Prng;
  private readonly keys: readonly string[];
  private readonly uploads: OpenUpload[] = [];

  constructor(run: Run, prng: Prng, keys: readonly string[]) {
    this.run = run;
    this.prng = prng;
    this.keys = keys;
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
    const blob = this.prng.chance(0.15) ? { blob: await this.run.f.writeBlob(content) } : {};
    if (content.length === 0 && 'blob' in blob) return;
    await this.run.f.put(bucket, bytes(key), content, { ...blob, etag: md5(content) });
    this.run.objects.set(key, { pieces: [content], etag: md5(content), tags: [], partCount: 0 });
  }

  private async putIf(): Promise<void> {
    const key = this.key();
    const { f, objects } = this.run;
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
    const { f, objects } = this.run;
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
    const { f, objects } = this.run;
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
    await this.run.f.remove(bucket, bytes(key));
    this.run.objects.delete(key);
  }

  private async removeIf(): Promise<void> {
    const key = this.key();
    const { f, objects } = this.run;
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
    const { f, objects } = this.run;
    const keys = Array.from({ length: 5 }, () => this.key());
    const results = await f.removeMany(bucket, keys.map(bytes));
    assert.ok(results.every(({ errorCode }) => errorCode === undefined));
    for (const key of keys) objects.delete(key);
  }

  private async copy(): Promise<void> {
    const { f, objects } = this.run;
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
    const { f, objects } = this.run;
    const object = objects.get(key);
    const tags = [{ name: 'n', value: `${this.prng.below(100)}` }];
    const request = { who: ann, session: f.session, object: { bucket, key: bytes(key) }, tags };
    if (object === undefined) return rejects(f.ask(calls.putObjectTags, request), 'KEY_NOT_FOUND');
    await f.ask(calls.putObjectTags, request);
    objects.set(key, { ...object, tags: tags.map(({ name, value }) => [name, value] as const) });
  }

  // --- uploads -----------------------------------------------------------------------------------------

  private async createUpload(): Promise<void> {
    const { f } = this.run;
    const key = this.key();
    const request = {
      who: ann,
      session: f.session,
      bucket,
      key: bytes(key),
      attributes: noAttributes(),
    };
    const { uploadId } = await f.ask(calls.createUpload, request);
    const upload = { key, uploadId, parts: new Map() };
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
    return { who: ann, session: this.run.f.session, upload: { bucket, key: bytes(key), uploadId } };
  }

  private async putPart(): Promise<void> {
    if (this.uploads.length === 0) return;
    const upload = this.prng.pick(this.uploads);
    const content = this.content();
    const partNumber = 1 + this.prng.below(4);
    const etag = md5(content);
    await this.run.f.ask(calls.putPart, { ...this.base(upload), partNumber, etag }, content);
    upload.parts.set(partNumber, { etag, pieces: [content] });
  }

  private async copyPart(): Promise<void> {
    if (this.uploads.length === 0) return;
    const upload = this.prng.pick(this.uploads);
    const partNumber = 1 + this.prng.below(4);
    const first = this.prng.below(5000);
    const last = first + limits.partBytesMin - 1 + this.prng.below(5000 - first);
    const { part } = await this.run.f.ask(calls.copyPart, {
      ...this.base(upload),
      partNumber,
      source: { bucket: 'source', key: bytes('large') },
      sourceConditions: {},
      range: { first, last },
    });
    upload.parts.set(partNumber, { etag: part.etag, pieces: [large.subarray(first, last + 1)] });
  }

  private async complete(): Promise<void> {
    const upload = this.takeUpload();
    if (upload === undefined) return;
    const { f, objects } = this.run;
    const numbers = [...upload.parts.keys()].toSorted((a, b) => a - b);
    const partOf = (number: number) =>
      upload.parts.get(number) as { etag: string; pieces: readonly Buffer[] };
    const parts = numbers.map((partNumber) => ({ partNumber, etag: partOf(partNumber).etag }));
    const payload = CompletedParts.encode({ parts });
    const request = { ...this.base(upload), conditions: {} };
    const completed = f.ask(calls.completeUpload, request, payload);
    if (numbers.length === 0) await rejects(completed, 'INVALID_ARGUMENT');
    else if (
      numbers.slice(0, -1).some((number) => partSize(partOf(number)) < limits.partBytesMin)
    ) {
      await rejects(completed, 'PART_TOO_SMALL');
    } else {
      const { etag } = await completed;
      assert.deepEqual(await f.ask(calls.completeUpload, request, payload), await completed);
      const pieces = numbers.flatMap((number) => partOf(number).pieces);
      objects.set(upload.key, { pieces, etag, tags: [], partCount: numbers.length });
      return;
    }
    this.uploads.push(upload);
    this.run.uploads.push(upload);
  }

  private async abort(): Promise<void> {
    const upload = this.takeUpload();
    if (upload === undefined) return;
    await this.run.f.ask(calls.abortUpload, this.base(upload));
    await rejects(this.run.f.ask(calls.abortUpload, this.base(upload)), 'UPLOAD_NOT_FOUND');
  }
}

const partSize = (part: { pieces: readonly Buffer[] }): number =>
  part.pieces.reduce((sum, { length }) => sum + length, 0);

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
  await f.clock.advance(1000 * prng.below(9));
  await f.ask(calls.renewReadLease, { reader: 'reader', oldestEpoch: 0 });
  await f.service.context.own.renew();
  if (prng.chance(0.1)) {
    await f.ask(calls.endSession, { session: f.session });
    await f.openSession();
  } else await f.ask(calls.renewSession, { session: f.session });
}
