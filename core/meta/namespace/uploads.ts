// Multipart uploads: creating, showing, listing and aborting them. Their rows are ordered by key and then by
// upload id, which begins with the time. Parts: parts.ts; Complete: complete.ts.

import { Buffer } from 'node:buffer';
import { asBuffer } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { ContentId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import { mark } from '../../base/mark.ts';
import type * as calls from '../calls.ts';
import {
  decodeUploadKey,
  existenceKey,
  garbageKey,
  sessionWorkKey,
  uploadKey,
  uploadsRange,
} from '../keys.ts';
import type { UploadName } from '../keys.ts';
import type { UploadInfo, UploadRef, UploadsPage } from '../messages.ts';
import type { MetaReader, MetaTransaction } from '../meta-store.ts';
import { GarbageRow, UploadRow, decodeRow, encodeRow, uploadPhase } from '../rows.ts';
import { beginWrite, readBucket } from './context.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { startsWith } from './key-scan.ts';
import { endOfGroup, groupOf, startOf } from './list.ts';
import type { Grouping } from './list.ts';
import { checkKey, sortTags } from './objects.ts';
import { wallMs } from './path.ts';

export function uploadNotFound(): CoreError {
  return new CoreError(
    'UPLOAD_NOT_FOUND',
    'no such upload: it was completed, aborted or never made',
  );
}

/** @throws UPLOAD_NOT_FOUND for an id that is none */
export function nameOfUpload(bucket: Bucket, ref: UploadRef): UploadName {
  checkKey(ref.key);
  if (!/^[0-9a-f]{32}$/.test(ref.uploadId)) throw uploadNotFound();
  return { bucket: bucket.inode, key: ref.key, uploadId: ref.uploadId };
}

/** The row of an open or completing upload. @throws UPLOAD_NOT_FOUND */
export async function readUpload(reader: MetaReader, name: UploadName): Promise<UploadRow> {
  const row = await reader.get(uploadKey('open', name));
  if (row === undefined) throw uploadNotFound();
  return decodeRow(UploadRow, row);
}

/** @throws UPLOAD_NOT_FOUND also while the upload is being completed */
export async function readOpenUpload(reader: MetaReader, name: UploadName): Promise<UploadRow> {
  const upload = await readUpload(reader, name);
  if (upload.phase !== uploadPhase.open) throw uploadNotFound();
  return upload;
}

export function infoOfUpload(bucket: Bucket, name: UploadName, row: UploadRow): UploadInfo {
  return {
    key: name.key,
    uploadId: name.uploadId,
    initiatedMs: row.initiatedMs,
    storageClass: row.attributes.storageClass,
    owner: row.owner ?? bucket.owner,
    checksumAlgorithm: row.checksumAlgorithm,
    checksumType: row.checksumType,
  };
}

// --- create, show, abort ---------------------------------------------------------------------------------

/** S3: CRC64NVME covers the whole object only, SHA digests cannot be combined. @throws INVALID_ARGUMENT */
function checksumTypeOf(
  algorithm: string | undefined,
  type: string | undefined,
): string | undefined {
  if (algorithm === undefined) {
    if (type === undefined) return undefined;
    throw new CoreError('INVALID_ARGUMENT', 'a checksum type without an algorithm');
  }
  const chosen = type ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  const legal = algorithm === 'CRC64NVME' ? chosen === 'FULL_OBJECT' : true;
  if (legal && !(algorithm.startsWith('SHA') && chosen === 'FULL_OBJECT')) return chosen;
  throw new CoreError('INVALID_ARGUMENT', `${algorithm} has no checksum of type ${chosen}`);
}

export async function createUpload(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.createUpload)['request']>,
): Promise<{ uploadId: string }> {
  const { key, checksumAlgorithm } = request;
  checkKey(key);
  const checksumType = checksumTypeOf(checksumAlgorithm, request.checksumType);
  const initiatedMs = wallMs(context);
  const uploadId = newUploadId(context, initiatedMs);
  const row: UploadRow = {
    number: await context.numbers.take('upload'),
    phase: uploadPhase.open,
    initiatedMs,
    attributes: { ...request.attributes, tags: sortTags(request.attributes.tags) },
    checksumAlgorithm,
    checksumType,
  };
  await context.store.transact(async (transaction) => {
    const [bucket] = await beginWrite(transaction, request, [request.bucket]);
    const { inode } = bucket as Bucket;
    // Nothing is put into a bucket that is being deleted.
    if ((await transaction.get(existenceKey(inode))) === undefined) {
      throw new CoreError('CONFLICT', 'the bucket changed');
    }
    const name = { bucket: inode, key, uploadId };
    transaction.set(uploadKey('open', name), encodeRow(UploadRow, row));
  });
  return { uploadId };
}

/** Milliseconds and random bytes in hex: ordered by time, not to be guessed. */
function newUploadId(context: NamespaceContext, nowMs: number): string {
  const random = asBuffer(context.rng.bytes(10)).toString('hex');
  return nowMs.toString(16).padStart(12, '0') + random;
}

export async function uploadInfo(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.uploadInfo)['request']>,
): Promise<UploadInfo> {
  const bucket = await readBucket(context.store, request.who, request.upload.bucket);
  const name = nameOfUpload(bucket, request.upload);
  return infoOfUpload(bucket, name, await readUpload(context.store, name));
}

