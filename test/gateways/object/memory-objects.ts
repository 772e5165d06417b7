// An ObjectStore in memory for tests of the door alone: conditions, ranges, parts and listings as the interface
// states them, durability none. What the real store does is tested against the real core (end-to-end tests);
// this one makes the door's own behaviour testable without it, and its cost measurable.

import { createHash, randomBytes } from 'node:crypto';
import { compareBytes } from '../../../core/base/bytes.ts';
import { CoreError } from '../../../core/base/errors.ts';
import { limits } from '../../../core/base/limits.ts';
import {
  type BucketInfo,
  type ByteRange,
  type CompleteRequest,
  type CopyRequest,
  type DeleteConditions,
  type ETagCondition,
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
  type ReadConditions,
  ReadRefused,
  type ReadRequest,
  type Tag,
  type UploadInfo,
  type UploadRef,
  type WriteConditions,
} from '../../../core/model/objects/types.ts';
import {
  combineChecksums,
  compositeChecksum,
  multipartEtag,
  startChecksum,
} from '../../../protocols/s3/checksums.ts';

interface StoredPart {
  readonly info: PartInfo;
  readonly bytes: Buffer;
}

interface Stored {
  info: ObjectInfo;
  readonly bytes: Buffer;
  readonly parts: readonly PartInfo[];
}

interface Upload {
  readonly info: UploadInfo;
  readonly attributes: Pick<ObjectInfo, 'headers' | 'userMetadata' | 'tags' | 'storageClass'>;
  readonly parts: Map<number, StoredPart>;
  completed?: { etag: string; checksum?: ObjectChecksum; sizeBytes: number };
}

interface Bucket {
  readonly info: BucketInfo;
  tags: readonly Tag[];
  readonly objects: Map<string, Stored>;
  readonly uploads: Map<string, Upload>;
}

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');
const bytesOf = (name: string): Buffer => Buffer.from(name, 'latin1');
const fail = (name: ConstructorParameters<typeof CoreError>[0]): never => {
  throw new CoreError(name, name);
};

export class MemoryObjects implements ObjectStore {
  private readonly buckets = new Map<string, Bucket>();

  private bucket(who: Principal, name: string): Bucket {
    const bucket = this.buckets.get(name) ?? fail('BUCKET_NOT_FOUND');
    if (bucket.info.owner.id !== who.id && !who.root) fail('ACCESS_DENIED');
    return bucket;
  }

  private stored(
    who: Principal,
    ref: { bucket: string; key: Uint8Array; versionId?: string },
  ): Stored {
    const stored =
      this.bucket(who, ref.bucket).objects.get(nameOf(ref.key)) ?? fail('KEY_NOT_FOUND');
    if (ref.versionId !== undefined && ref.versionId !== 'null') fail('VERSION_NOT_FOUND');
    return stored;
  }

  // --- buckets

  async listBuckets(who: Principal, request: { prefix?: string; after?: string; limit: number }) {
    const all = [...this.buckets.values()]
      .map(({ info }) => info)
      .filter(({ owner, name }) => owner.id === who.id && name.startsWith(request.prefix ?? ''))
      .filter(({ name }) => name > (request.after ?? ''))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const buckets = all.slice(0, request.limit);
    const last = buckets.at(-1);
    return last !== undefined && all.length > buckets.length
      ? { buckets, next: last.name }
      : { buckets };
  }

  async createBucket(who: Principal, { bucket, region }: { bucket: string; region: string }) {
    const known = this.buckets.get(bucket);
    if (known !== undefined)
      fail(known.info.owner.id === who.id ? 'BUCKET_OWNED_BY_YOU' : 'BUCKET_EXISTS');
    const owner = { id: who.id, displayName: who.displayName };
    const info = { name: bucket, owner, createdMs: Date.now(), region };
    this.buckets.set(bucket, { info, tags: [], objects: new Map(), uploads: new Map() });
    return info;
  }

  async headBucket(who: Principal, bucket: string) {
    return this.bucket(who, bucket).info;
  }

  async deleteBucket(who: Principal, bucket: string) {
    if (this.bucket(who, bucket).objects.size > 0) fail('BUCKET_NOT_EMPTY');
    this.buckets.delete(bucket);
  }

  async getBucketTags(who: Principal, bucket: string) {
    const { tags } = this.bucket(who, bucket);
    return tags.length === 0 ? fail('NO_TAGS') : [...tags];
  }

