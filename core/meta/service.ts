// The namespace next to its store: executes the calls of calls.ts. One per core process; the operations are in
// namespace/*.ts, this file only binds them to the calls and owns what lives as long as the process.

import { CoreError } from '../base/errors.ts';
import { Gate } from '../base/gate.ts';
import { id } from '../base/ids.ts';
import type { BlobId, SessionId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Clock } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import type { Hasher } from '../env/hasher.ts';
import type { Rng } from '../env/rng.ts';
import type { RpcRegistry } from '../rpc/call.ts';
import * as calls from './calls.ts';
import { Janitor } from './janitor/janitor.ts';
import { CompletedParts, DeleteItems, ListPage, UploadsPage } from './messages.ts';
import { type ChunkInventory, storeInventory } from './chunk-inventory.ts';
import type { Layout } from './messages.ts';
import type { MetaStore } from './meta-store.ts';
import { discardBlobs, payloadBytesMax } from './namespace/bodies.ts';
import { getBucketVersioning, putBucketVersioning } from './namespace/bucket-versioning.ts';
import * as buckets from './namespace/buckets.ts';
import { completeUpload } from './namespace/complete.ts';
import { admitted } from './namespace/context.ts';
import type { LocalChunks, NamespaceContext } from './namespace/context.ts';
import * as copies from './namespace/copy.ts';
import * as lists from './namespace/list.ts';
import { Numbers } from './namespace/numbers.ts';
import * as reads from './namespace/open.ts';
import * as parts from './namespace/parts.ts';
import { putObject } from './namespace/put.ts';
import { ReadLeases } from './namespace/read-leases.ts';
import * as removes from './namespace/remove.ts';
import { OwnSession, Sessions } from './namespace/sessions.ts';
import { Turns } from './namespace/turns.ts';
import { listVersions } from './namespace/list-versions.ts';
import { VersionNumbers } from './namespace/version-numbers.ts';
import * as uploads from './namespace/uploads.ts';
import { Repeater } from './repeater.ts';

export interface NamespaceOptions {
  readonly store: MetaStore;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly hasher: Hasher;
  readonly events: Events;
  /** The chunk store of this process; absent: every larger content is written as a blob by the caller. */
  readonly local?: LocalChunks;
  /** Where all chunks are, when they are not in `local`; absent with it: nobody collects chunks here. */
  readonly inventory?: ChunkInventory;
  /** Content up to this size lives in the inode row; limits.inlineBytesMax when absent. */
  readonly inlineBytesMax?: number;
  /** Asked before rows are added; that of `local` when absent. */
  readonly admit?: () => void;
  /** Layout of new blobs of objects; one chain and limits.objectChunkBytes when absent. */
  readonly layout?: Layout;
  /** Runs the janitor by itself; true when absent. */
  readonly janitor?: boolean;
}

const oneChain: Layout = {
  table: 1,
  tableVersion: 1,
  chunkBytes: limits.objectChunkBytes,
  stripe: 1,
  seed: 0,
};

export class NamespaceService {
  readonly context: NamespaceContext;
  readonly janitor: Janitor;
  private readonly repeaters: readonly Repeater[];

  private constructor(context: NamespaceContext, collects: boolean) {
    this.context = context;
    this.janitor = new Janitor(context);
    const renewal = new Repeater(context.clock, context.events, 'meta.renewal', async () => {
      await context.own.renew();
      return limits.sessionLeaseMs / 3;
    });
    const collection = new Repeater(context.clock, context.events, 'meta.janitor', async () => {
      const done = await this.janitor.step();
      await context.store.maintain();
      return done > 0 ? limits.janitorBusyMs : limits.janitorIntervalMs;
    });
    this.repeaters = collects ? [renewal, collection] : [renewal];
    renewal.start(limits.sessionLeaseMs / 3);
    if (collects) collection.start(limits.janitorIntervalMs);
  }

  /** Opens this process's own session and starts to renew it. */
  static async open(options: NamespaceOptions): Promise<NamespaceService> {
    const { store, clock, rng, hasher, events, local, layout = oneChain } = options;
    const inventory = local === undefined ? options.inventory : storeInventory(local);
    const sessions = new Sessions(store, clock);
    const own = await OwnSession.open(sessions, 'core');
    const context: NamespaceContext = {
      store,
      clock,
      rng,
      hasher,
      events,
      layout,
      local,
      inventory,
      inlineBytesMax: options.inlineBytesMax ?? limits.inlineBytesMax,
      admit: options.admit ?? (() => local?.chunks.admit()),
      sessions,
      own,
      numbers: new Numbers(store),
      versionNumbers: new VersionNumbers(),
      turns: new Turns(),
      listing: new Gate({
        runningMax: limits.listsRunningMax,
        waitingMax: limits.listsWaitingMax,
      }),
      // Session numbers grow and are never reused, so this one orders the starts of cores.
      leases: new ReadLeases(clock.now(), own.session),
    };
    return new NamespaceService(context, options.janitor ?? true);
  }

  /** Stops the timers, waits for what they run, and ends this process's own session. The store stays open. */
  async close(): Promise<void> {
    await Promise.all(this.repeaters.map((repeater) => repeater.stop()));
    await this.context.own.end();
  }
}

/** Registers every call of the namespace. */
export function registerNamespaceCalls(registry: RpcRegistry, service: NamespaceService): void {
  registerSessionCalls(registry, service.context);
  registerBucketCalls(registry, service.context);
  registerObjectCalls(registry, service.context);
  registerUploadCalls(registry, service.context);
}

