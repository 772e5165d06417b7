// What ended uploads leave: parts, the answers kept for replays, and the uploads of buckets that are gone.

import { id } from '../../base/ids.ts';
import type { BlobId, InodeId } from '../../base/ids.ts';
import { mark } from '../../base/mark.ts';
import {
  decodePartKey,
  decodeUploadKey,
  garbageKey,
  partsRange,
  uploadKey,
  uploadsRange,
} from '../keys.ts';
import type { Garbage, Referent } from '../keys.ts';
import type { MetaEntry } from '../meta-store.ts';
import type { NamespaceContext } from '../namespace/context.ts';
import { dropUpload } from '../namespace/uploads.ts';
import { PartRow, ReplayRow, UploadRow, decodeRow } from '../rows.ts';
import { dropReference } from './collect.ts';

/** Parts dropped in one transaction: three mutations and a range conflict each. */
const partsPerTransaction = 25;

/** An item of the queue of uploads: some of its parts, or the item itself when none is left. */
export function collectParts(
  context: NamespaceContext,
  item: Garbage & { kind: 'upload' },
): Promise<void> {
  const { upload } = item;
  return context.store.transact(async (transaction) => {
    const rows = await transaction.range({ ...partsRange(upload), limit: partsPerTransaction });
    for (const row of rows) {
      mark('collect.part');
      transaction.delete(row[0]);
      const referent = referentOf(row);
      if (referent === undefined) continue;
      // oxlint-disable-next-line no-await-in-loop -- one transaction reads one after another
      await dropReference(context, transaction, referent, { kind: 'upload', upload });
    }
    if (rows.length < partsPerTransaction) transaction.delete(garbageKey(item));
  });
}

/** What a row of an upload refers to in the upload's name. A copied part's content has a row of its own. */
function referentOf([key, value]: MetaEntry): Referent | undefined {
  const { content } = decodePartKey(key);
  if (content !== undefined) return { kind: 'content', content };
  const { blob } = decodeRow(PartRow, value);
  return blob === undefined ? undefined : { kind: 'blob', blob: id<BlobId>(blob.blob) };
}

/** An answer that was kept for replays and is due. */
export function collectReplay(
  context: NamespaceContext,
  item: Garbage & { kind: 'replay' },
): Promise<void> {
  return context.store.transact(async (transaction) => {
    const key = garbageKey(item);
    const row = await transaction.get(key);
    if (row === undefined) return;
    mark('collect.replay');
    const { bucket, key: name, uploadId } = decodeRow(ReplayRow, row);
    transaction.delete(uploadKey('done', { bucket: id<InodeId>(bucket), key: name, uploadId }));
    transaction.delete(key);
  });
}

const uploadsPerTransaction = 20;

/** An item of the queue of buckets: some of the uploads in it, or the item itself when none is left. Nothing
 *  new comes: an upload is created under the bucket's existence row. */
export function collectBucket(
  context: NamespaceContext,
  item: Garbage & { kind: 'bucket' },
): Promise<void> {
  return context.store.transact(async (transaction) => {
    const range = uploadsRange('open', item.bucket);
    const rows = await transaction.range({ ...range, limit: uploadsPerTransaction });
    for (const [key, value] of rows) {
      mark('collect.upload-of-bucket');
      dropUpload(context, transaction, decodeUploadKey(key), decodeRow(UploadRow, value));
    }
    if (rows.length < uploadsPerTransaction) transaction.delete(garbageKey(item));
  });
}
