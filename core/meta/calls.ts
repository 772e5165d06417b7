// The namespace's RPC calls, ids 300–399: one round trip per operation of core/model/objects. Declarations
// only; service.ts executes them. What a page or list of a thousand keys of 1,024 bytes would not fit into
// a control frame, so those travel as the payload, encoded with the message that the call's comment names.
// All calls may also fail with BUSY, UNAVAILABLE, DEADLINE_EXCEEDED, DISK_OFFLINE; those of a bucket with
// BUCKET_NOT_FOUND, then ACCESS_DENIED; writers with SESSION_ENDED. Page: docs/internals/namespace.md.

import { bool, bytes, many, message, nested, optional, string, uint } from '../base/message.ts';
import { defineCall } from '../rpc/call.ts';
import { StorePlaces } from '../store/place.ts';
import * as m from './messages.ts';

// --- sessions and read leases --------------------------------------------------------------------

/** A run of ids [first, first + count) that only this session may use. */
export const BlobRange = message('BlobRange', { first: uint(1), count: uint(2) });

/** Opens a writer session with a first range of blob ids. Renew well within `leaseMs`. */
export const openSession = defineCall({
  id: 300,
  name: 'openSession',
  capability: 'write',
  lane: 'write',
  request: message('OpenSessionRequest', {
    /** Name of the role, for people. */
    role: string(1),
    /** Number given by the manager; absent: the namespace gives one. */
    session: optional(uint(2)),
  }),
  response: message('OpenSessionResponse', {
    session: uint(1),
    leaseMs: uint(2),
    blobs: nested(3, BlobRange),
    /** Layout that new blobs of objects use. */
    layout: nested(4, m.Layout),
    /** Bodies up to this size go with putObject and putPart as payload; 0: always written as a blob first. */
    payloadBytesMax: uint(5),
  }),
});

/** @throws SESSION_ENDED */
export const renewSession = defineCall({
  id: 301,
  name: 'renewSession',
  capability: 'write',
  lane: 'write',
  request: message('RenewSessionRequest', { session: uint(1) }),
  response: message('RenewSessionResponse', { leaseMs: uint(1) }),
});

/** Orderly end: what the session wrote and nothing refers to becomes garbage. */
export const endSession = defineCall({
  id: 302,
  name: 'endSession',
  capability: 'write',
  lane: 'write',
  request: message('EndSessionRequest', { session: uint(1) }),
  response: m.Empty,
});

/** @throws SESSION_ENDED */
export const grantBlobs = defineCall({
  id: 303,
  name: 'grantBlobs',
  capability: 'write',
  lane: 'write',
  request: message('GrantBlobsRequest', { session: uint(1) }),
  response: message('GrantBlobsResponse', { blobs: nested(1, BlobRange) }),
});

/** Gives up blobs that no call named (a body that broke off). A refused put or part gives its blob up itself. */
export const discardBlobs = defineCall({
  id: 304,
  name: 'discardBlobs',
  capability: 'write',
  lane: 'write',
  request: message('DiscardBlobsRequest', { session: uint(1), blobs: many(uint(2)) }),
  response: m.Empty,
});

/** Heartbeat of a process that reads content (design 5). The first openObject of a reader registers it.
 *  `oldestEpoch`: the oldest epoch among its running reads, 0 when none runs.
 *  `lost`: content that reads of that epoch resolved may be freed: fail them. */
export const renewReadLease = defineCall({
  id: 305,
  name: 'renewReadLease',
  capability: 'read',
  lane: 'read',
  request: message('RenewReadLeaseRequest', { reader: string(1), oldestEpoch: uint(2) }),
  response: message('RenewReadLeaseResponse', { epoch: uint(1), leaseMs: uint(2), lost: bool(3) }),
});

export const endReadLease = defineCall({
  id: 306,
  name: 'endReadLease',
  capability: 'read',
  lane: 'read',
  request: message('EndReadLeaseRequest', { reader: string(1) }),
  response: m.Empty,
});

// --- buckets -------------------------------------------------------------------------------------

