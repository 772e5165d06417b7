// The object model as gateways see it: buckets of objects with S3's semantics (conditions, multipart,
// tags, listings in byte order), without S3's wire format. Keys are byte strings (UTF-8 from S3); the
// S3 key space is authoritative, docs/internals/namespace.md says how keys map to paths.
// Every operation that changes something ends in one transaction with its conditions evaluated inside.
// Failures are CoreErrors; the codes are named at each operation (all may also throw BUSY, UNAVAILABLE,
// DEADLINE_EXCEEDED, DISK_OFFLINE, ACCESS_DENIED, BUCKET_NOT_FOUND).

import { CoreError, errorTable } from '../../base/errors.ts';

/** Who calls. Buckets belong to who made them; others get ACCESS_DENIED; root may do everything. */
export interface Principal {
  /** Canonical, stable id (64 hex digits for S3's Owner). */
  readonly id: string;
  readonly displayName: string;
  readonly root: boolean;
}

export interface Owner {
  readonly id: string;
  readonly displayName: string;
}

export interface BucketInfo {
  readonly name: string;
  readonly owner: Owner;
  readonly createdMs: number;
  readonly region: string;
}

/** Versioning of a bucket; undefined where it was never enabled. */
export type BucketVersioning = 'Enabled' | 'Suspended';

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface ObjectChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Base64; a composite one without its `-N` suffix (gateways append it from the part count). */
  readonly value: string;
}

export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** Stored and returned verbatim; a name that was not sent is absent. */
export interface ContentHeaders {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly contentLanguage?: string;
  readonly contentDisposition?: string;
  readonly cacheControl?: string;
  readonly expires?: string;
  readonly websiteRedirect?: string;
}

/** What a writer says about the object beside its bytes. */
export interface ObjectAttributes {
  readonly headers: ContentHeaders;
  /** Lower-case names without `x-amz-meta-`, in the order sent. */
  readonly userMetadata: readonly (readonly [name: string, value: string])[];
  readonly tags: readonly Tag[];
  /** 'STANDARD' when absent; stored and shown, nothing else. */
  readonly storageClass: string;
}

export interface ObjectInfo extends ObjectAttributes {
  readonly key: Uint8Array;
  /** Opaque, in the order of time within a key; 'null' for what was written without versioning. */
  readonly versionId: string;
  readonly sizeBytes: number;
  /** Without quotes: MD5 in hex, md5-of-md5s with `-N`, or an opaque tag. */
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum?: ObjectChecksum;
  /** Number of parts of a multipart object; 0 otherwise. */
  readonly partCount: number;
  readonly owner: Owner;
}

export type ETagCondition = '*' | readonly string[];

/** Conditions of a write, evaluated in its transaction. A failed one is CONDITION_FAILED; If-Match on a
 *  missing key is KEY_NOT_FOUND; a concurrent winner is CONDITION_CONFLICT. */
export interface WriteConditions {
  readonly ifMatch?: ETagCondition;
  readonly ifNoneMatch?: ETagCondition;
}

/** Conditions of a read or of a copy source: RFC 9110 section 13.2.2 order of precedence.
 *  Failures: CONDITION_FAILED (412) or NOT_MODIFIED (304). */
export interface ReadConditions extends WriteConditions {
  readonly ifModifiedSinceMs?: number;
  readonly ifUnmodifiedSinceMs?: number;
}

/** How a read is refused when its conditions or its range do not hold: a CoreError of code NOT_MODIFIED,
 *  CONDITION_FAILED or RANGE_NOT_SATISFIABLE that also says what the object is, since the answer must name its
 *  ETag, time and size. Thrown by `get` and `head`. */
export class ReadRefused extends CoreError {
  readonly info: ObjectInfo;

  constructor(errorName: ReadRefusal, info: ObjectInfo) {
    super(errorName, errorTable[errorName].meaning);
    this.info = info;
  }
}