  async putBucketTags(who: Principal, bucket: string, tags: readonly Tag[]) {
    this.bucket(who, bucket).tags = tags;
  }

  /** This store has no versions. */
  async getBucketVersioning(): Promise<undefined> {
    return undefined;
  }

  async putBucketVersioning(): Promise<void> {
    fail('NOT_IMPLEMENTED');
  }

  // --- objects

  private commit(
    who: Principal,
    place: { bucket: string; key: Uint8Array },
    conditions: WriteConditions,
    stored: Omit<Stored, 'info'> & { info: Partial<ObjectInfo> & { etag: string } },
  ): Stored {
    const bucket = this.bucket(who, place.bucket);
    const name = nameOf(place.key);
    checkWrite(conditions, bucket.objects.get(name)?.info);
    const attributes = { headers: {}, userMetadata: [], tags: [], storageClass: 'STANDARD' };
    const info: ObjectInfo = {
      ...attributes,
      partCount: stored.parts.length,
      ...stored.info,
      key: place.key,
      versionId: 'null',
      sizeBytes: stored.bytes.length,
      lastModifiedMs: Date.now(),
      owner: { id: who.id, displayName: who.displayName },
    };
    const whole = { ...stored, info };
    bucket.objects.set(name, whole);
    return whole;
  }

  async put(who: Principal, request: Parameters<ObjectStore['put']>[1], body: ObjectBody) {
    const bytes = await collect(body);
    const { etag, checksum } = body.digests();
    const about = { ...request.attributes, etag, ...(checksum === undefined ? {} : { checksum }) };
    this.commit(who, request, request.conditions, { bytes, parts: [], info: about });
    const result = { etag, versionId: 'null', sizeBytes: bytes.length };
    return checksum === undefined ? result : { ...result, checksum };
  }

  async head(who: Principal, request: ReadRequest): Promise<ObjectHead> {
    const { info, parts } = this.stored(who, request);
    checkRead(request.conditions, info);
    if (request.partNumber !== undefined) return partHead(info, parts, request.partNumber);
    if (request.range === undefined)
      return { info, firstByte: 0, lengthBytes: info.sizeBytes, partial: false };
    return { info, ...resolveRange(request.range, info), partial: true };
  }

  async get(who: Principal, request: ReadRequest): Promise<ObjectContent> {
    const head = await this.head(who, request);
    const { bytes } = this.stored(who, request);
    const { firstByte, lengthBytes } = head;
    const cut = bytes.subarray(firstByte, firstByte + lengthBytes);
    return { ...head, chunks: pieces(cut), cancel: () => undefined };
  }

  async delete(
    who: Principal,
    request: { bucket: string; key: Uint8Array; conditions: DeleteConditions },
  ) {
    const { objects } = this.bucket(who, request.bucket);
    const current = objects.get(nameOf(request.key));
    const { ifMatch, sizeBytes } = request.conditions;
    if (current !== undefined && ifMatch !== undefined && !holds(ifMatch, current.info.etag))
      fail('CONDITION_FAILED');
    if (current !== undefined && sizeBytes !== undefined && sizeBytes !== current.info.sizeBytes)
      fail('CONDITION_FAILED');
    objects.delete(nameOf(request.key));
    return { deleteMarker: false };
  }

  async deleteMany(
    who: Principal,
    bucket: string,
    items: Parameters<ObjectStore['deleteMany']>[2],
  ) {
    this.bucket(who, bucket);
    const results = items.map(({ key, ...conditions }) =>
      this.delete(who, { bucket, key, conditions }).catch((error: unknown) => error as Error),
    );
    return Promise.all(results);
  }

  async copy(who: Principal, request: CopyRequest) {
    const source = this.stored(who, request.source);
    checkRead(request.sourceConditions, source.info);
    const info = {
      ...source.info,
      ...request.headers,
      ...(request.tags === undefined ? {} : { tags: request.tags }),
      ...(request.storageClass === undefined ? {} : { storageClass: request.storageClass }),
    };
    const { etag, lastModifiedMs, checksum } = this.commit(who, request, request.conditions, {
      bytes: source.bytes,
      parts: source.parts,
      info,
    }).info;
    const result = { etag, lastModifiedMs, versionId: 'null', sourceVersionId: 'null' };
    return checksum === undefined ? result : { ...result, checksum };
  }