function registerSessionCalls(registry: RpcRegistry, context: NamespaceContext): void {
  const { sessions, leases, clock } = context;
  registry.register(calls.openSession, async ({ role, session: given }) => {
    const { session, blobs } = await sessions.open(role, given);
    const { layout } = context;
    const { sessionLeaseMs: leaseMs } = limits;
    const most = payloadBytesMax(context);
    return { response: { session, leaseMs, blobs, layout, payloadBytesMax: most } };
  });
  registry.register(calls.renewSession, async ({ session }) => {
    await sessions.renew(id<SessionId>(session));
    return { response: { leaseMs: limits.sessionLeaseMs } };
  });
  registry.register(calls.endSession, async ({ session }) => {
    await sessions.end(id<SessionId>(session));
    return { response: {} };
  });
  registry.register(calls.grantBlobs, async ({ session }) => ({
    response: { blobs: await sessions.grantBlobs(id<SessionId>(session)) },
  }));
  registry.register(calls.discardBlobs, async ({ session, blobs }) => {
    if (blobs.length > limits.blobsPerGrant) {
      throw new CoreError('INVALID_ARGUMENT', `${blobs.length} blobs in one call`);
    }
    await discardBlobs(
      context,
      session,
      blobs.map((blob) => id<BlobId>(blob)),
    );
    return { response: {} };
  });
  registry.register(calls.renewReadLease, async ({ reader, oldestEpoch }) => {
    const { epoch, lost } = leases.renew(reader, oldestEpoch, clock.now());
    return { response: { epoch, lost, leaseMs: limits.readLeaseMs } };
  });
  registry.register(calls.endReadLease, async ({ reader }) => {
    leases.end(reader);
    return { response: {} };
  });
}

function registerBucketCalls(registry: RpcRegistry, context: NamespaceContext): void {
  registry.register(calls.listBuckets, async (request) => ({
    response: await buckets.listBuckets(context, request),
  }));
  registry.register(calls.createBucket, async (request) => ({
    response: await buckets.createBucket(admitted(context), request),
  }));
  registry.register(calls.headBucket, async (request) => ({
    response: await buckets.headBucket(context, request),
  }));
  registry.register(calls.deleteBucket, async (request) => {
    await buckets.deleteBucket(context, request);
    return { response: {} };
  });
  registry.register(calls.getBucketTags, async (request) => ({
    response: { tags: await buckets.getBucketTags(context, request) },
  }));
  registry.register(calls.putBucketTags, async (request) => {
    await buckets.putBucketTags(request.tags.length > 0 ? admitted(context) : context, request);
    return { response: {} };
  });
  registry.register(calls.getBucketVersioning, async (request) => ({
    response: await getBucketVersioning(context, request),
  }));
  registry.register(calls.putBucketVersioning, async (request) => {
    await putBucketVersioning(context, request);
    return { response: {} };
  });
}

function registerObjectCalls(registry: RpcRegistry, context: NamespaceContext): void {
  registry.register(calls.putObject, async (request, payload) => ({
    response: await putObject(admitted(context), request, payload),
  }));
  registry.register(calls.openObject, (request) => reads.openObject(context, request));
  registry.register(calls.readMap, async (request) => ({
    response: await reads.readMap(context, request),
  }));
  registry.register(calls.deleteObject, async (request) => ({
    response: await removes.deleteObject(context, request),
  }));
  registry.register(calls.deleteObjects, async (request, payload) => {
    const { items } = DeleteItems.decode(payload);
    return { response: { results: await removes.deleteObjects(context, request, items) } };
  });
  registry.register(calls.copyObject, async (request) => ({
    response: await copies.copyObject(admitted(context), request),
  }));
  registry.register(calls.listObjects, async (request) => ({
    response: {},
    payload: await context.listing.run(() => lists.listObjects(context, request)),
  }));
  registry.register(calls.listVersions, async (request) => ({
    response: {},
    payload: [ListPage.encode(await context.listing.run(() => listVersions(context, request)))],
  }));
  registry.register(calls.getObjectTags, async (request) => ({
    response: await reads.getObjectTags(context, request),
  }));
  registry.register(calls.putObjectTags, async (request) => ({
    response: await copies.putObjectTags(
      request.tags.length > 0 ? admitted(context) : context,
      request,
    ),
  }));
  registry.register(calls.objectParts, async (request) => ({
    response: await reads.objectParts(context, request),
  }));
}

function registerUploadCalls(registry: RpcRegistry, context: NamespaceContext): void {
  registry.register(calls.createUpload, async (request) => ({
    response: await uploads.createUpload(admitted(context), request),
  }));
  registry.register(calls.uploadInfo, async (request) => ({
    response: await uploads.uploadInfo(context, request),
  }));
  registry.register(calls.putPart, async (request, payload) => ({
    response: await parts.putPart(admitted(context), request, payload),
  }));
  registry.register(calls.copyPart, async (request) => ({
    response: await parts.copyPart(admitted(context), request),
  }));
  registry.register(calls.listParts, async (request) => ({
    response: await parts.listParts(context, request),
  }));
  registry.register(calls.listUploads, async (request) => ({
    response: {},
    payload: [UploadsPage.encode(await uploads.listUploads(context, request))],
  }));
  registry.register(calls.completeUpload, async (request, payload) => ({
    response: await completeUpload(context, request, CompletedParts.decode(payload).parts),
  }));
  registry.register(calls.abortUpload, async (request) => {
    await uploads.abortUpload(context, request);
    return { response: {} };
  });
}
