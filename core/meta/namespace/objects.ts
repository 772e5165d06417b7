// What the operations on one object share: its inode, its summary and how it is shown. How a key's versions
// follow one another is in versions.ts.

import { Buffer } from 'node:buffer';
import { compareBytes } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { ContentId, InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { garbageKey, inodeKey, referenceKey } from '../keys.ts';
import type { Attributes, ObjectInfo, Owner, Pair } from '../messages.ts';
import type { MetaReader, MetaTransaction } from '../meta-store.ts';
import { GarbageRow, InodeRow, decodeRow, emptyRow, encodeRow } from '../rows.ts';
import type { EntryRow, Summary } from '../rows.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { wallMs } from './path.ts';

export const standardClass = 'STANDARD';
export const nullVersionId = 'null';

/** A version's id for clients. A null version goes by that name only. */
export function versionIdOf(row: { version: number; nullVersion: boolean }): string {
  return row.nullVersion ? nullVersionId : versionText(row.version);
}

/** A version's place among the versions of its key, for clients: text in the order of time. */
export function versionText(version: number): string {
  return version.toString(16).padStart(14, '0');
}

/** The number that `versionText` wrote; undefined for anything else. */
export function parseVersion(text: string): number | undefined {
  if (!/^[0-9a-f]{14}$/.test(text)) return undefined;
  const version = Number.parseInt(text, 16);
  return Number.isSafeInteger(version) ? version : undefined;
}

/** Keys are 1 to limits.objectKeyBytesMax bytes. @throws INVALID_ARGUMENT */
export function checkKey(key: Uint8Array): void {
  if (key.length >= 1 && key.length <= limits.objectKeyBytesMax) return;
  throw new CoreError(
    'INVALID_ARGUMENT',
    `a key of ${key.length} bytes, 1 to ${limits.objectKeyBytesMax} allowed`,
  );
}

/** Tags in the byte order of their names. */
export function sortTags(tags: readonly Pair[]): Pair[] {
  return tags.toSorted((a, b) => compareBytes(Buffer.from(a.name), Buffer.from(b.name)));
}

// --- reading -----------------------------------------------------------------------------------------

export async function readInode(reader: MetaReader, inode: InodeId): Promise<InodeRow | undefined> {
  const row = await reader.get(inodeKey(inode));
  return row === undefined ? undefined : decodeRow(InodeRow, row);
}

/** The summary of an entry, or of its inode when the entry carries none. */
export async function summaryOf(reader: MetaReader, entry: EntryRow): Promise<Summary> {
  if (entry.summary !== undefined) return entry.summary;
  const inode = await readInode(reader, id<InodeId>(entry.inode));
  if (inode === undefined) throw new CoreError('CONFLICT', 'the entry changed while it was read');
  return summaryOfInode(inode);
}

export function summaryOfInode(inode: InodeRow): Summary {
  const summary: Summary = {
    sizeBytes: inode.sizeBytes,
    modifiedMs: inode.modifiedMs,
    etag: inode.etag,
    content: inode.content,
  };
  const storageClass = inode.attributes?.storageClass ?? standardClass;
  if (storageClass !== standardClass) summary.storageClass = storageClass;
  if (inode.owner !== undefined) summary.owner = inode.owner;
  if (inode.checksum !== undefined) {
    summary.checksumAlgorithm = inode.checksum.algorithm;
    summary.checksumType = inode.checksum.type;
  }
  return summary;
}

export function infoOf(bucket: Bucket, key: Uint8Array, inode: InodeRow): ObjectInfo {
  const owner: Owner = inode.owner ?? bucket.owner;
  return {
    key,
    versionId: versionIdOf(inode),
    sizeBytes: inode.sizeBytes,
    etag: inode.etag,
    lastModifiedMs: inode.modifiedMs,
    checksum: inode.checksum,
    partCount: inode.partCount,
    owner,
    attributes: inode.attributes ?? plainAttributes(),
  };
}

/** What is known of a delete marker: its version and time. */
export function infoOfMarker(bucket: Bucket, key: Uint8Array, entry: EntryRow): ObjectInfo {
  return {
    key,
    versionId: versionIdOf(entry),
    sizeBytes: 0,
    etag: '',
    lastModifiedMs: entry.summary?.modifiedMs ?? 0,
    partCount: 0,
    owner: bucket.owner,
    attributes: plainAttributes(),
  };
}

/** Attributes of an object that was written through another door. */
export function plainAttributes(): Attributes {
  return { headers: {}, userMetadata: [], tags: [], storageClass: standardClass };
}

// --- writing -----------------------------------------------------------------------------------------

/** @throws LIMIT_EXCEEDED when the object's metadata does not fit a row */
export function setInode(transaction: MetaTransaction, inode: InodeId, row: InodeRow): void {
  const encoded = encodeRow(InodeRow, row);
  if (encoded.length > limits.metaValueBytesMax) {
    throw new CoreError('LIMIT_EXCEEDED', `the object's metadata takes ${encoded.length} bytes`);
  }
  transaction.set(inodeKey(inode), encoded);
}

/** An inode refers to a content. Blind. */
export function setContentReference(
  transaction: MetaTransaction,
  content: ContentId,
  inode: InodeId,
): void {
  const key = referenceKey({ kind: 'content', content }, { kind: 'inode', inode });
  transaction.set(key, emptyRow);
}

/** Removes an inode; its content becomes garbage when nothing else refers to it. */
export function dropInode(
  context: NamespaceContext,
  transaction: MetaTransaction,
  inode: InodeId,
  content: number,
): void {
  transaction.delete(inodeKey(inode));
  if (content === 0) return;
  const item = garbageKey({
    kind: 'reference',
    referent: { kind: 'content', content: id<ContentId>(content) },
    referrer: { kind: 'inode', inode },
  });
  transaction.set(item, encodeRow(GarbageRow, { queuedMs: wallMs(context) }));
}