/** How a read is refused that meets a delete marker: KEY_NOT_FOUND when no version was named and the newest is one,
 *  DELETE_MARKER when the named one is. The answer names the marker. Thrown by `get` and `head`. */
export class DeleteMarkerFound extends CoreError {
  readonly versionId: string;
  readonly lastModifiedMs: number;

  constructor(named: boolean, marker: Pick<ObjectInfo, 'versionId' | 'lastModifiedMs'>) {
    const errorName = named ? 'DELETE_MARKER' : 'KEY_NOT_FOUND';
    super(errorName, errorTable[errorName].meaning);
    this.versionId = marker.versionId;
    this.lastModifiedMs = marker.lastModifiedMs;
  }
}

export type ReadRefusal = 'NOT_MODIFIED' | 'CONDITION_FAILED' | 'RANGE_NOT_SATISFIABLE';

/** Conditions of a delete (S3: If-Match, x-amz-if-match-last-modified-time, x-amz-if-match-size). */
export interface DeleteConditions {
  readonly ifMatch?: ETagCondition;
  readonly lastModifiedMs?: number;
  readonly sizeBytes?: number;
}

/** A body on its way in. The model pulls `chunks`; errors thrown by them end the write without a trace and
 *  reach the caller unchanged. */
export interface ObjectBody {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Content length when known before the first byte. */
  readonly sizeBytes?: number | undefined;
  /** Valid after the last chunk: what the receiver computed and verified. */
  digests(): { readonly etag: string; readonly checksum?: ObjectChecksum };
}

export interface PutRequest {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly attributes: ObjectAttributes;
  readonly conditions: WriteConditions;
}

export interface PutResult {
  readonly etag: string;
  readonly versionId: string;
  readonly checksum?: ObjectChecksum;
  readonly sizeBytes: number;
}

/** An inclusive byte range as asked for: from, from-to, or the last `suffix` bytes. */
export type ByteRange =
  | { readonly kind: 'from'; readonly first: number; readonly last?: number }
  | { readonly kind: 'suffix'; readonly bytes: number };

export interface ReadRequest {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly versionId?: string;
  readonly conditions: ReadConditions;
  readonly range?: ByteRange;
  /** 1-based part of a multipart object; excludes `range`. @throws PART_NUMBER_INVALID */
  readonly partNumber?: number;
}

export interface ObjectHead {
  readonly info: ObjectInfo;
  /** The part of the content that was asked for; the whole when neither range nor part was. */
  readonly firstByte: number;
  readonly lengthBytes: number;
  readonly partial: boolean;
  /** Checksum of the asked-for part of a multipart object, when stored. */
  readonly partChecksum?: ObjectChecksum;
}

export interface ObjectContent extends ObjectHead {
  /** Content in order, in pieces of at most one chunk; pull for backpressure. A piece is valid until the next one
   *  is pulled: its memory is used again. The iterator's `return` (a
   *  `break`, or `cancel`) stops reading and frees everything. @throws CORRUPT, UNAVAILABLE in the middle */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** All of it, when it came with the answer and its memory is nobody else's; `chunks` has the same bytes. */
  readonly whole?: Uint8Array | undefined;
  cancel(): void;
}

export interface ListRequest {
  readonly bucket: string;
  readonly prefix: Uint8Array;
  /** Empty: no grouping. */
  readonly delimiter: Uint8Array;
  /** Exclusive: entries and common prefixes strictly after it. */
  readonly after?: Uint8Array;
  /** 0 to limits.listKeysMax. */
  readonly limit: number;
}

/** What a listing shows of an object, from the entry alone. */
export interface ListedObject {
  readonly key: Uint8Array;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly storageClass: string;
  readonly owner: Owner;
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: ChecksumType;
}

export interface ListedVersion extends ListedObject {
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly deleteMarker: boolean;
}

/** Objects and common prefixes together are at most `limit`. `next` is the last item (key or common prefix)
 *  of a truncated page, to be given as `after`; absent when complete. A common prefix given as `after`
 *  skips everything below it. */
