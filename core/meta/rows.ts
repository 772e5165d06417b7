// Values of the metadata rows: one version byte, then a protobuf message; unknown fields of a row that is
// rewritten survive (`keepUnknown`). Field numbers are part of the format and never reused. Pure.
// Page: docs/internals/metadata.md.

import { Buffer } from 'node:buffer';
import { CoreError, isCoreError } from '../base/errors.ts';
import { bool, bytes, many, message, nested, optional, string, uint } from '../base/message.ts';
import type { Message, MessageOf } from '../base/message.ts';
import * as m from './messages.ts';

const rowVersion = 1;

export function encodeRow<T extends object>(row: Message<T>, value: T): Buffer {
  const body = row.encode(value);
  const encoded = Buffer.allocUnsafe(body.length + 1);
  encoded[0] = rowVersion;
  body.copy(encoded, 1);
  return encoded;
}

/** @throws CoreError VERSION_UNSUPPORTED for a row of a newer build, CORRUPT for malformed bytes */
export function decodeRow<T extends object>(row: Message<T>, value: Uint8Array): T {
  if (value[0] !== rowVersion) {
    if (value.length === 0) throw new CoreError('CORRUPT', `an empty ${row.name} row`);
    throw new CoreError('VERSION_UNSUPPORTED', `a ${row.name} row of version ${value[0]}`);
  }
  try {
    return row.decode(value.subarray(1));
  } catch (error) {
    if (!isCoreError(error, 'PROTOCOL')) throw error;
    throw new CoreError('CORRUPT', error.message, { cause: error });
  }
}

/** The value of rows whose key says everything: X and R. */
export const emptyRow = Buffer.of(rowVersion);

// --- D and V: entries ------------------------------------------------------------------------------

export const entryKind = { file: 1, directory: 2 } as const;

/** What a listing shows of a sealed inode; also `content`, so that an overwrite needs no inode read. */
export const Summary = message('Summary', {
  sizeBytes: uint(1),
  modifiedMs: uint(2),
  etag: string(3),
  /** Absent: STANDARD. */
  storageClass: optional(string(4)),
  /** Absent: the bucket's owner. */
  owner: optional(nested(5, m.Owner)),
  checksumAlgorithm: optional(string(6)),
  checksumType: optional(string(7)),
  /** 0: the content is inline or empty. */
  content: uint(8),
});
export type Summary = MessageOf<typeof Summary>;

export const BucketSummary = message('BucketSummary', {
  owner: nested(1, m.Owner),
  createdMs: uint(2),
  region: string(3),
});
export type BucketSummary = MessageOf<typeof BucketSummary>;

/** Versioning of a bucket. Once set it is never absent again (S3). */
export const bucketVersioning = { enabled: 1, suspended: 2 } as const;

export const EntryRow = message('Entry', {
  kind: uint(1),
  inode: uint(2),
  /** Absent while the inode is not sealed, or has several links. */
  summary: optional(nested(3, Summary)),
  /** Number of the version; counts up per key. 0 for directories. */
  version: uint(4),
  /** The one version of an unversioned bucket, `null` to clients. */
  nullVersion: bool(5),
  /** Entries of the root only. */
  bucket: optional(nested(6, BucketSummary)),
  /** V rows only; its inode is 0 and its summary carries the time. */
  deleteMarker: optional(bool(7)),
  /** Of the newest row of a key: number of the null version among the older ones. */
  nullVersionAt: optional(uint(8)),
  /** Of a bucket: one of `bucketVersioning`; absent: never enabled. */
  versioning: optional(uint(9)),
});
export type EntryRow = MessageOf<typeof EntryRow>;

// --- I: inodes ---------------------------------------------------------------------------------------

export const InodeRow = message('Inode', {
  kind: uint(1),
  /** The entry that carries the summary; of a directory its place, which is also the loop check. */
  parent: uint(2),
  name: bytes(3),
  links: uint(4),
  /** Content that changes no more in place. */
  sealed: bool(5),
  sizeBytes: uint(6),
  modifiedMs: uint(7),
  etag: string(8),
  version: uint(9),
  nullVersion: bool(10),
  /** The content, unless it is inline; 0 otherwise. */
  content: uint(11),
  inline: optional(bytes(12)),
  checksum: optional(nested(13, m.Checksum)),
  attributes: optional(nested(14, m.Attributes)),
  /** Absent: the bucket's owner. */
  owner: optional(nested(15, m.Owner)),
  /** Parts of a multipart object; 0 otherwise. */
  partCount: uint(16),
});
export type InodeRow = MessageOf<typeof InodeRow>;

