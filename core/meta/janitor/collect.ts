// Collection of what nothing refers to: references, contents, blobs, chunks (design 5). Each function takes one
// item off its queue. A thing is dead when its range of references is empty, with that range in the conflict
// set of the transaction that says so; a dead thing never comes back, since every new reference is put beside
// one that exists. So the steps may be repeated after a crash.

import { id } from '../../base/ids.ts';
import type { BlobId, ContentId } from '../../base/ids.ts';
import { mark } from '../../base/mark.ts';
import { mapParallel } from '../../base/parallel.ts';
import type { ChunkId } from '../../base/ids.ts';
import {
  blobKey,
  contentRange,
  decodeContentKey,
  garbageKey,
  referenceKey,
  referencesRange,
} from '../keys.ts';
import type { Garbage, Referent, Referrer } from '../keys.ts';
import type { MetaEntry, MetaTransaction } from '../meta-store.ts';
import type { ChunkInventory } from '../chunk-inventory.ts';
import type { NamespaceContext } from '../namespace/context.ts';
import { wallMs } from '../namespace/path.ts';
import { ExtentPage, GarbageRow, decodeRow, encodeRow } from '../rows.ts';

/** Puts an item into the janitor's queues. */
export function queueGarbage(
  context: NamespaceContext,
  transaction: MetaTransaction,
  item: Garbage,
): void {
  transaction.set(garbageKey(item), encodeRow(GarbageRow, { queuedMs: wallMs(context) }));
}

/** Drops one reference; what it referred to is queued, or taken apart at once, when that was the last one. */
export async function dropReference(
  context: NamespaceContext,
  transaction: MetaTransaction,
  referent: Referent,
  referrer: Referrer,
): Promise<void> {
  const key = referenceKey(referent, referrer);
  transaction.delete(key);
  const left = await transaction.range({ ...referencesRange(referent), limit: 1 });
  if (left.length > 0) return;
  if (referent.kind === 'blob') {
    mark('collect.blob');
    queueGarbage(context, transaction, referent);
  } else await dropContent(context, transaction, referent.content);
}

/** An item of the queue of references. */
export function collectReference(
  context: NamespaceContext,
  item: Garbage & { kind: 'reference' },
): Promise<void> {
  return context.store.transact(async (transaction) => {
    transaction.delete(garbageKey(item));
    await dropReference(context, transaction, item.referent, item.referrer);
  });
}

// --- contents --------------------------------------------------------------------------------------------

/** A content with so few blobs is taken apart in the transaction that found it dead. */
const blobsAtOnce = 4;

/** References to blobs dropped in one transaction: each is a range conflict and up to two mutations. */
const blobsPerTransaction = 30;
const pagesPerTransaction = 20;

async function dropContent(
  context: NamespaceContext,
  transaction: MetaTransaction,
  content: ContentId,
): Promise<void> {
  mark('collect.content');
  const pages = await transaction.range({ ...contentRange(content), limit: pagesPerTransaction });
  const blobs = blobsOf(pages);
  if (pages.length === pagesPerTransaction || blobs.length > blobsAtOnce) {
    mark('collect.content-later');
    queueGarbage(context, transaction, { kind: 'content', content });
    return;
  }
  for (const [key] of pages) transaction.delete(key);
  await dropBlobs(context, transaction, content, blobs);
}

/** The blobs that pages name, each once. */
function blobsOf(pages: readonly MetaEntry[]): BlobId[] {
  const blobs = new Set<BlobId>();
  for (const [key, value] of pages) {
    if (decodeContentKey(key).kind === 'parts') continue;
    for (const { blob, inline } of decodeRow(ExtentPage, value).map.extents) {
      if (inline === undefined) blobs.add(id<BlobId>(blob));
    }
  }
  return [...blobs];
}

async function dropBlobs(
  context: NamespaceContext,
  transaction: MetaTransaction,
  content: ContentId,
  blobs: readonly BlobId[],
): Promise<void> {
  for (const blob of blobs) {
    const referrer = { kind: 'content', content } as const;
    // oxlint-disable-next-line no-await-in-loop -- one transaction reads one after another
    await dropReference(context, transaction, { kind: 'blob', blob }, referrer);
  }
}

/** An item of the queue of contents: its first page, or the item itself when none is left. A page goes after
 *  its references, so that a crash between repeats them. */
export async function collectContent(
  context: NamespaceContext,
  item: Garbage & { kind: 'content' },
): Promise<void> {
  const { content } = item;
  const [page] = await context.store.range({ ...contentRange(content), limit: 1 });
  if (page !== undefined) mark('collect.content-page');
  const blobs = page === undefined ? [] : blobsOf([page]);
  for (let at = 0; at < blobs.length; at += blobsPerTransaction) {
    const some = blobs.slice(at, at + blobsPerTransaction);
    // oxlint-disable-next-line no-await-in-loop -- bounded transactions, one after another
    await context.store.transact((transaction) => dropBlobs(context, transaction, content, some));
  }
  await context.store.transact(async (transaction) => {
    if (page !== undefined) transaction.delete(page[0]);
    const left = await transaction.range({ ...contentRange(content), limit: 1 });
    if (left.length === 0) transaction.delete(garbageKey(item));
  });
}

// --- blobs -----------------------------------------------------------------------------------------------

/** Chunks of one scan, and chunks removed at the same time so that they share a group commit. Most blobs have one
 *  chunk: the first scan looks no further than to see that. */
const chunksOfFirstScan = 2;
const chunksPerScan = 256;
const removesParallel = 32;

/** An item of the queue of blobs: its chunks, then its row. The row goes last: what it names is known until
 *  nothing is left of it. */
export async function collectBlob(
  context: NamespaceContext,
  inventory: ChunkInventory,
  item: Garbage & { kind: 'blob' },
): Promise<void> {
  await removeChunks(context, inventory, item.blob);
  await context.store.transact(async (transaction) => {
    transaction.delete(blobKey(item.blob));
    transaction.delete(garbageKey(item));
  });
}

/** Removes every chunk of a blob. */
export async function removeChunks(
  context: NamespaceContext,
  inventory: ChunkInventory,
  blob: BlobId,
): Promise<void> {
  for (let limit = chunksOfFirstScan; ; limit = chunksPerScan) {
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const chunks = await chunksFrom(inventory, blob, limit);
    const own = chunks.filter((chunk) => chunk.blob === blob);
    // oxlint-disable-next-line no-await-in-loop
    await mapParallel(own, removesParallel, (chunk) => removeChunk(context, inventory, chunk));
    if (own.length < limit) return;
  }
}

/** The first chunks of the store from a blob on. */
export async function chunksFrom(
  inventory: ChunkInventory,
  blob: BlobId,
  limit: number,
): Promise<ChunkId[]> {
  const before = { blob: id<BlobId>(blob - 1), index: 0xffffffff };
  const found = await inventory.scan(before, limit);
  return found.map(({ chunk }) => chunk);
}

async function removeChunk(
  context: NamespaceContext,
  inventory: ChunkInventory,
  chunk: ChunkId,
): Promise<void> {
  mark('collect.chunk');
  await inventory.remove(chunk, context.own.session);
}
