// A namespace over memory stores on virtual time, reached through its registered calls as a gateway reaches it.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import assert from 'node:assert/strict';
import { crc32c } from '../../../../core/base/crc32c.ts';
import { isCoreError } from '../../../../core/base/errors.ts';
import type { ErrorName } from '../../../../core/base/errors.ts';
import { id } from '../../../../core/base/ids.ts';
import type { BlobId, ChainVer, ChunkId, SessionId, TargetId } from '../../../../core/base/ids.ts';
import type { MessageOf } from '../../../../core/base/message.ts';
import { limits } from '../../../../core/base/limits.ts';
import type { Timer } from '../../../../core/env/clock.ts';
import type { Events } from '../../../../core/env/events.ts';
import { nodeHasher } from '../../../../core/env/node/hasher.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { DeleteItems, ListPage } from '../../../../core/meta/messages.ts';
import type { DeleteResult, Layout, Who, WrittenBlob } from '../../../../core/meta/messages.ts';
import type { MetaStore } from '../../../../core/meta/meta-store.ts';
import { checkNamespace } from '../../../../core/meta/fsck/fsck.ts';
import { FsckReport } from '../../../../core/meta/fsck/report.ts';
import { NamespaceService, registerNamespaceCalls } from '../../../../core/meta/service.ts';
import { openMemoryMetaStore } from '../../../../core/meta/store/memory-store.ts';
import { CallTable } from '../../../../core/rpc/call-table.ts';
import type { ChunkStore } from '../../../../core/store/types.ts';
import type { Answer, Call, RpcClient } from '../../../../core/rpc/call.ts';
import { storeInventory } from '../../../../core/meta/chunk-inventory.ts';
import { localClient } from '../../../../core/rpc/local.ts';
import { SimClock } from '../../../sim/clock.ts';
import { simRng } from '../../../sim/rng.ts';
import { MemoryChunks } from '../memory-chunks.ts';

export const ann: Who = { id: 'a'.repeat(64), displayName: 'Ann', root: false };
export const bob: Who = { id: 'b'.repeat(64), displayName: 'Bob', root: false };
export const root: Who = { id: 'f'.repeat(64), displayName: 'root', root: true };

type PutRequest = MessageOf<typeof calls.putObject.request>;

export const noAttributes = (): PutRequest['attributes'] => ({
  headers: {},
  userMetadata: [],
  tags: [],
  storageClass: 'STANDARD',
});
export type OpenResponse = MessageOf<typeof calls.openObject.response>;

export interface FixtureOptions {
  readonly seed?: string;
  /** false: no chunk store beside the metadata. */
  readonly local?: boolean;
  /** Stands for the disk of the metadata store: commits are durable when it resolves. */
  readonly sync?: () => Promise<void>;
  /** Goes on where another one stopped. */
  readonly clock?: SimClock;
  /** In place of the memory stores. */
  readonly stores?: { readonly store: MetaStore; readonly chunks: ChunkStore };
}

export const target = id<TargetId>(1);

/** Virtual time, but for the pauses of retries, which pass by themselves. */
export class FixtureClock extends SimClock {
  override after(delayMs: number, callback: () => void): Timer {
    if (delayMs > limits.metaRetryPauseMsMax) return super.after(delayMs, callback);
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  }
}

export class Fixture {
  readonly clock: SimClock;
  /** The chunk store when it is the one in memory, else an empty one. */
  readonly chunks: MemoryChunks;
  readonly chunkStore: ChunkStore;
  readonly store: MetaStore;
  readonly service: NamespaceService;
  readonly rpc: RpcClient;
  readonly bugs: string[];
  session = 0;
  layout: Layout = { table: 1, tableVersion: 1, chunkBytes: 4 << 20, stripe: 1, seed: 0 };
  private blobs = { next: 0, end: 0 };

  private constructor(
    service: NamespaceService,
    clock: SimClock,
    bugs: string[],
    chunkStore: ChunkStore,
  ) {
    this.store = service.context.store;
    this.service = service;
    this.clock = clock;
    this.bugs = bugs;
    this.chunkStore = chunkStore;
    this.chunks = chunkStore instanceof MemoryChunks ? chunkStore : new MemoryChunks();
    const table = new CallTable();
    registerNamespaceCalls(table, service);
    this.rpc = localClient(table, 'write', 'test');
  }

  static async open(options: FixtureOptions = {}): Promise<Fixture> {
    const clock = options.clock ?? new FixtureClock();
    const rng = simRng(options.seed ?? 'fixture');
    const bugs: string[] = [];
    const events: Events = {
      emit: (severity, name, fields) => {
        if (severity === 'bug' || severity === 'error')
          bugs.push(`${name} ${JSON.stringify(fields)}`);
      },
    };
    const sync = options.sync === undefined ? {} : { sync: options.sync };
    const { store, chunks } = options.stores ?? {
      store: openMemoryMetaStore({ clock, rng, ...sync }),
      chunks: new MemoryChunks(),
    };
    const local =
      options.local === false
        ? {}
        : { local: { chunks, target, chainVersion: id<ChainVer>(1), sharesJournal: true } };
    const service = await NamespaceService.open({
      store,
      clock,
      rng,
      hasher: nodeHasher,
      events,
      ...local,
      janitor: false,
    });
    const fixture = new Fixture(service, clock, bugs, chunks);
    await fixture.openSession();
    return fixture;
  }

