// deleteObject and deleteObjects: one transaction per key with its conditions inside. What S3 deletes that does
// not exist succeeds. A directory that may be empty now is left to the janitor.

import { CoreError, toCoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import { mapParallel } from '../../base/parallel.ts';
import type * as calls from '../calls.ts';
import type { DeleteItem, DeleteResult } from '../messages.ts';
import { checkDelete } from './conditions.ts';
import { beginWrite, turnOf } from './context.ts';
import type { Bucket, NamespaceContext, WriteRequest } from './context.ts';
import { checkKey, dropObject, readCurrent, versionIdOf } from './objects.ts';
import { locate, queueDirectory, splitKey } from './path.ts';

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
  return context.turns.run(turnOf(bucketName, item.key), () =>
    context.store.transact(async (transaction) => {
      const [bucket] = await beginWrite(transaction, request, [bucketName]);
      const place = await locate(transaction, bucket as Bucket, path);
      const old = await readCurrent(transaction, place);
      const versionId = item.versionId === undefined ? {} : { versionId: item.versionId };
      const response = { ...versionId, deleteMarker: false };
      if (old === undefined) return response;
      if (item.versionId !== undefined && item.versionId !== versionIdOf(old.entry)) {
        return response;
      }
      checkDelete(item.conditions, old.summary);
      dropObject(context, transaction, { parent: place.parent, name: path.name }, old);
      if (path.directories.length > 0) queueDirectory(context, transaction, place.parent);
      return response;
    }),
  );
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
