// Buckets: directories of the root, with a row per owner so that listing one's own needs no scan of all.
// Settings are rows keyed by the bucket's inode. An open upload does not keep a bucket (S3: only objects do);
// it ends with it.

import { Buffer } from 'node:buffer';
import { CoreError } from '../../base/errors.ts';
import { compareBytes } from '../../base/bytes.ts';
import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import { mark } from '../../base/mark.ts';
import type * as calls from '../calls.ts';
import {
  decodeEntryKey,
  decodeOwnerBucketKey,
  entryKey,
  existenceKey,
  garbageKey,
  inodeKey,
  moveKey,
  ownerBucketKey,
  ownerBucketsRange,
  rangeOf,
  sessionKey,
  settingKey,
  settingKind,
  settingsRange,
  timesKey,
} from '../keys.ts';
import type { BucketInfo, Pair, Who } from '../messages.ts';
import type { KeyRange, MetaEntry, MetaTransaction } from '../meta-store.ts';
import {
  EntryRow,
  GarbageRow,
  InodeRow,
  OwnerBucketRow,
  TagsRow,
  decodeRow,
  emptyRow,
  encodeRow,
  entryKind,
} from '../rows.ts';
import type { BucketSummary } from '../rows.ts';
import { beginWrite, bucketEntryKey, bucketOf, readBucket, rootInode } from './context.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { isEmpty, removeEmptyBelow } from './empty-directories.ts';
import { sortTags } from './objects.ts';
import { requireSession } from './sessions.ts';
import { directoryInode, wallMs } from './path.ts';

type RequestOf<C extends { request: unknown }> = MessageOf<C['request']>;
type ResponseOf<C extends { response: unknown }> = MessageOf<C['response']>;

function infoOfBucket(bucket: Bucket): BucketInfo {
  const { name, owner, createdMs, region } = bucket;
  return { name, owner, createdMs, region };
}

export async function createBucket(
  context: NamespaceContext,
  request: RequestOf<typeof calls.createBucket>,
): Promise<BucketInfo> {
  const { who, bucket, region, session } = request;
  if (bucket.length === 0 || bucket.length > bucketNameMax || /[/\0]/.test(bucket)) {
    throw new CoreError('INVALID_ARGUMENT', 'not a bucket name');
  }
  const inode = await context.numbers.inode();
  return context.store.transact(async (transaction) => {
    const [live, taken] = await transaction.getMany([
      sessionKey(id(session)),
      bucketEntryKey(bucket),
    ]);
    requireSession(session, live);
    if (taken !== undefined) throw takenError(who, bucketOf(bucket, taken));
    await checkBucketCount(transaction, who);
    const summary: BucketSummary = {
      owner: { id: who.id, displayName: who.displayName },
      createdMs: wallMs(context),
      region,
    };
    setBucket(transaction, bucket, inode, summary);
    return { name: bucket, ...summary };
  });
}

/** S3's own limit; the model checks the other rules of names. */
const bucketNameMax = 63;

function takenError(who: Who, bucket: Bucket): CoreError {
  return who.id === bucket.owner.id
    ? new CoreError('BUCKET_OWNED_BY_YOU', `${bucket.name} is yours already`)
    : new CoreError('BUCKET_EXISTS', `the name ${bucket.name} is taken`);
}

async function checkBucketCount(transaction: MetaTransaction, who: Who): Promise<void> {
  const range = { ...ownerBucketsRange(who.id), limit: limits.bucketsPerOwnerMax };
  const owned = await transaction.range(range);
  if (owned.length < limits.bucketsPerOwnerMax) return;
  throw new CoreError('TOO_MANY_BUCKETS', `${owned.length} buckets belong to the owner`);
}

function setBucket(
  transaction: MetaTransaction,
  name: string,
  inode: InodeId,
  bucket: BucketSummary,
): void {
  const entry: EntryRow = {
    kind: entryKind.directory,
    inode,
    version: 0,
    nullVersion: false,
    bucket,
  };
  const row = directoryInode(rootInode, Buffer.from(`${name}/`));
  transaction.set(bucketEntryKey(name), encodeRow(EntryRow, entry));
  transaction.set(inodeKey(inode), encodeRow(InodeRow, row));
  transaction.set(existenceKey(inode), emptyRow);
  const owned: OwnerBucketRow = { inode, bucket };
  transaction.set(ownerBucketKey(bucket.owner.id, name), encodeRow(OwnerBucketRow, owned));
}

export async function headBucket(
  context: NamespaceContext,
  request: RequestOf<typeof calls.headBucket>,
): Promise<BucketInfo> {
  return infoOfBucket(await readBucket(context.store, request.who, request.bucket));
}

export async function listBuckets(
  context: NamespaceContext,
  request: ListRequest,
): Promise<ResponseOf<typeof calls.listBuckets>> {
  const limit = Math.min(request.limit, limits.listBucketsMax);
  if (limit === 0) return { buckets: [] };
  const scan = request.all === true ? everyBucket(request) : bucketsOfOwner(request);
  const from = scan.after === undefined ? scan.from : nextKey(scan.after, scan.from);
  // One more than asked for, to know whether there are more.
  const rows = await context.store.range({ from, to: scan.to, limit: limit + 1 });
  const buckets = rows.slice(0, limit).map((row) => scan.decode(row));
  const last = buckets.at(-1);
  return rows.length > limit && last !== undefined ? { buckets, next: last.name } : { buckets };
}