/** Name of an upload's turn. */
export function turnOfUpload(ref: UploadRef): string {
  return `upload/${ref.uploadId}`;
}

export function abortUpload(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.abortUpload)['request']>,
): Promise<void> {
  // A completion under way in this process ends first.
  return context.turns.run(turnOfUpload(request.upload), () =>
    context.store.transact(async (transaction) => {
      const [bucket] = await beginWrite(transaction, request, [request.upload.bucket]);
      const name = nameOfUpload(bucket as Bucket, request.upload);
      dropUpload(context, transaction, name, await readUpload(transaction, name));
    }),
  );
}

/** Ends an upload without an object: its parts, and what a completion wrote, become garbage. */
export function dropUpload(
  context: NamespaceContext,
  transaction: MetaTransaction,
  name: UploadName,
  upload: UploadRow,
): void {
  transaction.delete(uploadKey('open', name));
  queue(context, transaction, garbageKey({ kind: 'upload', upload: upload.number }));
  dropCompletion(context, transaction, upload);
}

/** What a completion that did not end has written so far becomes garbage. */
export function dropCompletion(
  context: NamespaceContext,
  transaction: MetaTransaction,
  upload: UploadRow,
): void {
  if (upload.content !== undefined) {
    mark('upload.completion-dropped');
    const content = id<ContentId>(upload.content);
    queue(context, transaction, garbageKey({ kind: 'content', content }));
  }
  if (upload.session !== undefined && upload.token !== undefined) {
    transaction.delete(sessionWorkKey(id(upload.session), upload.token));
  }
}

function queue(context: NamespaceContext, transaction: MetaTransaction, key: Uint8Array): void {
  transaction.set(key, encodeRow(GarbageRow, { queuedMs: wallMs(context) }));
}

// --- listUploads -------------------------------------------------------------------------------------------

type ListRequest = MessageOf<(typeof calls.listUploads)['request']>;

export async function listUploads(
  context: NamespaceContext,
  request: ListRequest,
): Promise<UploadsPage> {
  const bucket = await readBucket(context.store, request.who, request.bucket);
  const grouping = { prefix: asBuffer(request.prefix), delimiter: asBuffer(request.delimiter) };
  const page: UploadsPage = { uploads: [], commonPrefixes: [] };
  const limit = Math.min(request.limit, limits.listKeysMax);
  const start = firstRow(bucket, grouping, request);
  if (limit === 0 || start === undefined) return page;
  const items = await itemsFrom(context.store, bucket, grouping, start, limit + 1);
  for (const item of items.slice(0, limit)) {
    if (item.row === undefined) page.commonPrefixes.push(item.key);
    else page.uploads.push(infoOfUpload(bucket, item.name, decodeRow(UploadRow, item.row)));
  }
  const last = items[limit - 1];
  if (items.length > limit && last !== undefined) {
    page.nextKey = last.key;
    page.nextUploadId = last.row === undefined ? '' : last.name.uploadId;
  }
  return page;
}

/** The row key that a page begins at: behind the marker's upload, or behind every upload of the marker's key. */
function firstRow(bucket: Bucket, grouping: Grouping, request: ListRequest): Buffer | undefined {
  const { after, afterUploadId } = request;
  const start = startOf(grouping, after);
  if (start === undefined) return undefined;
  const grouped = after !== undefined && groupOf(grouping, asBuffer(after)) !== undefined;
  if (after === undefined || !afterUploadId || grouped) return rowAt(bucket, start);
  const name = { bucket: bucket.inode, key: after, uploadId: afterUploadId };
  return Buffer.concat([uploadKey('open', name), Buffer.of(0)]);
}

/** The first possible row of keys from `key` on. */
function rowAt(bucket: Bucket, key: Uint8Array): Buffer {
  return asBuffer(uploadsRange('open', bucket.inode, key).from);
}

interface UploadItem {
  readonly key: Buffer;
  readonly name: UploadName;
  /** Absent: a common prefix. */
  readonly row: Uint8Array | undefined;
}

async function itemsFrom(
  reader: MetaReader,
  bucket: Bucket,
  grouping: Grouping,
  start: Buffer,
  count: number,
): Promise<UploadItem[]> {
  const items: UploadItem[] = [];
  const { to } = uploadsRange('open', bucket.inode, grouping.prefix);
  let group: Buffer | undefined;
  for (let from: Uint8Array = start; ;) {
    const limit = count - items.length;
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const rows = await reader.range({ from, to, limit });
    for (const [rowKey, row] of rows) {
      const name = decodeUploadKey(rowKey);
      const key = asBuffer(name.key);
      if (group !== undefined && startsWith(key, group)) continue;
      group = groupOf(grouping, key);
      items.push(group === undefined ? { key, name, row } : { key: group, name, row: undefined });
    }
    const last = rows.at(-1);
    if (rows.length < limit || items.length === count || last === undefined) return items;
    const behind = group === undefined ? undefined : endOfGroup(group);
    if (group !== undefined && behind === undefined) return items;
    from = behind === undefined ? Buffer.concat([last[0], Buffer.of(0)]) : rowAt(bucket, behind);
  }
}
