// The object model of a gateway process: every operation is one call to the namespace, with content going to
// and coming from blobs where it is too large to travel along. No caching and no retries of its own.

import { CoreError } from '../../base/errors.ts';
import type { Message } from '../../base/message.ts';
import type { BlobClient, ReadLease, WriterSession } from '../../client/types.ts';
import * as calls from '../../meta/calls.ts';
import * as m from '../../meta/messages.ts';
import type { Call, RpcClient } from '../../rpc/call.ts';
import { type OpenContent, type Opened, type OpenedObject, openContent } from './content-reader.ts';
import { storeContent } from './content-writer.ts';
import * as convert from './convert.ts';
import { decodeListedPage } from './listed-page.ts';
import type { HashContent } from './hash-content.ts';
import { checksumOfContent, md5OfContent } from './hash-content.ts';
import {
  type BucketInfo,
  type BucketVersioning,
  type CompleteRequest,
  type CopyRequest,
  type CopyResult,
  type CreateUploadRequest,
  type DeleteConditions,
  type DeleteManyItem,
  DeleteMarkerFound,
  type DeleteResult,
  type ListPage,
  type ListRequest,
  type ListedObject,
  type ObjectBody,
  type ObjectChecksum,
  type ObjectContent,
  type ObjectHead,
  type ObjectInfo,
  type ObjectStore,
  type PartInfo,
  type Principal,
  type PutRequest,
  type PutResult,
  ReadRefused,
  type ReadRequest,
  type Tag,
  type UploadInfo,
  type UploadRef,
  type VersionsPage,
} from './types.ts';

export interface ObjectStoreParts {
  readonly rpc: RpcClient;
  readonly blobs: BlobClient;
  readonly session: WriterSession;
  readonly lease: ReadLease;
  /** Checksums of stored content that a copy asks for and the source does not carry. */
  readonly hash: HashContent;
}

/** A copy whose source changes while its checksum is computed starts over this often. */
const sourceChangesMax = 5;

export function makeObjectStore(parts: ObjectStoreParts): ObjectStore {
  return new RpcObjectStore(parts);
}

class RpcObjectStore implements ObjectStore {
  private readonly parts: ObjectStoreParts;

  constructor(parts: ObjectStoreParts) {
    this.parts = parts;
  }

  private async ask<Request extends object, Response extends object>(
    call: Call<Request, Response>,
    request: Request,
    payload: readonly Uint8Array[] = [],
  ): Promise<Response> {
    return (await this.parts.rpc.call(call, request, { payload })).response;
  }

  private async askPage<Request extends object, Page extends object>(
    call: Call<Request, object>,
    request: Request,
    page: Message<Page>,
  ): Promise<Page> {
    return page.decode((await this.parts.rpc.call(call, request)).payload);
  }

  private get session(): number {
    return this.parts.session.session;
  }

  // --- buckets -----------------------------------------------------------------------------------

  async listBuckets(
    who: Principal,
    request: { prefix?: string; after?: string; limit: number },
  ): Promise<{ buckets: BucketInfo[]; next?: string }> {
    const { buckets, next } = await this.ask(calls.listBuckets, { who, ...request });
    return next === undefined ? { buckets } : { buckets, next };
  }

  createBucket(who: Principal, request: { bucket: string; region: string }): Promise<BucketInfo> {
    return this.ask(calls.createBucket, { who, session: this.session, ...request });
  }

  headBucket(who: Principal, bucket: string): Promise<BucketInfo> {
    return this.ask(calls.headBucket, { who, bucket });
  }

  async deleteBucket(who: Principal, bucket: string): Promise<void> {
    await this.ask(calls.deleteBucket, { who, session: this.session, bucket });
  }

  async getBucketTags(who: Principal, bucket: string): Promise<Tag[]> {
    return convert.fromTags((await this.ask(calls.getBucketTags, { who, bucket })).tags);
  }

  async putBucketTags(who: Principal, bucket: string, tags: readonly Tag[]): Promise<void> {
    await this.ask(calls.putBucketTags, {
      who,
      session: this.session,
      bucket,
      tags: convert.toTags(tags),
    });
  }

  async getBucketVersioning(who: Principal, bucket: string): Promise<BucketVersioning | undefined> {
    const { enabled, suspended } = await this.ask(calls.getBucketVersioning, { who, bucket });
    if (enabled) return 'Enabled';
    return suspended ? 'Suspended' : undefined;
  }

