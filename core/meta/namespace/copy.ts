// copyObject and putObjectTags: new inode rows over the same content. A copy is metadata only, whatever the
// size: one inode and one reference. Its source inode's row is in the conflict set (design 5).

import { keepUnknown } from '../../base/message.ts';
import type { MessageOf } from '../../base/message.ts';
import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { ContentId, InodeId } from '../../base/ids.ts';
import type * as calls from '../calls.ts';
import type { Attributes, ObjectRef, ReadConditions } from '../messages.ts';
import type { MetaTransaction } from '../meta-store.ts';
import type { InodeRow } from '../rows.ts';
import { checkSource, checkWrite, decided } from './conditions.ts';
import { beginWrite, turnOf } from './context.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import {
  checkKey,
  plainAttributes,
  readInode,
  setInode,
  sortTags,
  versionIdOf,
} from './objects.ts';
import { locate, makeMissing, splitKey, transactWithParents } from './path.ts';
import {
  checkNoMarker,
  notFound,
  readVersion,
  setObject,
  slotOf,
  summaryForWrite,
} from './versions.ts';
import type { ObjectVersion } from './versions.ts';

export interface SourceRequest {
  readonly source: ObjectRef;
  readonly sourceConditions: ReadConditions;
  readonly sourceInode?: number | undefined;
}

export interface Source {
  readonly inode: InodeId;
  readonly row: InodeRow;
}

/** The source of a copy, its entry and inode row in the conflict set.
 *  @throws KEY_NOT_FOUND, VERSION_NOT_FOUND, DELETE_MARKER, CONDITION_FAILED; ends in `ofSameSource` when it is another inode */
export async function readSource(
  transaction: MetaTransaction,
  bucket: Bucket,
  request: SourceRequest,
): Promise<Source> {
  const { source, sourceConditions, sourceInode } = request;
  checkKey(source.key);
  const version = await readObject(transaction, bucket, source);
  checkSource(sourceConditions, version.summary);
  if (sourceInode !== undefined && sourceInode !== version.entry.inode) throw new SourceChanged();
  const found = await inodeOf(transaction, version);
  if (!found.row.sealed) throw new CoreError('NOT_IMPLEMENTED', 'the source is being written');
  return found;
}

/** The caller worked on content that the key does not name any more. No CoreError: the transaction must not be
 *  tried again, only the caller can. */
class SourceChanged extends Error {
  override readonly name = 'SourceChanged';
}

/** @throws CONFLICT when the source was not the stated inode any more, and what `write` throws */
export async function ofSameSource<T>(write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (!(error instanceof SourceChanged)) throw error;
    throw new CoreError('CONFLICT', 'the copy source changed meanwhile; open it again');
  }
}

/** @throws KEY_NOT_FOUND, VERSION_NOT_FOUND, DELETE_MARKER */
async function readObject(
  transaction: MetaTransaction,
  bucket: Bucket,
  { key, versionId }: ObjectRef,
): Promise<ObjectVersion> {
  const place = await locate(transaction, bucket, splitKey(key));
  const version = await readVersion(transaction, place, versionId);
  if (version === undefined) throw notFound(versionId);
  checkNoMarker(version.entry, versionId);
  return version;
}

async function inodeOf(transaction: MetaTransaction, version: ObjectVersion): Promise<Source> {
  const inode = id<InodeId>(version.entry.inode);
  const row = await readInode(transaction, inode);
  if (row === undefined) throw new CoreError('CONFLICT', 'the object was replaced meanwhile');
  return { inode, row };
}

type CopyRequest = MessageOf<(typeof calls.copyObject)['request']>;
type CopyResponse = MessageOf<(typeof calls.copyObject)['response']>;

export async function copyObject(
  context: NamespaceContext,
  request: CopyRequest,
): Promise<CopyResponse> {
  checkKey(request.key);
  const { bucket, key } = request;
  const transact = transactWithParents(context, request, { bucket, path: splitKey(key) });
  const write = context.turns.run(turnOf(bucket, key), () =>
    transact((transaction) => copy(context, transaction, request)),
  );
  return ofSameSource(decided(request.conditions, write));
}

async function copy(
  context: NamespaceContext,
  transaction: MetaTransaction,
  request: CopyRequest,
): Promise<CopyResponse> {
  const [from, to] = await beginWrite(transaction, request, [
    request.source.bucket,
    request.bucket,
  ]);
  const { row } = await readSource(transaction, from as Bucket, request);
  const place = await locate(transaction, to as Bucket, splitKey(request.key));
  const newest = await readVersion(transaction, place);
  checkWrite(request.conditions, summaryForWrite(newest));
  const parent = await makeMissing(context, transaction, place);
  const checksum = request.checksum ?? row.checksum;
  const slot = { ...slotOf(place), parent };
  const written = await setObject(context, transaction, slot, newest, {
    inode: await context.numbers.inode(),
    sizeBytes: row.sizeBytes,
    etag: row.etag,
    checksum,
    attributes: attributesOf(request, row.attributes ?? plainAttributes()),
    content: row.content === 0 ? undefined : id<ContentId>(row.content),
    inline: row.inline,
    partCount: row.partCount,
  });
  return {
    etag: row.etag,
    lastModifiedMs: written.modifiedMs,
    versionId: written.versionId,
    checksum,
    sourceVersionId: versionIdOf(row),
  };
}

/** S3: the storage class is the request's, never the source's. */
function attributesOf(request: CopyRequest, source: Attributes): Attributes {
  const metadata = request.replaceMetadata ? request : source;
  return {
    headers: metadata.headers,
    userMetadata: metadata.userMetadata,
    tags: request.replaceTags ? sortTags(request.tags) : source.tags,
    storageClass: request.storageClass ?? plainAttributes().storageClass,
  };
}

/** Tags are rewritten in place: S3 changes neither time nor ETag with them. */
export function putObjectTags(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.putObjectTags)['request']>,
): Promise<MessageOf<(typeof calls.putObjectTags)['response']>> {
  const { object } = request;
  checkKey(object.key);
  return context.store.transact(async (transaction) => {
    const [bucket] = await beginWrite(transaction, request, [object.bucket]);
    const version = await readObject(transaction, bucket as Bucket, object);
    const { inode, row } = await inodeOf(transaction, version);
    const before = row.attributes ?? plainAttributes();
    const attributes = keepUnknown(before, { ...before, tags: sortTags(request.tags) });
    setInode(transaction, inode, keepUnknown(row, { ...row, attributes }));
    return { versionId: versionIdOf(row) };
  });
}