/** Buckets that `who` owns, in byte order after `after`; every bucket when `all` is set by root. */
export const listBuckets = defineCall({
  id: 310,
  name: 'listBuckets',
  capability: 'read',
  lane: 'read',
  request: message('ListBucketsRequest', {
    who: nested(1, m.Who),
    prefix: optional(string(2)),
    after: optional(string(3)),
    limit: uint(4),
    all: optional(bool(5)),
  }),
  response: message('ListBucketsResponse', {
    buckets: many(nested(1, m.BucketInfo)),
    next: optional(string(2)),
  }),
});

/** @throws BUCKET_EXISTS, BUCKET_OWNED_BY_YOU, TOO_MANY_BUCKETS, INVALID_ARGUMENT */
export const createBucket = defineCall({
  id: 311,
  name: 'createBucket',
  capability: 'write',
  lane: 'write',
  request: message('CreateBucketRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    bucket: string(3),
    region: string(4),
  }),
  response: m.BucketInfo,
});

export const headBucket = defineCall({
  id: 312,
  name: 'headBucket',
  capability: 'read',
  lane: 'read',
  request: message('HeadBucketRequest', { who: nested(1, m.Who), bucket: string(2) }),
  response: m.BucketInfo,
});

/** Open uploads do not keep a bucket: they end with it. @throws BUCKET_NOT_EMPTY */
export const deleteBucket = defineCall({
  id: 313,
  name: 'deleteBucket',
  capability: 'write',
  lane: 'write',
  request: message('DeleteBucketRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    bucket: string(3),
  }),
  response: m.Empty,
});

/** @throws NO_TAGS */
export const getBucketTags = defineCall({
  id: 314,
  name: 'getBucketTags',
  capability: 'read',
  lane: 'read',
  request: message('GetBucketTagsRequest', { who: nested(1, m.Who), bucket: string(2) }),
  response: message('GetBucketTagsResponse', { tags: many(nested(1, m.Pair)) }),
});

/** An empty set removes it. */
export const putBucketTags = defineCall({
  id: 315,
  name: 'putBucketTags',
  capability: 'write',
  lane: 'write',
  request: message('PutBucketTagsRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    bucket: string(3),
    tags: many(nested(4, m.Pair)),
  }),
  response: m.Empty,
});

/** `enabled` and `suspended`; both false: versioning was never enabled. */
export const getBucketVersioning = defineCall({
  id: 316,
  name: 'getBucketVersioning',
  capability: 'read',
  lane: 'read',
  request: message('GetBucketVersioningRequest', { who: nested(1, m.Who), bucket: string(2) }),
  response: message('GetBucketVersioningResponse', { enabled: bool(1), suspended: bool(2) }),
});

/** Enables versioning, or suspends it. Writes under way judge the new state. */
export const putBucketVersioning = defineCall({
  id: 317,
  name: 'putBucketVersioning',
  capability: 'write',
  lane: 'write',
  request: message('PutBucketVersioningRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    bucket: string(3),
    enabled: bool(4),
  }),
  response: m.Empty,
});

// --- objects -------------------------------------------------------------------------------------

/** Stores an object. Content: the payload (openSession's `payloadBytesMax` at most), or `blob` written before.
 *  A refusal removes or gives up the bytes; the caller never names that blob again.
 *  @throws KEY_NOT_FOUND (If-Match), CONDITION_FAILED, CONDITION_CONFLICT, INVALID_ARGUMENT, DISK_FULL */
export const putObject = defineCall({
  id: 320,
  name: 'putObject',
  capability: 'write',
  lane: 'write',
  request: message('PutObjectRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    bucket: string(3),
    key: bytes(4),
    attributes: nested(5, m.Attributes),
    conditions: nested(6, m.WriteConditions),
    etag: string(7),
    checksum: optional(nested(8, m.Checksum)),
    blob: optional(nested(9, m.WrittenBlob)),
  }),
  response: message('PutObjectResponse', { versionId: string(1), lastModifiedMs: uint(2) }),
});

/** HEAD and GET: resolves the key, evaluates the conditions, and says where the asked-for bytes are.
 *  With `content`, the payload holds exactly the asked-for bytes when they are inline or local and at most
 *  limits.openPayloadBytesMax (`inPayload`); else `map` covers them from `firstByte` on, `mapBytes` long:
 *  when that is less than `lengthBytes`, readMap gives the rest.
 *  @throws KEY_NOT_FOUND, VERSION_NOT_FOUND, PART_NUMBER_INVALID, CORRUPT */