  async list(who: Principal, request: ListRequest): Promise<ListPage<ListedObject>> {
    const { objects } = this.bucket(who, request.bucket);
    const page = group([...objects.keys()], request);
    return { ...page, objects: page.names.map((name) => listed(objects.get(name) as Stored)) };
  }

  async listVersions(who: Principal, request: ListRequest) {
    const page = await this.list(who, request);
    return {
      ...page,
      objects: page.objects.map((object) => ({
        ...object,
        versionId: 'null',
        isLatest: true,
        deleteMarker: false,
      })),
    };
  }

  async getTags(who: Principal, request: { bucket: string; key: Uint8Array; versionId?: string }) {
    return [...this.stored(who, request).info.tags];
  }

  async putTags(who: Principal, request: Parameters<ObjectStore['putTags']>[1]) {
    const stored = this.stored(who, request);
    stored.info = { ...stored.info, tags: request.tags };
  }

  async objectParts(who: Principal, request: Parameters<ObjectStore['objectParts']>[1]) {
    const { info, parts } = this.stored(who, request);
    const rest = parts.filter(({ partNumber }) => partNumber > request.after);
    return { info, parts: rest.slice(0, request.limit), truncated: rest.length > request.limit };
  }

  // --- multipart uploads

  private upload(who: Principal, ref: UploadRef): Upload {
    const upload = this.bucket(who, ref.bucket).uploads.get(ref.uploadId);
    if (upload === undefined || compareBytes(upload.info.key, ref.key) !== 0)
      return fail('UPLOAD_NOT_FOUND');
    return upload;
  }

  private open(who: Principal, ref: UploadRef): Upload {
    const upload = this.upload(who, ref);
    return upload.completed === undefined ? upload : fail('UPLOAD_NOT_FOUND');
  }

  async createUpload(who: Principal, request: Parameters<ObjectStore['createUpload']>[1]) {
    const { uploads } = this.bucket(who, request.bucket);
    const uploadId = randomBytes(8).toString('hex');
    const { attributes, key, bucket: _, ...checksum } = request;
    const owner = { id: who.id, displayName: who.displayName };
    const { storageClass } = attributes;
    const info = { key, uploadId, initiatedMs: Date.now(), storageClass, owner, ...checksum };
    uploads.set(uploadId, { info, attributes, parts: new Map() });
    return { uploadId };
  }

  async uploadInfo(who: Principal, upload: UploadRef) {
    return this.open(who, upload).info;
  }

  async putPart(who: Principal, ref: UploadRef & { partNumber: number }, body: ObjectBody) {
    const bytes = await collect(body);
    return this.keepPart(this.open(who, ref), ref.partNumber, bytes, body.digests());
  }

  private keepPart(
    upload: Upload,
    partNumber: number,
    bytes: Buffer,
    digests: { etag: string; checksum?: ObjectChecksum },
  ): PartInfo {
    const info = { partNumber, sizeBytes: bytes.length, lastModifiedMs: Date.now(), ...digests };
    upload.parts.set(partNumber, { info, bytes });
    return info;
  }

  async copyPart(
    who: Principal,
    ref: UploadRef & { partNumber: number },
    request: Parameters<ObjectStore['copyPart']>[2],
  ) {
    const upload = this.open(who, ref);
    const source = this.stored(who, request.source);
    checkRead(request.sourceConditions, source.info);
    const { range } = request;
    if (range?.kind === 'from' && (range.last ?? 0) >= source.bytes.length)
      fail('RANGE_NOT_SATISFIABLE');
    const cut = range === undefined ? undefined : resolveRange(range, source.info);
    const bytes =
      cut === undefined
        ? source.bytes
        : source.bytes.subarray(cut.firstByte, cut.firstByte + cut.lengthBytes);
    const etag = createHash('md5').update(bytes).digest('hex');
    const algorithm = upload.info.checksumAlgorithm;
    const digests =
      algorithm === undefined ? { etag } : { etag, checksum: checksumOf(algorithm, bytes) };
    return { ...this.keepPart(upload, ref.partNumber, bytes, digests), sourceVersionId: 'null' };
  }

  async listParts(who: Principal, ref: UploadRef, request: { after: number; limit: number }) {
    const upload = this.open(who, ref);
    const rest = [...upload.parts.values()]
      .map(({ info }) => info)
      .filter(({ partNumber }) => partNumber > request.after)
      .toSorted((a, b) => a.partNumber - b.partNumber);
    const parts = rest.slice(0, request.limit);
    return { upload: upload.info, parts, truncated: rest.length > parts.length };
  }