type ListRequest = RequestOf<typeof calls.listBuckets>;

interface BucketScan extends KeyRange {
  readonly after: Uint8Array | undefined;
  decode(entry: MetaEntry): BucketInfo;
}

function bucketsOfOwner({ who, prefix, after }: ListRequest): BucketScan {
  return {
    ...ownerBucketsRange(who.id, prefix),
    after: after === undefined ? undefined : ownerBucketKey(who.id, after),
    decode: ([key, value]) => {
      const { bucket } = decodeRow(OwnerBucketRow, value);
      return { name: decodeOwnerBucketKey(key).bucket, ...bucket };
    },
  };
}

/** For the operator: whoever owns them. Names in the root end with a slash, so that `after` does too. */
function everyBucket({ who, prefix = '', after }: ListRequest): BucketScan {
  if (!who.root) throw new CoreError('ACCESS_DENIED', 'only root lists the buckets of all owners');
  return {
    ...rangeOf(entryKey(rootInode, Buffer.from(prefix))),
    after: after === undefined ? undefined : bucketEntryKey(after),
    decode: ([key, value]) => {
      const { name } = decodeEntryKey(key);
      return infoOfBucket(bucketOf(name.toString('utf8', 0, name.length - 1), value));
    },
  };
}

/** The first key after `key`, but not before `from`. */
function nextKey(key: Uint8Array, from: Uint8Array): Uint8Array {
  return compareBytes(key, from) < 0 ? from : Buffer.concat([key, Buffer.of(0)]);
}

/** @throws BUCKET_NOT_EMPTY */
export async function deleteBucket(
  context: NamespaceContext,
  request: RequestOf<typeof calls.deleteBucket>,
): Promise<void> {
  for (let attempts = 1; attempts <= removeAttemptsMax; attempts++) {
    // oxlint-disable-next-line no-await-in-loop -- what is below goes first, then the bucket
    const occupied = await context.store.transact(async (transaction) => {
      const [bucket] = await beginWrite(transaction, request, [request.bucket]);
      return removeBucket(context, transaction, bucket as Bucket);
    });
    if (occupied === undefined) return;
    mark('bucket.sweep');
    // oxlint-disable-next-line no-await-in-loop
    if (await removeEmptyBelow(context, occupied.inode)) {
      throw new CoreError('BUCKET_NOT_EMPTY', `bucket ${request.bucket} still holds objects`);
    }
  }
  throw new CoreError('BUSY', 'the bucket is written while it is deleted; try again');
}

const removeAttemptsMax = 8;

/** Removes the bucket's rows; answers it when something is below. */
async function removeBucket(
  context: NamespaceContext,
  transaction: MetaTransaction,
  bucket: Bucket,
): Promise<Bucket | undefined> {
  const { inode, name, owner } = bucket;
  transaction.conflict(existenceKey(inode));
  if (!(await isEmpty(transaction, inode))) return bucket;
  const settings = await transaction.range({ ...settingsRange(inode), limit: settingsMax });
  for (const [key] of settings) transaction.delete(key);
  transaction.delete(bucketEntryKey(name));
  transaction.delete(ownerBucketKey(owner.id, name));
  for (const key of [inodeKey, existenceKey, timesKey, moveKey]) transaction.delete(key(inode));
  const queued = encodeRow(GarbageRow, { queuedMs: wallMs(context) });
  transaction.set(garbageKey({ kind: 'bucket', bucket: inode }), queued);
  return undefined;
}

/** More than there are kinds. */
const settingsMax = 64;

// --- settings ------------------------------------------------------------------------------------------

/** @throws NO_TAGS */
export async function getBucketTags(
  context: NamespaceContext,
  request: RequestOf<typeof calls.getBucketTags>,
): Promise<Pair[]> {
  const bucket = await readBucket(context.store, request.who, request.bucket);
  const row = await context.store.get(settingKey(bucket.inode, settingKind.tags));
  if (row === undefined) throw new CoreError('NO_TAGS', `bucket ${bucket.name} has no tags`);
  return decodeRow(TagsRow, row).tags;
}

export async function putBucketTags(
  context: NamespaceContext,
  request: RequestOf<typeof calls.putBucketTags>,
): Promise<void> {
  await context.store.transact(async (transaction) => {
    const [bucket] = await beginWrite(transaction, request, [request.bucket]);
    const { inode } = bucket as Bucket;
    // A deleted bucket gets no settings any more.
    transaction.conflict(existenceKey(inode));
    const key = settingKey(inode, settingKind.tags);
    if (request.tags.length === 0) transaction.delete(key);
    else transaction.set(key, encodeRow(TagsRow, { tags: sortTags(request.tags) }));
  });
}