  async putBucketVersioning(
    who: Principal,
    bucket: string,
    versioning: BucketVersioning,
  ): Promise<void> {
    const enabled = versioning === 'Enabled';
    await this.ask(calls.putBucketVersioning, { who, session: this.session, bucket, enabled });
  }

  // --- objects -----------------------------------------------------------------------------------

  async put(who: Principal, request: PutRequest, body: ObjectBody): Promise<PutResult> {
    const content = await storeContent(this.parts.blobs, this.parts.session, body);
    const { etag, checksum } = body.digests();
    const { versionId } = await this.ask(
      calls.putObject,
      {
        who,
        session: this.session,
        bucket: request.bucket,
        key: request.key,
        attributes: convert.toAttributes(request.attributes),
        conditions: convert.toWriteConditions(request.conditions),
        etag,
        checksum,
        blob: content.blob,
      },
      content.payload,
    );
    const result = { etag, versionId, sizeBytes: content.sizeBytes };
    return checksum === undefined ? result : { ...result, checksum };
  }

  private async open(
    who: Principal,
    request: ReadRequest,
    content: boolean,
  ): Promise<OpenedObject> {
    const asked = {
      who,
      object: refOf(request),
      conditions: convert.toReadConditions(request.conditions),
      range: convert.toRange(request.range),
      partNumber: request.partNumber,
      content,
      reader: this.parts.lease.reader,
      direct: content && this.parts.blobs.readsDirectly,
    };
    const { response, payload, release } = await this.parts.rpc.call(calls.openObject, asked, {
      lendsAnswer: content,
    });
    switch (response.outcome) {
      case 'ok':
        return { opened: response, payload, release };
      case 'not-modified':
        throw new ReadRefused('NOT_MODIFIED', convert.fromInfo(response.info));
      case 'condition-failed':
        throw new ReadRefused('CONDITION_FAILED', convert.fromInfo(response.info));
      case 'range-not-satisfiable':
        throw new ReadRefused('RANGE_NOT_SATISFIABLE', convert.fromInfo(response.info));
      case 'delete-marker':
        throw new DeleteMarkerFound(request.versionId !== undefined, response.info);
      default:
        throw new CoreError('PROTOCOL', `openObject answered '${response.outcome}'`);
    }
  }

  async get(who: Principal, request: ReadRequest): Promise<ObjectContent> {
    const object = await this.open(who, request, true);
    return Object.assign(headOf(object.opened), this.contentOf(object));
  }

  private contentOf(object: OpenedObject): OpenContent {
    return openContent(this.parts, object);
  }

  async head(who: Principal, request: ReadRequest): Promise<ObjectHead> {
    return headOf((await this.open(who, request, false)).opened);
  }

  async delete(
    who: Principal,
    request: { bucket: string; key: Uint8Array; versionId?: string; conditions: DeleteConditions },
  ): Promise<DeleteResult> {
    const { versionId, deleteMarker } = await this.ask(calls.deleteObject, {
      who,
      session: this.session,
      object: refOf(request),
      conditions: convert.toDeleteConditions(request.conditions),
    });
    return versionId === undefined ? { deleteMarker } : { versionId, deleteMarker };
  }

  async deleteMany(
    who: Principal,
    bucket: string,
    items: readonly DeleteManyItem[],
  ): Promise<(DeleteResult | Error)[]> {
    const payload = m.DeleteItems.encode({
      items: items.map(({ key, versionId, ...conditions }) => ({
        key,
        versionId,
        conditions: convert.toDeleteConditions(conditions),
      })),
    });
    const { results } = await this.ask(
      calls.deleteObjects,
      { who, session: this.session, bucket },
      [payload],
    );
    return results.map(convert.fromDeleteResult);
  }

  async copy(who: Principal, request: CopyRequest): Promise<CopyResult> {
    const computed = await this.withStableSource(who, request, async (checksum, sourceInode) => {
      const { checksum: stored, ...rest } = await this.ask(calls.copyObject, {
        who,
        session: this.session,
        source: refOf(request.source),
        sourceConditions: convert.toReadConditions(request.sourceConditions),
        bucket: request.bucket,
        key: request.key,
        conditions: convert.toWriteConditions(request.conditions),
        replaceMetadata: request.headers !== undefined,
        headers: request.headers?.headers ?? {},
        userMetadata: convert.toMetadata(request.headers?.userMetadata ?? []),
        replaceTags: request.tags !== undefined,
        tags: convert.toTags(request.tags ?? []),
        storageClass: request.storageClass,
        checksum,
        sourceInode,
      });
      return stored === undefined ? rest : { ...rest, checksum: convert.fromChecksum(stored) };
    });
    return computed;
  }

