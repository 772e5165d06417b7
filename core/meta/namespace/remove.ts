// deleteObject and deleteObjects: one transaction per key with its conditions inside. What S3 deletes that does
// not exist succeeds. In a bucket with versioning only a delete that names a version removes one. A directory
// that may be empty now is left to the janitor.

import { CoreError, toCoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import type { MessageOf } from '../../base/message.ts';
import { mapParallel } from '../../base/parallel.ts';
import type * as calls from '../calls.ts';
import type { DeleteConditions, DeleteItem, DeleteResult } from '../messages.ts';
import type { MetaTransaction } from '../meta-store.ts';
import { checkDelete } from './conditions.ts';
import { beginWrite, turnOf } from './context.ts';
import type { Bucket, NamespaceContext, WriteRequest } from './context.ts';
import { checkKey } from './objects.ts';
import { locate, makeMissing, queueDirectory, splitKey, transactWithParents } from './path.ts';
import type { Place } from './path.ts';
import {
  findEntry,
  isMarker,
  readVersion,
  removeVersion,
  setDeleteMarker,
  slotOf,
} from './versions.ts';

type Response = MessageOf<(typeof calls.deleteObject)['response']>;

export function deleteObject(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.deleteObject)['request']>,
): Promise<Response> {
  const { object, conditions } = request;
  return remove(context, request, object.bucket, { ...object, conditions });
}

async function remove(
  context: NamespaceContext,
  request: WriteRequest,
  bucketName: string,
  item: DeleteItem,
): Promise<Response> {
  checkKey(item.key);
  const path = splitKey(item.key);
  const transact = transactWithParents(context, request, { bucket: bucketName, path });
  return context.turns.run(turnOf(bucketName, item.key), () =>
    transact(async (transaction) => {
      const [bucket] = await beginWrite(transaction, request, [bucketName]);
      const place = await locate(transaction, bucket as Bucket, path);
      const kept = item.versionId === undefined && place.bucket.versioning !== undefined;
      return kept
        ? hide(context, transaction, place, item)
        : removeForGood(context, transaction, place, item);
    }),
  );
}

/** Removes the named version, or the only one. */
async function removeForGood(
  context: NamespaceContext,
  transaction: MetaTransaction,
  place: Place,
  { versionId, conditions }: DeleteItem,
): Promise<Response> {
  const named = versionId === undefined ? {} : { versionId };
  const target = await readVersion(transaction, place, versionId);
  if (target === undefined) return { ...named, deleteMarker: false };
  checkDelete(conditions, target.summary);
  const slot = slotOf(place);
  const newest = versionId === undefined ? target.entry : await findEntry(transaction, slot);
  if (newest === undefined) throw new CoreError('CONFLICT', 'the object was removed meanwhile');
  await removeVersion(context, transaction, slot, newest, target);
  if (place.path.directories.length > 0) queueDirectory(context, transaction, place.parent);
  return { ...named, deleteMarker: isMarker(target.entry) };
}

/** Puts a delete marker before the versions of a key. A delete with a condition needs something to judge: where
 *  there is no version it does nothing, and a delete marker is judged as an empty object without an ETag. */
async function hide(
  context: NamespaceContext,
  transaction: MetaTransaction,
  place: Place,
  { conditions }: DeleteItem,
): Promise<Response> {
  const newest = await readVersion(transaction, place);
  if (newest !== undefined) checkDelete(conditions, newest.summary);
  else if (isConditional(conditions)) return { deleteMarker: false };
  const parent = await makeMissing(context, transaction, place);
  const slot = { ...slotOf(place), parent };
  mark('remove.marker');
  const versionId = await setDeleteMarker(context, transaction, slot, newest);
  return { versionId, deleteMarker: true };
}

function isConditional({ ifMatch, lastModifiedMs, sizeBytes }: DeleteConditions): boolean {
  return ifMatch !== undefined || lastModifiedMs !== undefined || sizeBytes !== undefined;
}

/** Deletes of one request that run at the same time: enough to fill a group commit. */
const deletesParallel = 64;

export async function deleteObjects(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.deleteObjects)['request']>,
  items: readonly DeleteItem[],
): Promise<DeleteResult[]> {
  if (items.length > limits.deleteItemsMax) {
    throw new CoreError(
      'INVALID_ARGUMENT',
      `${items.length} items, at most ${limits.deleteItemsMax}`,
    );
  }
  // The bucket and the caller are judged once for all; each item's transaction judges them again.
  await beginWrite(context.store, request, [request.bucket]);
  return mapParallel(items, deletesParallel, async (item) => {
    try {
      return await remove(context, request, request.bucket, item);
    } catch (error) {
      const { code, message } = toCoreError(error);
      return { deleteMarker: false, errorCode: code, errorDetail: message };
    }
  });
}