export const openObject = defineCall({
  id: 321,
  name: 'openObject',
  capability: 'read',
  lane: 'read',
  payloadProtected: true,
  request: message('OpenObjectRequest', {
    who: nested(1, m.Who),
    object: nested(2, m.ObjectRef),
    conditions: nested(3, m.ReadConditions),
    range: optional(nested(4, m.ByteRange)),
    partNumber: optional(uint(5)),
    /** false: HEAD. */
    content: bool(6),
    /** The reading process: its lease keeps the content from collection. */
    reader: string(7),
    /** The reader can use `places`. */
    direct: bool(8),
  }),
  response: message('OpenObjectResponse', {
    /** 'ok'; 'not-modified', 'condition-failed' and 'range-not-satisfiable' carry `info` only, since their
     *  answers need it; 'delete-marker': the version that was asked for, or the newest, is one: `info` has its
     *  version and time. */
    outcome: string(1),
    info: nested(2, m.ObjectInfo),
    firstByte: uint(3),
    lengthBytes: uint(4),
    partial: bool(5),
    partChecksum: optional(nested(6, m.Checksum)),
    /** Epoch of collection at which this resolved; the reader's lease must not pass it while it reads. */
    epoch: uint(7),
    inPayload: bool(8),
    /** CRC32C of the payload, from the stored checksums; the caller compares. */
    payloadCrc32c: uint(9),
    map: nested(10, m.ContentMap),
    mapBytes: uint(11),
    /** For readMap; 0 when the content is inline or empty. */
    contentId: uint(12),
    /** Names this very state of the object: the guard of copyObject and copyPart. */
    inode: uint(13),
    /** Of the first extent's run: where its bytes can be read on the store's machine (docs/internals/direct-read.md). */
    places: optional(nested(14, StorePlaces)),
  }),
});

/** More of a content's map, clipped to [firstByte, firstByte + lengthBytes). @throws CORRUPT when it is gone */
export const readMap = defineCall({
  id: 322,
  name: 'readMap',
  capability: 'read',
  lane: 'read',
  request: message('ReadMapRequest', {
    contentId: uint(1),
    firstByte: uint(2),
    lengthBytes: uint(3),
  }),
  response: message('ReadMapResponse', { map: nested(1, m.ContentMap), mapBytes: uint(2) }),
});

/** With a version: removes it for good. Without: removes the object, or puts a delete marker before it when the
 *  bucket has versioning. `versionId`: the version that was removed, or that of the new marker; `deleteMarker`:
 *  it is a marker. Removing what does not exist succeeds. @throws CONDITION_FAILED */
export const deleteObject = defineCall({
  id: 323,
  name: 'deleteObject',
  capability: 'write',
  lane: 'write',
  request: message('DeleteObjectRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    object: nested(3, m.ObjectRef),
    conditions: nested(4, m.DeleteConditions),
  }),
  response: message('DeleteObjectResponse', {
    versionId: optional(string(1)),
    deleteMarker: bool(2),
  }),
});

/** Request payload: DeleteItems, at most limits.deleteItemsMax. One result per item, in order; each item is a
 *  transaction of its own. */
export const deleteObjects = defineCall({
  id: 324,
  name: 'deleteObjects',
  capability: 'write',
  lane: 'write',
  request: message('DeleteObjectsRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    bucket: string(3),
  }),
  response: message('DeleteObjectsResponse', { results: many(nested(1, m.DeleteResult)) }),
});