  /** Runs `commit` with the checksum that the copy asks for, computed from exactly the inode that is copied. */
  private async withStableSource<T>(
    who: Principal,
    request: CopyRequest,
    commit: (checksum: ObjectChecksum | undefined, sourceInode: number | undefined) => Promise<T>,
  ): Promise<T> {
    const algorithm = request.checksumAlgorithm;
    if (algorithm === undefined) return commit(undefined, undefined);
    for (let attempt = 1; ; attempt++) {
      const source = { ...request.source, conditions: {} };
      const object = await this.open(who, source, true);
      const { opened } = object;
      const carried = opened.info.checksum;
      const content = this.contentOf(object);
      try {
        const suits = carried?.algorithm === algorithm && carried.type === 'FULL_OBJECT';
        const checksum = suits
          ? undefined
          : await checksumOfContent(this.parts.hash, algorithm, content.chunks);
        return await commit(checksum, opened.inode);
      } catch (error) {
        if (!isConflict(error) || attempt === sourceChangesMax) throw error;
      } finally {
        content.cancel();
      }
    }
  }

  async list(who: Principal, request: ListRequest): Promise<ListPage<ListedObject>> {
    return decodeListedPage(
      (await this.parts.rpc.call(calls.listObjects, { who, ...request })).payload,
    );
  }

  async listVersions(
    who: Principal,
    request: ListRequest & { afterVersionId?: string },
  ): Promise<VersionsPage> {
    const page = await this.askPage(calls.listVersions, { who, ...request }, m.ListPage);
    const { commonPrefixes, next, nextVersionId } = page;
    return {
      objects: page.objects.map((listed) => convert.fromListedVersion(listed, page.bucketOwner)),
      commonPrefixes,
      ...(next === undefined ? {} : { next }),
      ...(nextVersionId === undefined ? {} : { nextVersionId }),
    };
  }

  async getTags(
    who: Principal,
    request: { bucket: string; key: Uint8Array; versionId?: string },
  ): Promise<Tag[]> {
    return convert.fromTags(
      (await this.ask(calls.getObjectTags, { who, object: refOf(request) })).tags,
    );
  }

  async putTags(
    who: Principal,
    request: { bucket: string; key: Uint8Array; versionId?: string; tags: readonly Tag[] },
  ): Promise<void> {
    const tags = convert.toTags(request.tags);
    await this.ask(calls.putObjectTags, {
      who,
      session: this.session,
      object: refOf(request),
      tags,
    });
  }

  async objectParts(
    who: Principal,
    request: { bucket: string; key: Uint8Array; versionId?: string; after: number; limit: number },
  ): Promise<{ info: ObjectInfo; parts: PartInfo[]; truncated: boolean }> {
    const { after, limit } = request;
    const answer = await this.ask(calls.objectParts, { who, object: refOf(request), after, limit });
    return {
      info: convert.fromInfo(answer.info),
      parts: answer.parts.map(convert.fromPart),
      truncated: answer.truncated,
    };
  }

  // --- multipart uploads -------------------------------------------------------------------------

  createUpload(who: Principal, request: CreateUploadRequest): Promise<{ uploadId: string }> {
    const { attributes, ...rest } = request;
    return this.ask(calls.createUpload, {
      who,
      session: this.session,
      ...rest,
      attributes: convert.toAttributes(attributes),
    });
  }

  async uploadInfo(who: Principal, upload: UploadRef): Promise<UploadInfo> {
    return convert.fromUpload(await this.ask(calls.uploadInfo, { who, upload }));
  }

  async putPart(
    who: Principal,
    upload: UploadRef & { partNumber: number },
    body: ObjectBody,
  ): Promise<PartInfo> {
    const content = await storeContent(this.parts.blobs, this.parts.session, body);
    const { etag, checksum } = body.digests();
    const { partNumber } = upload;
    const request = {
      who,
      session: this.session,
      upload,
      partNumber,
      etag,
      checksum,
      blob: content.blob,
    };
    return convert.fromPart(await this.ask(calls.putPart, request, content.payload));
  }

