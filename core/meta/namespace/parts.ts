// Parts of uploads. A part's transaction reads the upload's row and needs it open; it refers to its blob, or to
// the content that it copies a run of, in the name of the upload (design 5).

import { Buffer } from 'node:buffer';
import { asBuffer } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { BlobId, ContentId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import { mark } from '../../base/mark.ts';
import type * as calls from '../calls.ts';
import {
  decodePartKey,
  garbageKey,
  partContentKey,
  partKey,
  partsRange,
  referenceKey,
} from '../keys.ts';
import type { ByteRange, Checksum, PartInfo } from '../messages.ts';
import type { MetaReader, MetaTransaction } from '../meta-store.ts';
import { GarbageRow, PartRow, decodeRow, emptyRow, encodeRow } from '../rows.ts';
import type { InodeRow, UploadRow } from '../rows.ts';
import { withBody } from './bodies.ts';
import type { Body } from './bodies.ts';
import { setBlob } from './content.ts';
import { beginWrite, readBucket } from './context.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { ofSameSource, readSource } from './copy.ts';
import { checkDigest } from './part-digests.ts';
import { versionIdOf } from './objects.ts';
import { wallMs } from './path.ts';
import { infoOfUpload, nameOfUpload, readOpenUpload, readUpload } from './uploads.ts';

/** @throws INVALID_ARGUMENT */
function checkPartNumber(partNumber: number): void {
  if (partNumber >= 1 && partNumber <= limits.partsMax) return;
  throw new CoreError(
    'INVALID_ARGUMENT',
    `part number ${partNumber}, 1 to ${limits.partsMax} allowed`,
  );
}

/** A part carries the upload's algorithm or none. @throws INVALID_ARGUMENT */
function checkChecksum(upload: UploadRow, checksum: Checksum | undefined): void {
  const { checksumAlgorithm } = upload;
  if (checksum === undefined) return;
  checkDigest(checksum);
  if (checksumAlgorithm === undefined || checksum.algorithm === checksumAlgorithm) return;
  throw new CoreError(
    'INVALID_ARGUMENT',
    `a part with ${checksum.algorithm} in an upload with ${checksumAlgorithm}`,
  );
}

function infoOfPart(partNumber: number, row: PartRow): PartInfo {
  return {
    partNumber,
    sizeBytes: row.sizeBytes,
    etag: row.etag,
    lastModifiedMs: row.modifiedMs,
    checksum: row.checksum,
  };
}

// --- putPart -------------------------------------------------------------------------------------------

type PutRequest = MessageOf<(typeof calls.putPart)['request']>;

export async function putPart(
  context: NamespaceContext,
  request: PutRequest,
  payload: Uint8Array,
): Promise<PartInfo> {
  checkPartNumber(request.partNumber);
  const { session, blob } = request;
  return withBody(
    context,
    { session, blob, payload },
    (body, options) => context.store.transact(body, options),
    (transaction, body) => put(context, transaction, request, body),
  );
}

async function put(
  context: NamespaceContext,
  transaction: MetaTransaction,
  request: PutRequest,
  body: Body,
): Promise<PartInfo> {
  const [bucket] = await beginWrite(transaction, request, [request.upload.bucket]);
  const upload = await readOpenUpload(transaction, nameOfUpload(bucket as Bucket, request.upload));
  checkChecksum(upload, request.checksum);
  const row: PartRow = {
    sizeBytes: body.sizeBytes,
    etag: request.etag,
    modifiedMs: wallMs(context),
    checksum: request.checksum,
    blob: body.blob,
    inline: body.inline,
  };
  if (body.blob !== undefined) {
    setBlob(transaction, body.blob, body.blobSession);
    const blob = id<BlobId>(body.blob.blob);
    const referrer = { kind: 'upload', upload: upload.number } as const;
    transaction.set(referenceKey({ kind: 'blob', blob }, referrer), emptyRow);
  }
  await setPart(context, transaction, upload, request.partNumber, row);
  return infoOfPart(request.partNumber, row);
}

/** Puts a part in place of an earlier one of its number, whose blob becomes garbage. A content that the earlier
 *  one ran over may serve other parts: its reference stays until the upload ends. */
async function setPart(
  context: NamespaceContext,
  transaction: MetaTransaction,
  upload: UploadRow,
  partNumber: number,
  row: PartRow,
): Promise<void> {
  const key = partKey(upload.number, partNumber);
  const old = await transaction.get(key);
  transaction.set(key, encodeRow(PartRow, row));
  const blob = old === undefined ? undefined : decodeRow(PartRow, old).blob;
  if (blob === undefined) return;
  mark('part.replaced');
  const item = garbageKey({
    kind: 'reference',
    referent: { kind: 'blob', blob: id<BlobId>(blob.blob) },
    referrer: { kind: 'upload', upload: upload.number },
  });
  transaction.set(item, encodeRow(GarbageRow, { queuedMs: wallMs(context) }));
}

// --- copyPart ------------------------------------------------------------------------------------------

type CopyRequest = MessageOf<(typeof calls.copyPart)['request']>;
type CopyResponse = MessageOf<(typeof calls.copyPart)['response']>;

export async function copyPart(
  context: NamespaceContext,
  request: CopyRequest,
): Promise<CopyResponse> {
  checkPartNumber(request.partNumber);
  return ofSameSource(context.store.transact((transaction) => copy(context, transaction, request)));
}

async function copy(
  context: NamespaceContext,
  transaction: MetaTransaction,
  request: CopyRequest,
): Promise<CopyResponse> {
  const { partNumber, source, upload: ref } = request;
  const [from, to] = await beginWrite(transaction, request, [source.bucket, ref.bucket]);
  const upload = await readOpenUpload(transaction, nameOfUpload(to as Bucket, ref));
  const { row: object } = await readSource(transaction, from as Bucket, request);
  const run = runOf(request.range, object.sizeBytes);
  const row = partOfRun(context, request, upload, object, run);
  checkChecksum(upload, row.checksum);
  if (row.content !== undefined) {
    const content = id<ContentId>(row.content);
    const referrer = { kind: 'upload', upload: upload.number } as const;
    transaction.set(referenceKey({ kind: 'content', content }, referrer), emptyRow);
    transaction.set(partContentKey(upload.number, content), emptyRow);
  }
  await setPart(context, transaction, upload, partNumber, row);
  return { part: infoOfPart(partNumber, row), sourceVersionId: versionIdOf(object) };
}

interface Run {
  readonly firstByte: number;
  readonly lengthBytes: number;
}

/** S3: both ends must lie inside the source. @throws RANGE_NOT_SATISFIABLE */
function runOf(range: ByteRange | undefined, sizeBytes: number): Run {
  if (range === undefined) return { firstByte: 0, lengthBytes: sizeBytes };
  const { first, last = sizeBytes - 1 } = range;
  if (first !== undefined && first <= last && last < sizeBytes) {
    return { firstByte: first, lengthBytes: last - first + 1 };
  }
  throw new CoreError(
    'RANGE_NOT_SATISFIABLE',
    `the range lies outside the source of ${sizeBytes} bytes`,
  );
}

function partOfRun(
  context: NamespaceContext,
  request: CopyRequest,
  upload: UploadRow,
  object: InodeRow,
  { firstByte, lengthBytes }: Run,
): PartRow {
  const whole = lengthBytes === object.sizeBytes;
  const inlined = object.content === 0;
  const kept = whole && keepsChecksum(upload, object) ? object.checksum : undefined;
  const row: PartRow = {
    sizeBytes: lengthBytes,
    etag: request.etag ?? etagOfRun(context, object, firstByte, lengthBytes),
    modifiedMs: wallMs(context),
    checksum: request.checksum ?? kept,
  };
  if (inlined) {
    row.inline = object.inline?.subarray(firstByte, firstByte + lengthBytes) ?? noBytes;
  } else {
    row.content = object.content;
    row.contentFirst = firstByte;
  }
  return row;
}

const noBytes = new Uint8Array(0);

/** The source's own checksum serves when it is of the upload's kind and not one of parts. */
function keepsChecksum(upload: UploadRow, object: InodeRow): boolean {
  const { checksum } = object;
  return checksum?.type === 'FULL_OBJECT' && checksum.algorithm === upload.checksumAlgorithm;
}

/** The source's ETag when it is the MD5 of the same bytes, else an opaque one of the same form. */
function etagOfRun(
  context: NamespaceContext,
  object: InodeRow,
  firstByte: number,
  lengthBytes: number,
): string {
  const isMd5 = object.partCount === 0 && /^[0-9a-f]{32}$/.test(object.etag);
  if (isMd5 && lengthBytes === object.sizeBytes) return object.etag;
  const name = Buffer.from(`${object.etag} ${object.version} ${firstByte} ${lengthBytes}`);
  return asBuffer(context.hasher.digest('MD5', [name])).toString('hex');
}

// --- listing parts -------------------------------------------------------------------------------------

export async function listParts(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.listParts)['request']>,
): Promise<MessageOf<(typeof calls.listParts)['response']>> {
  const bucket = await readBucket(context.store, request.who, request.upload.bucket);
  const name = nameOfUpload(bucket, request.upload);
  const upload = await readUpload(context.store, name);
  const limit = Math.min(request.limit, limits.listKeysMax);
  const found = await partsAfter(context.store, upload.number, request.after, limit + 1);
  return {
    upload: infoOfUpload(bucket, name, upload),
    parts: found.slice(0, limit).map(({ partNumber, row }) => infoOfPart(partNumber, row)),
    truncated: limit > 0 && found.length > limit,
  };
}

export interface NumberedPart {
  readonly partNumber: number;
  readonly row: PartRow;
}

export async function partsAfter(
  reader: MetaReader,
  upload: number,
  after: number,
  limit: number,
): Promise<NumberedPart[]> {
  const from = partKey(upload, Math.min(after, limits.partsMax) + 1);
  const rows = await reader.range({ from, to: partsRange(upload).to, limit });
  return rows.map(([key, value]) => ({
    partNumber: decodePartKey(key).partNumber,
    row: decodeRow(PartRow, value),
  }));
}