  async listUploads(who: Principal, request: ListRequest & { afterUploadId?: string }) {
    const uploads = [...this.bucket(who, request.bucket).uploads.values()]
      .filter(({ completed }) => completed === undefined)
      .map(({ info }) => info)
      .filter(({ key }) => nameOf(key).startsWith(nameOf(request.prefix)))
      .toSorted((a, b) => compareBytes(a.key, b.key) || (a.uploadId < b.uploadId ? -1 : 1));
    const rest = uploads.filter(({ key, uploadId }) => {
      const order = request.after === undefined ? 1 : compareBytes(key, request.after);
      return (
        order > 0 ||
        (order === 0 && request.afterUploadId !== undefined && uploadId > request.afterUploadId)
      );
    });
    const page = rest.slice(0, request.limit);
    const last = page.at(-1);
    return {
      uploads: page,
      commonPrefixes: [],
      ...(last !== undefined && rest.length > page.length
        ? { next: { key: last.key, uploadId: last.uploadId } }
        : {}),
    };
  }

  async completeUpload(who: Principal, request: CompleteRequest) {
    const upload = this.upload(who, request);
    if (upload.completed !== undefined) return { versionId: 'null', ...upload.completed };
    const chosen = request.parts.map(({ partNumber, etag, checksum }) => {
      const part = upload.parts.get(partNumber) ?? fail('PART_INVALID');
      if (part.info.etag !== etag) fail('PART_INVALID');
      if (checksum !== undefined && checksum.value !== part.info.checksum?.value)
        fail('PART_INVALID');
      return part;
    });
    checkParts(request, chosen);
    const etag = multipartEtag(chosen.map(({ info }) => info.etag));
    const checksum = uploadChecksum(upload.info, chosen);
    const stated = request.checksum;
    if (stated !== undefined && stated.value !== checksum?.value) fail('DIGEST_MISMATCH');
    if (request.checksumType !== undefined && request.checksumType !== checksum?.type)
      fail('DIGEST_MISMATCH');
    const { key, bucket, conditions } = request;
    const about = { ...upload.attributes, etag, ...(checksum === undefined ? {} : { checksum }) };
    const parts = chosen.map(({ info }) => info);
    const bytes = Buffer.concat(chosen.map((part) => part.bytes));
    this.commit(who, { key, bucket }, conditions, { bytes, parts, info: about });
    upload.completed = {
      etag,
      sizeBytes: bytes.length,
      ...(checksum === undefined ? {} : { checksum }),
    };
    return { versionId: 'null', ...upload.completed };
  }

  async abortUpload(who: Principal, ref: UploadRef) {
    this.open(who, ref);
    this.bucket(who, ref.bucket).uploads.delete(ref.uploadId);
  }
}

async function collect(body: ObjectBody): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of body.chunks) parts.push(piece);
  return Buffer.concat(parts);
}

async function* pieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += limits.objectChunkBytes)
    yield bytes.subarray(at, at + limits.objectChunkBytes);
}

const holds = (condition: ETagCondition, etag: string): boolean =>
  condition === '*' || condition.includes(etag);

function checkWrite(
  { ifMatch, ifNoneMatch }: WriteConditions,
  current: ObjectInfo | undefined,
): void {
  if (ifMatch !== undefined && current === undefined) fail('KEY_NOT_FOUND');
  if (current === undefined) return;
  if (ifMatch !== undefined && !holds(ifMatch, current.etag)) fail('CONDITION_FAILED');
  if (ifNoneMatch !== undefined && holds(ifNoneMatch, current.etag)) fail('CONDITION_FAILED');
}

function checkRead(conditions: ReadConditions, info: ObjectInfo): void {
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  const seconds = Math.floor(info.lastModifiedMs / 1000) * 1000;
  if (ifMatch !== undefined) {
    if (!holds(ifMatch, info.etag)) throw new ReadRefused('CONDITION_FAILED', info);
  } else if (ifUnmodifiedSinceMs !== undefined && seconds > ifUnmodifiedSinceMs)
    throw new ReadRefused('CONDITION_FAILED', info);
  if (ifNoneMatch !== undefined) {
    if (holds(ifNoneMatch, info.etag)) throw new ReadRefused('NOT_MODIFIED', info);
  } else if (ifModifiedSinceMs !== undefined && seconds <= ifModifiedSinceMs)
    throw new ReadRefused('NOT_MODIFIED', info);
}