export interface ListPage<Item> {
  readonly objects: readonly Item[];
  readonly commonPrefixes: readonly Uint8Array[];
  readonly next?: Uint8Array;
}

/** In the order of keys, the versions of a key from the newest on. `nextVersionId` goes with `next`: both are to be
 *  given, as `after` and `afterVersionId`. It need not be the id of a version. */
export interface VersionsPage extends ListPage<ListedVersion> {
  readonly nextVersionId?: string;
}

export interface CopyRequest {
  readonly source: {
    readonly bucket: string;
    readonly key: Uint8Array;
    readonly versionId?: string;
  };
  readonly sourceConditions: ReadConditions;
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly conditions: WriteConditions;
  /** REPLACE: the destination's attributes; absent (COPY): the source's. */
  readonly headers?: Pick<ObjectAttributes, 'headers' | 'userMetadata'>;
  readonly tags?: readonly Tag[];
  readonly storageClass?: string;
  /** Asks for a checksum that the source may not carry: computed from the content when it differs. */
  readonly checksumAlgorithm?: ChecksumAlgorithm;
}

export interface CopyResult {
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly versionId: string;
  readonly checksum?: ObjectChecksum;
  readonly sourceVersionId: string;
}

export interface UploadInfo {
  readonly key: Uint8Array;
  readonly uploadId: string;
  readonly initiatedMs: number;
  readonly storageClass: string;
  readonly owner: Owner;
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: ChecksumType;
}

export interface UploadRef {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly uploadId: string;
}

export interface PartInfo {
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum?: ObjectChecksum;
}

export interface CompletedPart {
  readonly partNumber: number;
  readonly etag: string;
  /** Base64 checksum stated by the client, verified against the stored one. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string };
}

export interface CompleteRequest extends UploadRef {
  readonly parts: readonly CompletedPart[];
  readonly conditions: WriteConditions;
  /** x-amz-mp-object-size. @throws UPLOAD_SIZE_MISMATCH */
  readonly sizeBytes?: number;
  /** Stated type and whole-object checksum. @throws DIGEST_MISMATCH */
  readonly checksumType?: ChecksumType;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string };
}

export interface CreateUploadRequest {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly attributes: ObjectAttributes;
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: ChecksumType;
}

/** The version that was removed, or the delete marker that was put before the others. */
export interface DeleteResult {
  readonly versionId?: string;
  readonly deleteMarker: boolean;
}

export interface DeleteManyItem extends DeleteConditions {
  readonly key: Uint8Array;
  readonly versionId?: string;
}

export interface ObjectStore {
  // --- buckets
  listBuckets(
    who: Principal,
    request: { prefix?: string; after?: string; limit: number },
  ): Promise<{ buckets: BucketInfo[]; next?: string }>;
  /** @throws BUCKET_EXISTS, BUCKET_OWNED_BY_YOU, TOO_MANY_BUCKETS, INVALID_ARGUMENT */
  createBucket(who: Principal, request: { bucket: string; region: string }): Promise<BucketInfo>;
  headBucket(who: Principal, bucket: string): Promise<BucketInfo>;
  /** @throws BUCKET_NOT_EMPTY */
  deleteBucket(who: Principal, bucket: string): Promise<void>;
  /** @throws NO_TAGS */
  getBucketTags(who: Principal, bucket: string): Promise<Tag[]>;
  /** An empty set removes it. */
  putBucketTags(who: Principal, bucket: string, tags: readonly Tag[]): Promise<void>;
  getBucketVersioning(who: Principal, bucket: string): Promise<BucketVersioning | undefined>;
  putBucketVersioning(who: Principal, bucket: string, versioning: BucketVersioning): Promise<void>;