// --- C: pages of a content, B: blobs -------------------------------------------------------------------

/** The first byte is in the key. */
export const ExtentPage = message('ExtentPage', { map: nested(1, m.ContentMap) });
export type ExtentPage = MessageOf<typeof ExtentPage>;

export const ContentPart = message('ContentPart', {
  partNumber: uint(1),
  firstByte: uint(2),
  sizeBytes: uint(3),
  etag: string(4),
  modifiedMs: uint(5),
  checksum: optional(nested(6, m.Checksum)),
});
export type ContentPart = MessageOf<typeof ContentPart>;

/** The first part number is in the key. */
export const PartPage = message('PartPage', { parts: many(nested(1, ContentPart)) });
export type PartPage = MessageOf<typeof PartPage>;

export const BlobRow = message('Blob', {
  length: uint(1),
  layout: nested(2, m.Layout),
  /** The session that wrote it. */
  session: uint(3),
});
export type BlobRow = MessageOf<typeof BlobRow>;

// --- U and P: uploads -------------------------------------------------------------------------------------

export const uploadPhase = { open: 1, completing: 2 } as const;

export const UploadRow = message('Upload', {
  /** Names the upload in P and R rows. */
  number: uint(1),
  phase: uint(2),
  initiatedMs: uint(3),
  attributes: nested(4, m.Attributes),
  checksumAlgorithm: optional(string(5)),
  checksumType: optional(string(6)),
  /** While completing: who, under which token, into which content. */
  session: optional(uint(7)),
  token: optional(bytes(8)),
  content: optional(uint(9)),
  owner: optional(nested(10, m.Owner)),
});
export type UploadRow = MessageOf<typeof UploadRow>;

/** A completed upload: what a replay of Complete answers. */
export const DoneUploadRow = message('DoneUpload', {
  number: uint(1),
  etag: string(2),
  versionId: string(3),
  checksum: optional(nested(4, m.Checksum)),
  sizeBytes: uint(5),
  partCount: uint(6),
  modifiedMs: uint(7),
  dueMs: uint(8),
});
export type DoneUploadRow = MessageOf<typeof DoneUploadRow>;

/** Content: `blob`, or `inline`, or a run of `content` from `contentFirst` (a copied part). */
export const PartRow = message('Part', {
  sizeBytes: uint(1),
  etag: string(2),
  modifiedMs: uint(3),
  checksum: optional(nested(4, m.Checksum)),
  blob: optional(nested(5, m.WrittenBlob)),
  inline: optional(bytes(6)),
  content: optional(uint(7)),
  contentFirst: optional(uint(8)),
});
export type PartRow = MessageOf<typeof PartRow>;

// --- S: sessions, N: counters, K: settings, L: buckets by owner, G: garbage -----------------------------

export const SessionRow = message('Session', { role: string(1), openedMs: uint(2) });
export type SessionRow = MessageOf<typeof SessionRow>;

export const SessionExpiryRow = message('SessionExpiry', { expiresMs: uint(1) });
export const SessionGrantRow = message('SessionGrant', { count: uint(1) });

/** A completion under way: what the end of the session takes back. */
export const SessionWorkRow = message('SessionWork', {
  /** Key of the U row. */
  upload: bytes(1),
});

export const CounterRow = message('Counter', { next: uint(1) });

export const TagsRow = message('Tags', { tags: many(nested(1, m.Pair)) });

export const OwnerBucketRow = message('OwnerBucket', {
  inode: uint(1),
  bucket: nested(2, BucketSummary),
});
export type OwnerBucketRow = MessageOf<typeof OwnerBucketRow>;

/** When an item was queued; the rest is in the key. */
export const GarbageRow = message('Garbage', { queuedMs: uint(1) });

/** Value of a `replay` item: which completed upload. */
export const ReplayRow = message('Replay', {
  bucket: uint(1),
  key: bytes(2),
  uploadId: string(3),
});
