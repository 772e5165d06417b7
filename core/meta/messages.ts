// Messages of the namespace calls (calls.ts). Shapes follow core/model/objects/types.ts, so that the object
// model maps them field by field. Wire rules: core/base/message.ts. A few are also parts of row values
// (rows.ts); those say so, and their tags are part of the row format (docs/internals/metadata.md).

import { bool, bytes, many, message, nested, optional, string, uint } from '../base/message.ts';
import type { MessageOf } from '../base/message.ts';

/** Who calls; checked against the bucket's owner inside the operation. */
export const Who = message('Who', { id: string(1), displayName: string(2), root: bool(3) });
export type Who = MessageOf<typeof Who>;

/** Row part. */
export const Owner = message('Owner', { id: string(1), displayName: string(2) });
export type Owner = MessageOf<typeof Owner>;

/** Row part: a tag, or a name and value of user metadata. */
export const Pair = message('Pair', { name: string(1), value: string(2) });
export type Pair = MessageOf<typeof Pair>;

/** Row part: stored and returned verbatim. */
export const ContentHeaders = message('ContentHeaders', {
  contentType: optional(string(1)),
  contentEncoding: optional(string(2)),
  contentLanguage: optional(string(3)),
  contentDisposition: optional(string(4)),
  cacheControl: optional(string(5)),
  expires: optional(string(6)),
  websiteRedirect: optional(string(7)),
});
export type ContentHeaders = MessageOf<typeof ContentHeaders>;

/** Row part. Tags are kept sorted by the UTF-8 bytes of their names. */
export const Attributes = message('Attributes', {
  headers: nested(1, ContentHeaders),
  userMetadata: many(nested(2, Pair)),
  tags: many(nested(3, Pair)),
  storageClass: string(4),
});
export type Attributes = MessageOf<typeof Attributes>;

/** Row part. `algorithm` and `type` as in S3: CRC32, CRC32C, CRC64NVME, SHA1, SHA256; FULL_OBJECT, COMPOSITE.
 *  `value` is base64, without the `-N` suffix of a composite one. */
export const Checksum = message('Checksum', {
  algorithm: string(1),
  type: string(2),
  value: string(3),
});
export type Checksum = MessageOf<typeof Checksum>;

/** `*` or a list of ETags without quotes. */
export const ETags = message('ETags', { any: bool(1), etags: many(string(2)) });
export type ETags = MessageOf<typeof ETags>;

export const WriteConditions = message('WriteConditions', {
  ifMatch: optional(nested(1, ETags)),
  ifNoneMatch: optional(nested(2, ETags)),
});
export type WriteConditions = MessageOf<typeof WriteConditions>;

export const ReadConditions = message('ReadConditions', {
  ifMatch: optional(nested(1, ETags)),
  ifNoneMatch: optional(nested(2, ETags)),
  ifModifiedSinceMs: optional(uint(3)),
  ifUnmodifiedSinceMs: optional(uint(4)),
});
export type ReadConditions = MessageOf<typeof ReadConditions>;

/** `first` with an optional inclusive `last`, or the last `suffix` bytes; exactly one of first and suffix. */
export const ByteRange = message('ByteRange', {
  first: optional(uint(1)),
  last: optional(uint(2)),
  suffix: optional(uint(3)),
});
export type ByteRange = MessageOf<typeof ByteRange>;

/** Row part. How a blob's chunks lie on chains (design 4.1). */
export const Layout = message('Layout', {
  table: uint(1),
  tableVersion: uint(2),
  chunkBytes: uint(3),
  stripe: uint(4),
  seed: uint(5),
});
export type Layout = MessageOf<typeof Layout>;

/** A blob that the caller has written, durable before it is named. Byte n is in chunk floor(n / chunkBytes). */
export const WrittenBlob = message('WrittenBlob', {
  blob: uint(1),
  length: uint(2),
  layout: nested(3, Layout),
});
export type WrittenBlob = MessageOf<typeof WrittenBlob>;

/** Row part. A run of content: `length` bytes of `blob` from `offset`, or the bytes themselves. */
export const Extent = message('Extent', {
  length: uint(1),
  blob: uint(2),
  offset: uint(3),
  /** Index into the `layouts` beside the extents. */
  layout: uint(4),
  inline: optional(bytes(5)),
});
export type Extent = MessageOf<typeof Extent>;

/** Extents in order, without gaps, with the layouts they name. */
export const ContentMap = message('ContentMap', {
  extents: many(nested(1, Extent)),
  layouts: many(nested(2, Layout)),
});
export type ContentMap = MessageOf<typeof ContentMap>;

