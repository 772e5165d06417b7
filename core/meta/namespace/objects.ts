// What the operations on one object share: its entry and inode, how a new state replaces the old one, and how
// it is shown. Every change goes through `setObject` or `dropObject`, so that entry, summary, inode and
// references agree after each transaction.

import { Buffer } from 'node:buffer';
import { compareBytes } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { ContentId, InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { entryKey, garbageKey, inodeKey, referenceKey } from '../keys.ts';
import type { Attributes, Checksum, ObjectInfo, Owner, Pair } from '../messages.ts';
import type { MetaReader, MetaTransaction } from '../meta-store.ts';
import {
  EntryRow,
  GarbageRow,
  InodeRow,
  decodeRow,
  emptyRow,
  encodeRow,
  entryKind,
} from '../rows.ts';
import type { Summary } from '../rows.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { wallMs } from './path.ts';
import type { Place } from './path.ts';

export const standardClass = 'STANDARD';
export const nullVersionId = 'null';

export function versionIdOf(row: { version: number; nullVersion: boolean }): string {
  return row.nullVersion ? nullVersionId : row.version.toString(16).padStart(14, '0');
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

/** An entry of a file with what conditions and overwrites need to know of it. */
export interface CurrentObject {
  readonly entry: EntryRow;
  readonly summary: Summary;
}

/** The object that a transaction finds at a place. */
export async function readCurrent(
  transaction: MetaTransaction,
  place: Place,
): Promise<CurrentObject | undefined> {
  if (place.missing.length > 0) return undefined;
  return readObject(transaction, place.parent, place.path.name);
}

export async function readObject(
  reader: MetaReader,
  parent: InodeId,
  name: Uint8Array,
): Promise<CurrentObject | undefined> {
  const row = await reader.get(entryKey(parent, name));
  if (row === undefined) return undefined;
  const entry = decodeRow(EntryRow, row);
  return { entry, summary: await summaryOf(reader, entry) };
}

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

/** Attributes of an object that was written through another door. */
export function plainAttributes(): Attributes {
  return { headers: {}, userMetadata: [], tags: [], storageClass: standardClass };
}

/** @throws VERSION_NOT_FOUND unless `versionId` is absent or names this version */
export function checkVersion(versionId: string | undefined, entry: EntryRow): void {
  if (versionId === undefined || versionId === versionIdOf(entry)) return;
  throw new CoreError('VERSION_NOT_FOUND', `no version ${versionId.slice(0, 64)} of the object`);
}

// --- writing -----------------------------------------------------------------------------------------

/** The new state of an object, but for what the old one decides. */
export interface NewObject {
  readonly inode: InodeId;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly checksum: Checksum | undefined;
  readonly attributes: Attributes;
  /** The content; undefined when it is inline. */
  readonly content: ContentId | undefined;
  readonly inline: Uint8Array | undefined;
  readonly partCount: number;
}

export interface EntryName {
  readonly parent: InodeId;
  readonly name: Uint8Array;
}

export interface Written {
  readonly versionId: string;
  readonly modifiedMs: number;
}

/** Puts entry, inode and reference of an object's new state in place of `old`. The caller has read the entry in
 *  this transaction, and the content's own rows are in it or durable. */
export function setObject(
  context: NamespaceContext,
  transaction: MetaTransaction,
  at: EntryName,
  old: CurrentObject | undefined,
  object: NewObject,
): Written {
  const now = wallMs(context);
  // Times and versions of a key never run backwards, whatever the wall clock does.
  const modifiedMs = Math.max(now, old?.summary.modifiedMs ?? 0);
  const version = Math.max(now * versionsPerMs, (old?.entry.version ?? 0) + 1);
  const row: InodeRow = {
    kind: entryKind.file,
    parent: at.parent,
    name: at.name,
    links: 1,
    sealed: true,
    sizeBytes: object.sizeBytes,
    modifiedMs,
    etag: object.etag,
    version,
    nullVersion: true,
    content: object.content ?? 0,
    inline: object.inline,
    checksum: object.checksum,
    attributes: object.attributes,
    partCount: object.partCount,
  };
  setEntry(transaction, at, object.inode, row);
  setInode(transaction, object.inode, row);
  if (object.content !== undefined) setContentReference(transaction, object.content, object.inode);
  if (old !== undefined) dropInode(context, transaction, old);
  return { versionId: versionIdOf(row), modifiedMs };
}

/** Room for many versions in one millisecond; 2^53 lasts until the year 2248. */
const versionsPerMs = 1024;

export function setEntry(
  transaction: MetaTransaction,
  at: EntryName,
  inode: InodeId,
  row: InodeRow,
): void {
  const entry: EntryRow = {
    kind: entryKind.file,
    inode,
    summary: summaryOfInode(row),
    version: row.version,
    nullVersion: row.nullVersion,
  };
  transaction.set(entryKey(at.parent, at.name), encodeRow(EntryRow, entry));
}

/** @throws LIMIT_EXCEEDED when the object's metadata does not fit a row */
export function setInode(transaction: MetaTransaction, inode: InodeId, row: InodeRow): void {
  const encoded = encodeRow(InodeRow, row);
  if (encoded.length > limits.metaValueBytesMax) {
    throw new CoreError('LIMIT_EXCEEDED', `the object's metadata takes ${encoded.length} bytes`);
  }
  transaction.set(inodeKey(inode), encoded);
}

function setContentReference(
  transaction: MetaTransaction,
  content: ContentId,
  inode: InodeId,
): void {
  const key = referenceKey({ kind: 'content', content }, { kind: 'inode', inode });
  transaction.set(key, emptyRow);
}

/** Removes an object's entry and inode; its content becomes garbage when nothing else refers to it. */
export function dropObject(
  context: NamespaceContext,
  transaction: MetaTransaction,
  at: EntryName,
  old: CurrentObject,
): void {
  transaction.delete(entryKey(at.parent, at.name));
  dropInode(context, transaction, old);
}

function dropInode(
  context: NamespaceContext,
  transaction: MetaTransaction,
  { entry, summary }: CurrentObject,
): void {
  const inode = id<InodeId>(entry.inode);
  transaction.delete(inodeKey(inode));
  if (summary.content === 0) return;
  const item = garbageKey({
    kind: 'reference',
    referent: { kind: 'content', content: id<ContentId>(summary.content) },
    referrer: { kind: 'inode', inode },
  });
  transaction.set(item, encodeRow(GarbageRow, { queuedMs: wallMs(context) }));
}