  /** A second service over the same stores, as in another process; close it before the fixture. */
  async another(): Promise<Fixture> {
    const { store, clock, bugs, chunkStore: chunks } = this;
    const { rng, hasher, events, local } = this.service.context;
    const options = { store, clock, rng, hasher, events, janitor: false };
    const service = await NamespaceService.open(
      local === undefined ? options : { ...options, local },
    );
    const fixture = new Fixture(service, clock, bugs, chunks);
    await fixture.openSession();
    return fixture;
  }

  async openSession(): Promise<void> {
    const { session, blobs, layout } = await this.ask(calls.openSession, { role: 'test' });
    this.session = session;
    this.layout = layout;
    this.blobs = { next: blobs.first, end: blobs.first + blobs.count };
  }

  async ask<Q extends object, R extends object>(
    call: Call<Q, R>,
    request: Q,
    payload?: Uint8Array,
  ): Promise<R> {
    return (await this.answer(call, request, payload)).response;
  }

  answer<Q extends object, R extends object>(
    call: Call<Q, R>,
    request: Q,
    payload?: Uint8Array,
  ): Promise<Answer<R>> {
    return this.rpc.call(call, request, payload === undefined ? {} : { payload: [payload] });
  }

  createBucket(bucket: string, who: Who = ann): Promise<object> {
    return this.ask(calls.createBucket, { who, session: this.session, bucket, region: 'lampyr' });
  }

  async put(
    bucket: string,
    key: string | Buffer,
    content: string | Buffer,
    more: Partial<PutRequest> = {},
  ): Promise<MessageOf<typeof calls.putObject.response>> {
    const bytes = Buffer.from(content);
    const request = {
      who: ann,
      session: this.session,
      bucket,
      key: Buffer.from(key),
      attributes: noAttributes(),
      conditions: {},
      etag: md5(bytes),
      ...more,
    };
    return this.ask(calls.putObject, request, more.blob === undefined ? bytes : undefined);
  }

  /** Writes content as a blob of this session, as a gateway does with large bodies. */
  async writeBlob(content: Buffer): Promise<WrittenBlob> {
    assert.ok(this.blobs.next < this.blobs.end);
    const blob = this.blobs.next++;
    const { chunkBytes } = this.layout;
    for (let index = 0; index * chunkBytes < content.length; index++) {
      const bytes = content.subarray(index * chunkBytes, (index + 1) * chunkBytes);
      // oxlint-disable-next-line no-await-in-loop -- a chunk after another, as a slow client does
      await this.writeChunk({ blob: id<BlobId>(blob), index }, bytes);
    }
    return { blob, length: content.length, layout: this.layout };
  }

  private async writeChunk(chunk: ChunkId, bytes: Buffer): Promise<void> {
    if (this.chunkStore === this.chunks) return this.chunks.share(chunk, bytes);
    await this.chunkStore.update({
      target,
      chunk,
      change: { kind: 'write', offset: 0, bytes, crc32c: crc32c(bytes) },
      chainVersion: id<ChainVer>(1),
      tag: { session: id<SessionId>(this.session), channel: 3, sequence: chunk.blob },
      fresh: true,
    });
  }

  open(
    bucket: string,
    key: string | Buffer,
    more: Partial<MessageOf<typeof calls.openObject.request>> = {},
  ): Promise<Answer<OpenResponse>> {
    return this.answer(calls.openObject, {
      who: ann,
      object: { bucket, key: Buffer.from(key) },
      conditions: {},
      content: true,
      reader: 'reader',
      ...more,
    });
  }

  /** The asked-for bytes, however they are answered. */
  async read(
    bucket: string,
    key: string | Buffer,
    more: Partial<MessageOf<typeof calls.openObject.request>> = {},
  ): Promise<Buffer> {
    const { response, payload } = await this.open(bucket, key, more);
    assert.equal(response.outcome, 'ok');
    if (response.inPayload || response.lengthBytes === 0) {
      assert.equal(payload.length, response.lengthBytes);
      return Buffer.from(payload);
    }
    return this.readMapped(response);
  }

  private async readMapped(response: OpenResponse): Promise<Buffer> {
    const parts: Buffer[] = [];
    let { map, mapBytes } = response;
    for (let done = 0; ;) {
      parts.push(...(await this.readExtents(map)));
      done += mapBytes;
      if (done === response.lengthBytes) break;
      assert.ok(mapBytes > 0);
      ({ map, mapBytes } = await this.ask(calls.readMap, {
        contentId: response.contentId,
        firstByte: response.firstByte + done,
        lengthBytes: response.lengthBytes - done,
      }));
    }
    return Buffer.concat(parts);
  }

