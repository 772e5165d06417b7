// Versioning of a bucket: kept in the bucket's entry, which every operation reads anyway and every write has in its
// conflict set, so that a change of it and a write are one after the other.

import { CoreError } from '../../base/errors.ts';
import { keepUnknown } from '../../base/message.ts';
import type { MessageOf } from '../../base/message.ts';
import type * as calls from '../calls.ts';
import { EntryRow, bucketVersioning, decodeRow, encodeRow } from '../rows.ts';
import { beginWrite, bucketEntryKey, readBucket } from './context.ts';
import type { NamespaceContext } from './context.ts';

export async function getBucketVersioning(
  context: NamespaceContext,
  { who, bucket }: MessageOf<(typeof calls.getBucketVersioning)['request']>,
): Promise<MessageOf<(typeof calls.getBucketVersioning)['response']>> {
  const { versioning } = await readBucket(context.store, who, bucket);
  return {
    enabled: versioning === bucketVersioning.enabled,
    suspended: versioning === bucketVersioning.suspended,
  };
}

export async function putBucketVersioning(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.putBucketVersioning)['request']>,
): Promise<void> {
  await context.store.transact(async (transaction) => {
    await beginWrite(transaction, request, [request.bucket]);
    const key = bucketEntryKey(request.bucket);
    const row = await transaction.get(key);
    if (row === undefined) throw new CoreError('CONFLICT', 'the bucket was removed meanwhile');
    const entry = decodeRow(EntryRow, row);
    const versioning = request.enabled ? bucketVersioning.enabled : bucketVersioning.suspended;
    if (entry.versioning === versioning) return;
    transaction.set(key, encodeRow(EntryRow, keepUnknown(entry, { ...entry, versioning })));
  });
}