  // --- objects
  /** @throws CONDITION_FAILED, CONDITION_CONFLICT, KEY_NOT_FOUND, DISK_FULL, and what the body throws */
  put(who: Principal, request: PutRequest, body: ObjectBody): Promise<PutResult>;
  /** @throws KEY_NOT_FOUND, VERSION_NOT_FOUND, PART_NUMBER_INVALID, ReadRefused: CONDITION_FAILED, NOT_MODIFIED,
   *  RANGE_NOT_SATISFIABLE, and DeleteMarkerFound: KEY_NOT_FOUND, DELETE_MARKER */
  get(who: Principal, request: ReadRequest): Promise<ObjectContent>;
  head(who: Principal, request: ReadRequest): Promise<ObjectHead>;
  /** With `versionId` that version is removed for good. Without, the object is, or with versioning gets a delete
   *  marker as its newest version. Removing what does not exist succeeds. @throws CONDITION_FAILED */
  delete(
    who: Principal,
    request: { bucket: string; key: Uint8Array; versionId?: string; conditions: DeleteConditions },
  ): Promise<DeleteResult>;
  /** One result or error per item, in order; at most 1000 items. */
  deleteMany(
    who: Principal,
    bucket: string,
    items: readonly DeleteManyItem[],
  ): Promise<(DeleteResult | Error)[]>;
  /** Metadata only, whatever the size (computing an asked-for checksum reads the content).
   *  @throws KEY_NOT_FOUND, CONDITION_FAILED, CONDITION_CONFLICT */
  copy(who: Principal, request: CopyRequest): Promise<CopyResult>;
  list(who: Principal, request: ListRequest): Promise<ListPage<ListedObject>>;
  listVersions(
    who: Principal,
    request: ListRequest & { afterVersionId?: string },
  ): Promise<VersionsPage>;
  /** Empty when none are stored. */
  getTags(
    who: Principal,
    request: { bucket: string; key: Uint8Array; versionId?: string },
  ): Promise<Tag[]>;
  putTags(
    who: Principal,
    request: { bucket: string; key: Uint8Array; versionId?: string; tags: readonly Tag[] },
  ): Promise<void>;
  /** Parts of a multipart object for GetObjectAttributes, after part number `after`. */
  objectParts(
    who: Principal,
    request: { bucket: string; key: Uint8Array; versionId?: string; after: number; limit: number },
  ): Promise<{ info: ObjectInfo; parts: PartInfo[]; truncated: boolean }>;

  // --- multipart uploads (all throw UPLOAD_NOT_FOUND)
  createUpload(who: Principal, request: CreateUploadRequest): Promise<{ uploadId: string }>;
  /** What CreateMultipartUpload stored: needed before a part's body is read. */
  uploadInfo(who: Principal, upload: UploadRef): Promise<UploadInfo>;
  putPart(
    who: Principal,
    upload: UploadRef & { partNumber: number },
    body: ObjectBody,
  ): Promise<PartInfo>;
  /** A range must lie within the source. @throws RANGE_NOT_SATISFIABLE, and what `copy` throws */
  copyPart(
    who: Principal,
    upload: UploadRef & { partNumber: number },
    request: { source: CopyRequest['source']; sourceConditions: ReadConditions; range?: ByteRange },
  ): Promise<PartInfo & { sourceVersionId: string }>;
  listParts(
    who: Principal,
    upload: UploadRef,
    request: { after: number; limit: number },
  ): Promise<{ upload: UploadInfo; parts: PartInfo[]; truncated: boolean }>;
  listUploads(
    who: Principal,
    request: ListRequest & { afterUploadId?: string },
  ): Promise<{
    uploads: UploadInfo[];
    commonPrefixes: Uint8Array[];
    next?: { key: Uint8Array; uploadId: string };
  }>;
  /** Idempotent: a replay of a completed upload answers the same. @throws PART_INVALID, PART_ORDER_INVALID, PART_TOO_SMALL, UPLOAD_SIZE_MISMATCH, DIGEST_MISMATCH, CONDITION_FAILED, CONDITION_CONFLICT */
  completeUpload(who: Principal, request: CompleteRequest): Promise<PutResult>;
  abortUpload(who: Principal, upload: UploadRef): Promise<void>;
}