  /** A reference to the source's content. Only an upload with checksums has the content read, to compute the
   *  part's: S3 answers it and Complete needs it. */
  async copyPart(
    who: Principal,
    upload: UploadRef & { partNumber: number },
    request: Parameters<ObjectStore['copyPart']>[2],
  ): Promise<PartInfo & { sourceVersionId: string }> {
    const { checksumAlgorithm } = await this.uploadInfo(who, upload);
    const commit = async (computed: {
      etag?: string;
      checksum?: ObjectChecksum;
      sourceInode?: number;
    }) => {
      const answer = await this.ask(calls.copyPart, {
        who,
        session: this.session,
        upload,
        partNumber: upload.partNumber,
        source: refOf(request.source),
        sourceConditions: convert.toReadConditions(request.sourceConditions),
        range: convert.toRange(request.range),
        ...computed,
      });
      return { ...convert.fromPart(answer.part), sourceVersionId: answer.sourceVersionId };
    };
    if (checksumAlgorithm === undefined) return commit({});
    for (let attempt = 1; ; attempt++) {
      const source = { ...request.source, conditions: {} };
      const ranged = request.range === undefined ? source : { ...source, range: request.range };
      const object = await this.open(who, ranged, true);
      const { opened } = object;
      const content = this.contentOf(object);
      try {
        const { etag, checksum } = await md5OfContent(
          this.parts.hash,
          checksumAlgorithm,
          content.chunks,
        );
        return await commit({ etag, checksum, sourceInode: opened.inode });
      } catch (error) {
        if (!isConflict(error) || attempt === sourceChangesMax) throw error;
      } finally {
        content.cancel();
      }
    }
  }

  async listParts(
    who: Principal,
    upload: UploadRef,
    request: { after: number; limit: number },
  ): Promise<{ upload: UploadInfo; parts: PartInfo[]; truncated: boolean }> {
    const answer = await this.ask(calls.listParts, { who, upload, ...request });
    return {
      upload: convert.fromUpload(answer.upload),
      parts: answer.parts.map(convert.fromPart),
      truncated: answer.truncated,
    };
  }

  async listUploads(
    who: Principal,
    request: ListRequest & { afterUploadId?: string },
  ): Promise<{
    uploads: UploadInfo[];
    commonPrefixes: Uint8Array[];
    next?: { key: Uint8Array; uploadId: string };
  }> {
    const page = await this.askPage(calls.listUploads, { who, ...request }, m.UploadsPage);
    const { commonPrefixes, nextKey, nextUploadId } = page;
    const answer = { uploads: page.uploads.map(convert.fromUpload), commonPrefixes };
    if (nextKey === undefined) return answer;
    return { ...answer, next: { key: nextKey, uploadId: nextUploadId ?? '' } };
  }

  async completeUpload(who: Principal, request: CompleteRequest): Promise<PutResult> {
    const payload = m.CompletedParts.encode({
      parts: request.parts.map(({ partNumber, etag, checksum }) => ({
        partNumber,
        etag,
        checksumAlgorithm: checksum?.algorithm,
        checksumValue: checksum?.value,
      })),
    });
    const answer = await this.ask(
      calls.completeUpload,
      {
        who,
        session: this.session,
        upload: { bucket: request.bucket, key: request.key, uploadId: request.uploadId },
        conditions: convert.toWriteConditions(request.conditions),
        sizeBytes: request.sizeBytes,
        checksumType: request.checksumType,
        checksumAlgorithm: request.checksum?.algorithm,
        checksumValue: request.checksum?.value,
      },
      [payload],
    );
    const { etag, versionId, sizeBytes, checksum } = answer;
    const result = { etag, versionId, sizeBytes };
    return checksum === undefined
      ? result
      : { ...result, checksum: convert.fromChecksum(checksum) };
  }

  async abortUpload(who: Principal, upload: UploadRef): Promise<void> {
    await this.ask(calls.abortUpload, { who, session: this.session, upload });
  }
}

const isConflict = (error: unknown): boolean =>
  error instanceof CoreError && error.errorName === 'CONFLICT';

function refOf(object: { bucket: string; key: Uint8Array; versionId?: string }): m.ObjectRef {
  return { bucket: object.bucket, key: object.key, versionId: object.versionId };
}

function headOf(opened: Opened): ObjectHead {
  const { firstByte, lengthBytes, partial, partChecksum } = opened;
  const head = { info: convert.fromInfo(opened.info), firstByte, lengthBytes, partial };
  return partChecksum === undefined
    ? head
    : { ...head, partChecksum: convert.fromChecksum(partChecksum) };
}