export const ObjectInfo = message('ObjectInfo', {
  key: bytes(1),
  versionId: string(2),
  sizeBytes: uint(3),
  etag: string(4),
  lastModifiedMs: uint(5),
  checksum: optional(nested(6, Checksum)),
  partCount: uint(7),
  owner: nested(8, Owner),
  attributes: nested(9, Attributes),
});
export type ObjectInfo = MessageOf<typeof ObjectInfo>;

export const ObjectRef = message('ObjectRef', {
  bucket: string(1),
  key: bytes(2),
  versionId: optional(string(3)),
});
export type ObjectRef = MessageOf<typeof ObjectRef>;

export const BucketInfo = message('BucketInfo', {
  name: string(1),
  owner: nested(2, Owner),
  createdMs: uint(3),
  region: string(4),
});
export type BucketInfo = MessageOf<typeof BucketInfo>;

/** Fields 1 to 15 are those of an entry's Summary (rows.ts), which is copied into the answer as it is
 *  (listed-objects.ts). */
export const ListedObject = message('ListedObject', {
  sizeBytes: uint(1),
  lastModifiedMs: uint(2),
  etag: string(3),
  storageClass: string(4),
  /** Absent: the owner of the bucket, stated once in the page. */
  owner: optional(nested(5, Owner)),
  checksumAlgorithm: optional(string(6)),
  checksumType: optional(string(7)),
  /** Of no use to a caller. */
  content: uint(8),
  key: bytes(16),
  /** Listings of versions only. */
  versionId: optional(string(17)),
  isLatest: optional(bool(18)),
  deleteMarker: optional(bool(19)),
});
export type ListedObject = MessageOf<typeof ListedObject>;

/** Payload of the answers of listObjects and listVersions. */
export const ListPage = message('ListPage', {
  objects: many(nested(1, ListedObject)),
  commonPrefixes: many(bytes(2)),
  /** The last item of a truncated page. */
  next: optional(bytes(3)),
  nextVersionId: optional(string(4)),
  bucketOwner: nested(5, Owner),
});
export type ListPage = MessageOf<typeof ListPage>;

export const DeleteConditions = message('DeleteConditions', {
  ifMatch: optional(nested(1, ETags)),
  lastModifiedMs: optional(uint(2)),
  sizeBytes: optional(uint(3)),
});
export type DeleteConditions = MessageOf<typeof DeleteConditions>;

export const DeleteItem = message('DeleteItem', {
  key: bytes(1),
  versionId: optional(string(2)),
  conditions: nested(3, DeleteConditions),
});
export type DeleteItem = MessageOf<typeof DeleteItem>;

/** Payload of the request of deleteObjects. */
export const DeleteItems = message('DeleteItems', { items: many(nested(1, DeleteItem)) });
export type DeleteItems = MessageOf<typeof DeleteItems>;

export const DeleteResult = message('DeleteResult', {
  versionId: optional(string(1)),
  deleteMarker: bool(2),
  /** Code of core/base/errors.ts when the item failed. */
  errorCode: optional(uint(3)),
  errorDetail: optional(string(4)),
});
export type DeleteResult = MessageOf<typeof DeleteResult>;

export const UploadRef = message('UploadRef', {
  bucket: string(1),
  key: bytes(2),
  uploadId: string(3),
});
export type UploadRef = MessageOf<typeof UploadRef>;

export const UploadInfo = message('UploadInfo', {
  key: bytes(1),
  uploadId: string(2),
  initiatedMs: uint(3),
  storageClass: string(4),
  owner: nested(5, Owner),
  checksumAlgorithm: optional(string(6)),
  checksumType: optional(string(7)),
});
export type UploadInfo = MessageOf<typeof UploadInfo>;

export const PartInfo = message('PartInfo', {
  partNumber: uint(1),
  sizeBytes: uint(2),
  etag: string(3),
  lastModifiedMs: uint(4),
  checksum: optional(nested(5, Checksum)),
});
export type PartInfo = MessageOf<typeof PartInfo>;

/** Payload of the answer of listUploads. */
export const UploadsPage = message('UploadsPage', {
  uploads: many(nested(1, UploadInfo)),
  commonPrefixes: many(bytes(2)),
  nextKey: optional(bytes(3)),
  nextUploadId: optional(string(4)),
});
export type UploadsPage = MessageOf<typeof UploadsPage>;

export const CompletedPart = message('CompletedPart', {
  partNumber: uint(1),
  etag: string(2),
  checksumAlgorithm: optional(string(3)),
  checksumValue: optional(string(4)),
});
export type CompletedPart = MessageOf<typeof CompletedPart>;

/** Payload of the request of completeUpload. */
export const CompletedParts = message('CompletedParts', {
  parts: many(nested(1, CompletedPart)),
});
export type CompletedParts = MessageOf<typeof CompletedParts>;

export const Empty = message('Empty', {});