/** Metadata only, whatever the size. @throws KEY_NOT_FOUND, VERSION_NOT_FOUND, CONDITION_FAILED, CONDITION_CONFLICT */
export const copyObject = defineCall({
  id: 325,
  name: 'copyObject',
  capability: 'write',
  lane: 'write',
  request: message('CopyObjectRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    source: nested(3, m.ObjectRef),
    sourceConditions: nested(4, m.ReadConditions),
    bucket: string(5),
    key: bytes(6),
    conditions: nested(7, m.WriteConditions),
    /** `headers` and `userMetadata` replace the source's; absent: kept. */
    replaceMetadata: bool(8),
    headers: nested(9, m.ContentHeaders),
    userMetadata: many(nested(10, m.Pair)),
    replaceTags: bool(11),
    tags: many(nested(12, m.Pair)),
    storageClass: optional(string(13)),
    /** A checksum that the caller computed from the content of `sourceInode`; absent: the source's. */
    checksum: optional(nested(14, m.Checksum)),
    /** The source must still be this inode, else CONFLICT: open it again. */
    sourceInode: optional(uint(15)),
  }),
  response: message('CopyObjectResponse', {
    etag: string(1),
    lastModifiedMs: uint(2),
    versionId: string(3),
    checksum: optional(nested(4, m.Checksum)),
    sourceVersionId: string(5),
  }),
});

const listRequest = {
  who: nested(1, m.Who),
  bucket: string(2),
  prefix: bytes(3),
  /** Empty: no grouping. */
  delimiter: bytes(4),
  /** Exclusive; a common prefix skips everything below it. */
  after: optional(bytes(5)),
  /** 0 to limits.listKeysMax. */
  limit: uint(6),
};

/** Answer payload: ListPage. */
export const listObjects = defineCall({
  id: 326,
  name: 'listObjects',
  capability: 'read',
  lane: 'read',
  request: message('ListObjectsRequest', listRequest),
  response: m.Empty,
});

/** Answer payload: ListPage with version fields, the versions of a key from the newest on. With `afterVersionId`
 *  (`nextVersionId` of a page, or a version's id) the versions of the key `after` that follow it come first. */
export const listVersions = defineCall({
  id: 327,
  name: 'listVersions',
  capability: 'read',
  lane: 'read',
  request: message('ListVersionsRequest', { ...listRequest, afterVersionId: optional(string(7)) }),
  response: m.Empty,
});

/** Empty when none are stored. @throws KEY_NOT_FOUND, VERSION_NOT_FOUND */
export const getObjectTags = defineCall({
  id: 328,
  name: 'getObjectTags',
  capability: 'read',
  lane: 'read',
  request: message('GetObjectTagsRequest', {
    who: nested(1, m.Who),
    object: nested(2, m.ObjectRef),
  }),
  response: message('GetObjectTagsResponse', {
    tags: many(nested(1, m.Pair)),
    versionId: string(2),
  }),
});

/** @throws KEY_NOT_FOUND, VERSION_NOT_FOUND */
export const putObjectTags = defineCall({
  id: 329,
  name: 'putObjectTags',
  capability: 'write',
  lane: 'write',
  request: message('PutObjectTagsRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    object: nested(3, m.ObjectRef),
    tags: many(nested(4, m.Pair)),
  }),
  response: message('PutObjectTagsResponse', { versionId: string(1) }),
});

/** Parts of a multipart object after part number `after`. @throws KEY_NOT_FOUND, VERSION_NOT_FOUND */
export const objectParts = defineCall({
  id: 330,
  name: 'objectParts',
  capability: 'read',
  lane: 'read',
  request: message('ObjectPartsRequest', {
    who: nested(1, m.Who),
    object: nested(2, m.ObjectRef),
    after: uint(3),
    limit: uint(4),
  }),
  response: message('ObjectPartsResponse', {
    info: nested(1, m.ObjectInfo),
    parts: many(nested(2, m.PartInfo)),
    truncated: bool(3),
  }),
});

// --- multipart uploads ---------------------------------------------------------------------------

export const createUpload = defineCall({
  id: 340,
  name: 'createUpload',
  capability: 'write',
  lane: 'write',
  request: message('CreateUploadRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    bucket: string(3),
    key: bytes(4),
    attributes: nested(5, m.Attributes),
    checksumAlgorithm: optional(string(6)),
    checksumType: optional(string(7)),
  }),
  response: message('CreateUploadResponse', { uploadId: string(1) }),
});

/** @throws UPLOAD_NOT_FOUND */
export const uploadInfo = defineCall({
  id: 341,
  name: 'uploadInfo',
  capability: 'read',
  lane: 'read',
  request: message('UploadInfoRequest', { who: nested(1, m.Who), upload: nested(2, m.UploadRef) }),
  response: m.UploadInfo,
});