function resolveRange(
  range: ByteRange,
  info: ObjectInfo,
): { firstByte: number; lengthBytes: number } {
  const size = info.sizeBytes;
  const firstByte = range.kind === 'from' ? range.first : Math.max(0, size - range.bytes);
  const last = range.kind === 'from' ? Math.min(range.last ?? size - 1, size - 1) : size - 1;
  if (firstByte >= size || (range.kind === 'suffix' && range.bytes === 0))
    throw new ReadRefused('RANGE_NOT_SATISFIABLE', info);
  return { firstByte, lengthBytes: last - firstByte + 1 };
}

function partHead(info: ObjectInfo, parts: readonly PartInfo[], partNumber: number): ObjectHead {
  if (parts.length === 0) {
    if (partNumber !== 1) fail('PART_NUMBER_INVALID');
    return { info, firstByte: 0, lengthBytes: info.sizeBytes, partial: true };
  }
  const at = parts.findIndex((part) => part.partNumber === partNumber);
  const part = parts[at] ?? fail('PART_NUMBER_INVALID');
  const firstByte = parts.slice(0, at).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const head = { info, firstByte, lengthBytes: part.sizeBytes, partial: true };
  return part.checksum === undefined ? head : { ...head, partChecksum: part.checksum };
}

function listed({ info }: Stored): ListedObject {
  const { key, sizeBytes, etag, lastModifiedMs, storageClass, owner, checksum } = info;
  const shown = { key, sizeBytes, etag, lastModifiedMs, storageClass, owner };
  if (checksum === undefined) return shown;
  return { ...shown, checksumAlgorithm: checksum.algorithm, checksumType: checksum.type };
}

/** Names (latin1 of bytes, so that string order is byte order) of one page, grouped by the delimiter. */
function group(all: string[], request: ListRequest) {
  const prefix = nameOf(request.prefix);
  const delimiter = nameOf(request.delimiter);
  const after = request.after === undefined ? '' : nameOf(request.after);
  const items: { name: string; common: boolean }[] = [];
  for (const name of all
    .filter((key) => key.startsWith(prefix))
    .toSorted((a, b) => (a < b ? -1 : 1))) {
    const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
    const item = cut < 0 ? name : name.slice(0, cut + delimiter.length);
    if (item > after && items.at(-1)?.name !== item) items.push({ name: item, common: cut >= 0 });
  }
  const page = items.slice(0, request.limit);
  const last = page.at(-1);
  return {
    names: page.filter(({ common }) => !common).map(({ name }) => name),
    commonPrefixes: page.filter(({ common }) => common).map(({ name }) => bytesOf(name)),
    ...(last !== undefined && items.length > page.length ? { next: bytesOf(last.name) } : {}),
  };
}

function checkParts(request: CompleteRequest, chosen: readonly StoredPart[]): void {
  request.parts.forEach((part, at) => {
    if (at > 0 && part.partNumber <= (request.parts[at - 1]?.partNumber ?? 0))
      fail('PART_ORDER_INVALID');
  });
  for (const { info } of chosen.slice(0, -1))
    if (info.sizeBytes < limits.partBytesMin) fail('PART_TOO_SMALL');
  const size = chosen.reduce((sum, { info }) => sum + info.sizeBytes, 0);
  if (request.sizeBytes !== undefined && request.sizeBytes !== size) fail('UPLOAD_SIZE_MISMATCH');
}

function checksumOf(algorithm: ObjectChecksum['algorithm'], bytes: Uint8Array): ObjectChecksum {
  const hasher = startChecksum(algorithm);
  hasher.update(bytes);
  return { algorithm, type: 'FULL_OBJECT', value: hasher.digest().toString('base64') };
}

function uploadChecksum(
  info: UploadInfo,
  chosen: readonly StoredPart[],
): ObjectChecksum | undefined {
  const { checksumAlgorithm: algorithm, checksumType: type } = info;
  if (algorithm === undefined || type === undefined) return undefined;
  const parts = chosen.map((part) => ({
    value: part.info.checksum?.value ?? '',
    sizeBytes: part.info.sizeBytes,
  }));
  const value =
    type === 'COMPOSITE'
      ? compositeChecksum(
          algorithm,
          parts.map((part) => part.value),
        )
      : combineChecksums(algorithm, parts);
  return value === undefined ? undefined : { algorithm, type, value };
}