  private async readExtents(map: OpenResponse['map']): Promise<Buffer[]> {
    const parts: Buffer[] = [];
    for (const extent of map.extents) {
      if (extent.inline !== undefined) {
        parts.push(Buffer.from(extent.inline));
        continue;
      }
      const { chunkBytes } = map.layouts[extent.layout] as Layout;
      for (let at = extent.offset; at < extent.offset + extent.length;) {
        const index = Math.floor(at / chunkBytes);
        const length = Math.min((index + 1) * chunkBytes, extent.offset + extent.length) - at;
        const chunk = { blob: id<BlobId>(extent.blob), index };
        const read = await this.chunkStore.read(target, chunk, at - index * chunkBytes, length);
        assert.equal(read.bytes.length, length, 'a chunk is short');
        parts.push(Buffer.from(read.bytes));
        at += length;
      }
    }
    return parts;
  }

  versioning(bucket: string, enabled: boolean): Promise<object> {
    const request = { who: ann, session: this.session, bucket, enabled };
    return this.ask(calls.putBucketVersioning, request);
  }

  removeVersion(
    bucket: string,
    key: string,
    versionId?: string,
    conditions: MessageOf<typeof calls.deleteObject.request>['conditions'] = {},
  ): Promise<MessageOf<typeof calls.deleteObject.response>> {
    const object = {
      bucket,
      key: Buffer.from(key),
      ...(versionId === undefined ? {} : { versionId }),
    };
    return this.ask(calls.deleteObject, { who: ann, session: this.session, object, conditions });
  }

  async listVersions(
    bucket: string,
    more: {
      prefix?: string;
      delimiter?: string;
      after?: string;
      afterVersionId?: string;
      limit?: number;
    } = {},
  ): Promise<ListPage> {
    const { payload } = await this.answer(calls.listVersions, {
      who: ann,
      bucket,
      prefix: Buffer.from(more.prefix ?? ''),
      delimiter: Buffer.from(more.delimiter ?? ''),
      limit: more.limit ?? 1000,
      ...(more.after === undefined ? {} : { after: Buffer.from(more.after) }),
      ...(more.afterVersionId === undefined ? {} : { afterVersionId: more.afterVersionId }),
    });
    return ListPage.decode(payload);
  }

  remove(bucket: string, key: string | Buffer, who: Who = ann): Promise<object> {
    return this.ask(calls.deleteObject, {
      who,
      session: this.session,
      object: { bucket, key: Buffer.from(key) },
      conditions: {},
    });
  }

  async removeMany(bucket: string, keys: readonly (string | Buffer)[]): Promise<DeleteResult[]> {
    const items = keys.map((key) => ({ key: Buffer.from(key), conditions: {} }));
    const request = { who: ann, session: this.session, bucket };
    return (await this.ask(calls.deleteObjects, request, DeleteItems.encode({ items }))).results;
  }

  async list(
    bucket: string,
    more: {
      prefix?: string | Buffer;
      delimiter?: string | Buffer;
      after?: string | Buffer;
      limit?: number;
    } = {},
  ): Promise<ListPage> {
    const { payload } = await this.answer(calls.listObjects, {
      who: ann,
      bucket,
      prefix: Buffer.from(more.prefix ?? ''),
      delimiter: Buffer.from(more.delimiter ?? ''),
      limit: more.limit ?? 1000,
      ...(more.after === undefined ? {} : { after: Buffer.from(more.after) }),
    });
    return ListPage.decode(payload);
  }

  /** Runs the janitor until nothing is left to do, letting the read leases pass. */
  async clean(): Promise<void> {
    for (let idle = 0; idle < 3;) {
      idle = (await this.service.janitor.step()) === 0 ? idle + 1 : 0;
      await this.clock.advance(limits.readLeaseMs);
      await this.service.context.own.renew();
      await this.ask(calls.renewSession, { session: this.session }).catch(() => undefined);
    }
  }

  async fsck(): Promise<FsckReport> {
    const report = new FsckReport();
    const chunks = storeInventory({
      chunks: this.chunkStore,
      target,
      chainVersion: id<ChainVer>(1),
    });
    await checkNamespace({ store: this.store, chunks, report });
    return report;
  }

  async close(): Promise<void> {
    assert.deepEqual((await this.fsck()).findings, []);
    await this.service.close();
    if (this.chunkStore === this.chunks) await this.store.close();
    assert.deepEqual(this.bugs, []);
    assert.equal(this.chunks.staged, 0, 'stages that were not ended');
  }
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

export function rejects(promise: Promise<unknown>, name: ErrorName): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(isCoreError(error), String(error));
    assert.equal(error.errorName, name, error.message);
    return true;
  });
}

export function textOf(page: ListPage): string {
  const items = [
    ...page.objects.map(({ key }) => Buffer.from(key)),
    ...page.commonPrefixes.map((prefix) => Buffer.from(prefix)),
  ];
  return items
    .toSorted((a, b) => Buffer.compare(a, b))
    .map((item) => item.toString())
    .join(' ');
}