/** Stores a part, in place of an earlier one of its number. Content as in putObject. @throws UPLOAD_NOT_FOUND */
export const putPart = defineCall({
  id: 342,
  name: 'putPart',
  capability: 'write',
  lane: 'write',
  request: message('PutPartRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    upload: nested(3, m.UploadRef),
    partNumber: uint(4),
    etag: string(5),
    checksum: optional(nested(6, m.Checksum)),
    blob: optional(nested(7, m.WrittenBlob)),
  }),
  response: m.PartInfo,
});

/** A part that refers to content of an object, whatever its size. The part's ETag: `etag` when given (the MD5
 *  that the caller computed), else the source's when it is the MD5 of the same bytes, else an opaque one.
 *  @throws UPLOAD_NOT_FOUND, KEY_NOT_FOUND, VERSION_NOT_FOUND, CONDITION_FAILED, RANGE_NOT_SATISFIABLE */
export const copyPart = defineCall({
  id: 343,
  name: 'copyPart',
  capability: 'write',
  lane: 'write',
  request: message('CopyPartRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    upload: nested(3, m.UploadRef),
    partNumber: uint(4),
    source: nested(5, m.ObjectRef),
    sourceConditions: nested(6, m.ReadConditions),
    /** Both ends must lie inside the source. */
    range: optional(nested(7, m.ByteRange)),
    etag: optional(string(8)),
    checksum: optional(nested(9, m.Checksum)),
    /** The source must still be this inode, else CONFLICT: open it again. */
    sourceInode: optional(uint(10)),
  }),
  response: message('CopyPartResponse', {
    part: nested(1, m.PartInfo),
    sourceVersionId: string(2),
  }),
});

/** Parts after part number `after`. @throws UPLOAD_NOT_FOUND */
export const listParts = defineCall({
  id: 344,
  name: 'listParts',
  capability: 'read',
  lane: 'read',
  request: message('ListPartsRequest', {
    who: nested(1, m.Who),
    upload: nested(2, m.UploadRef),
    after: uint(3),
    limit: uint(4),
  }),
  response: message('ListPartsResponse', {
    upload: nested(1, m.UploadInfo),
    parts: many(nested(2, m.PartInfo)),
    truncated: bool(3),
  }),
});

/** Open uploads in order of key, then of upload id (time). Answer payload: UploadsPage. */
export const listUploads = defineCall({
  id: 345,
  name: 'listUploads',
  capability: 'read',
  lane: 'read',
  request: message('ListUploadsRequest', { ...listRequest, afterUploadId: optional(string(7)) }),
  response: m.Empty,
});

/** Request payload: CompletedParts. Idempotent: a replay within 24 h answers the same.
 *  @throws UPLOAD_NOT_FOUND, PART_INVALID, PART_ORDER_INVALID, PART_TOO_SMALL, UPLOAD_SIZE_MISMATCH,
 *  DIGEST_MISMATCH, KEY_NOT_FOUND (If-Match), CONDITION_FAILED, CONDITION_CONFLICT */
export const completeUpload = defineCall({
  id: 346,
  name: 'completeUpload',
  capability: 'write',
  lane: 'write',
  request: message('CompleteUploadRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    upload: nested(3, m.UploadRef),
    conditions: nested(4, m.WriteConditions),
    sizeBytes: optional(uint(5)),
    checksumType: optional(string(6)),
    checksumAlgorithm: optional(string(7)),
    /** Base64; a composite one with or without its `-N`. */
    checksumValue: optional(string(8)),
  }),
  response: message('CompleteUploadResponse', {
    etag: string(1),
    versionId: string(2),
    checksum: optional(nested(3, m.Checksum)),
    sizeBytes: uint(4),
    partCount: uint(5),
    lastModifiedMs: uint(6),
  }),
});

/** @throws UPLOAD_NOT_FOUND */
export const abortUpload = defineCall({
  id: 347,
  name: 'abortUpload',
  capability: 'write',
  lane: 'write',
  request: message('AbortUploadRequest', {
    who: nested(1, m.Who),
    session: uint(2),
    upload: nested(3, m.UploadRef),
  }),
  response: m.Empty,
});
