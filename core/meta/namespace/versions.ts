// The versions of a key. The newest one, when it is an object, is the D entry; every other version is a V row, and
// so is a delete marker, which therefore is the newest V row of a key that has no D entry (design 5). Every
// change of a key goes through `setObject`, `setDeleteMarker` or `removeVersion`, so that entry, summary, inode
// and references agree after each transaction. A bucket without versioning reads and writes no V row.

import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { ContentId, InodeId } from '../../base/ids.ts';
import { mark } from '../../base/mark.ts';
import { keepUnknown } from '../../base/message.ts';
import { entryKey, versionKey, versionsRange } from '../keys.ts';
import type { Attributes, Checksum } from '../messages.ts';
import type { MetaReader, MetaTransaction } from '../meta-store.ts';
import { EntryRow, bucketVersioning, decodeRow, encodeRow, entryKind } from '../rows.ts';
import type { InodeRow, Summary } from '../rows.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import {
  dropInode,
  nullVersionId,
  parseVersion,
  setContentReference,
  setInode,
  summaryOf,
  summaryOfInode,
  versionIdOf,
} from './objects.ts';
import { wallMs } from './path.ts';
import type { Place } from './path.ts';

/** Where the versions of a key are. */
export interface Slot {
  readonly bucket: Bucket;
  readonly parent: InodeId;
  readonly name: Uint8Array;
}

/** A version with what conditions and overwrites need to know of it. */
export interface ObjectVersion {
  readonly entry: EntryRow;
  readonly summary: Summary;
}

export const isMarker = (entry: EntryRow): boolean => entry.deleteMarker === true;

// --- reading ---------------------------------------------------------------------------------------------

/** The entry of a version, of the newest one when none is named. What it reads may change between its reads:
 *  for transactions. */
export async function findEntry(
  reader: MetaReader,
  slot: Slot,
  versionId?: string,
): Promise<EntryRow | undefined> {
  const row = await reader.get(entryKey(slot.parent, slot.name));
  const entry = row === undefined ? undefined : decodeRow(EntryRow, row);
  if (slot.bucket.versioning === undefined) {
    return entry === undefined || !isNamed(entry, versionId) ? undefined : entry;
  }
  const newest = entry ?? (await newestRow(reader, slot));
  if (newest === undefined || isNamed(newest, versionId)) return newest;
  return findOlder(reader, slot, newest, versionId as string);
}

/** The same without a transaction: the object itself takes one read, anything else a transaction. */
export async function lookUp(
  context: NamespaceContext,
  slot: Slot,
  versionId: string | undefined,
): Promise<EntryRow | undefined> {
  const { store } = context;
  const row = await store.get(entryKey(slot.parent, slot.name));
  const entry = row === undefined ? undefined : decodeRow(EntryRow, row);
  if (entry !== undefined && isNamed(entry, versionId)) return entry;
  if (slot.bucket.versioning === undefined) return undefined;
  return store.transact((transaction) => findEntry(transaction, slot, versionId));
}

function isNamed(entry: EntryRow, versionId: string | undefined): boolean {
  return versionId === undefined || versionId === versionIdOf(entry);
}

/** The newest V row of a key. */
async function newestRow(reader: MetaReader, slot: Slot): Promise<EntryRow | undefined> {
  const [found] = await reader.range({ ...versionsRange(slot.parent, slot.name), limit: 1 });
  return found === undefined ? undefined : decodeRow(EntryRow, found[1]);
}

async function findOlder(
  reader: MetaReader,
  slot: Slot,
  newest: EntryRow,
  versionId: string,
): Promise<EntryRow | undefined> {
  const version = versionId === nullVersionId ? newest.nullVersionAt : parseVersion(versionId);
  if (version === undefined) return undefined;
  const row = await reader.get(versionKey(slot.parent, slot.name, version));
  const entry = row === undefined ? undefined : decodeRow(EntryRow, row);
  return entry !== undefined && isNamed(entry, versionId) ? entry : undefined;
}

/** A version of the key that a transaction located; the newest one, which may be a delete marker, when none is
 *  named. */
export async function readVersion(
  transaction: MetaTransaction,
  place: Place,
  versionId?: string,
): Promise<ObjectVersion | undefined> {
  if (place.missing.length > 0) return undefined;
  const entry = await findEntry(transaction, slotOf(place), versionId);
  return entry === undefined ? undefined : { entry, summary: await summaryOf(transaction, entry) };
}

export function slotOf({ bucket, parent, path }: Place): Slot {
  return { bucket, parent, name: path.name };
}

/** What a reader finds missing. */
export function notFound(versionId: string | undefined): CoreError {
  return versionId === undefined || versionId === nullVersionId
    ? new CoreError('KEY_NOT_FOUND', 'no such object')
    : new CoreError('VERSION_NOT_FOUND', `no version ${versionId.slice(0, 64)} of the object`);
}

/** @throws KEY_NOT_FOUND when the newest version is a delete marker, DELETE_MARKER when the named one is */
export function checkNoMarker(entry: EntryRow, versionId: string | undefined): void {
  if (!isMarker(entry)) return;
  if (versionId === undefined) throw new CoreError('KEY_NOT_FOUND', 'the object was deleted');
  throw new CoreError('DELETE_MARKER', `version ${versionId} is a delete marker`);
}

/** The object that conditions of writes see: a delete marker is none. */
export function summaryForWrite(newest: ObjectVersion | undefined): Summary | undefined {
  return newest === undefined || isMarker(newest.entry) ? undefined : newest.summary;
}

// --- writing ---------------------------------------------------------------------------------------------

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

export interface Written {
  readonly versionId: string;
  readonly modifiedMs: number;
}

/** Puts entry, inode and reference of an object as the newest version. The caller has read `newest` in this
 *  transaction, and the content's own rows are in it or durable. */
export async function setObject(
  context: NamespaceContext,
  transaction: MetaTransaction,
  slot: Slot,
  newest: ObjectVersion | undefined,
  object: NewObject,
): Promise<Written> {
  const { parent, name } = slot;
  const stamp = stampOf(context, slot, newest);
  const row: InodeRow = {
    kind: entryKind.file,
    parent,
    name,
    links: 1,
    sealed: true,
    sizeBytes: object.sizeBytes,
    ...stamp,
    etag: object.etag,
    content: object.content ?? 0,
    inline: object.inline,
    checksum: object.checksum,
    attributes: object.attributes,
    partCount: object.partCount,
  };
  const entry: EntryRow = {
    kind: entryKind.file,
    inode: object.inode,
    summary: summaryOfInode(row),
    version: row.version,
    nullVersion: row.nullVersion,
  };
  const nullVersionAt = await setAside(context, transaction, slot, newest);
  if (nullVersionAt !== undefined) entry.nullVersionAt = nullVersionAt;
  transaction.set(entryKey(parent, name), encodeRow(EntryRow, entry));
  setInode(transaction, object.inode, row);
  if (object.content !== undefined) setContentReference(transaction, object.content, object.inode);
  return { versionId: versionIdOf(row), modifiedMs: row.modifiedMs };
}

/** Puts a delete marker as the newest version; answers its id. */
export async function setDeleteMarker(
  context: NamespaceContext,
  transaction: MetaTransaction,
  slot: Slot,
  newest: ObjectVersion | undefined,
): Promise<string> {
  const { parent, name } = slot;
  const { modifiedMs, version, nullVersion } = stampOf(context, slot, newest);
  const entry: EntryRow = {
    kind: entryKind.file,
    inode: 0,
    summary: { sizeBytes: 0, modifiedMs, etag: '', content: 0 },
    version,
    nullVersion,
    deleteMarker: true,
  };
  const nullVersionAt = await setAside(context, transaction, slot, newest);
  if (nullVersionAt !== undefined) entry.nullVersionAt = nullVersionAt;
  if (newest !== undefined && !isMarker(newest.entry)) transaction.delete(entryKey(parent, name));
  transaction.set(versionKey(parent, name, version), encodeRow(EntryRow, entry));
  return versionIdOf(entry);
}

interface Stamp {
  readonly modifiedMs: number;
  readonly version: number;
  readonly nullVersion: boolean;
}

/** Times and versions of a key never run backwards, whatever the wall clock does. */
function stampOf(
  context: NamespaceContext,
  { bucket }: Slot,
  newest: ObjectVersion | undefined,
): Stamp {
  const now = wallMs(context);
  return {
    modifiedMs: Math.max(now, newest?.summary.modifiedMs ?? 0),
    version: context.versionNumbers.next(now, newest?.entry.version ?? 0),
    nullVersion: bucket.versioning !== bucketVersioning.enabled,
  };
}

/** Makes room for a new newest version, whose D or V row the caller writes: the present one joins the older ones
 *  or is replaced. A new null version replaces the one before, wherever it is. Answers the number of the null
 *  version among those that are the older ones then. */
async function setAside(
  context: NamespaceContext,
  transaction: MetaTransaction,
  slot: Slot,
  newest: ObjectVersion | undefined,
): Promise<number | undefined> {
  if (newest === undefined) return undefined;
  const { entry } = newest;
  const replacesNull = slot.bucket.versioning !== bucketVersioning.enabled;
  if (entry.nullVersion && replacesNull) {
    dropVersion(context, transaction, slot, newest, 'D');
    return undefined;
  }
  if (!isMarker(entry)) setOlder(transaction, slot, entry);
  if (entry.nullVersion) return entry.version;
  if (!replacesNull) return entry.nullVersionAt;
  if (entry.nullVersionAt !== undefined) await dropNull(context, transaction, slot, entry);
  return undefined;
}

function setOlder(transaction: MetaTransaction, { parent, name }: Slot, entry: EntryRow): void {
  mark('version.older');
  const older = keepUnknown(entry, { ...entry });
  delete older.nullVersionAt;
  transaction.set(versionKey(parent, name, entry.version), encodeRow(EntryRow, older));
}

/** Drops the null version among the older ones. */
async function dropNull(
  context: NamespaceContext,
  transaction: MetaTransaction,
  slot: Slot,
  newest: EntryRow,
): Promise<void> {
  mark('version.null-replaced');
  const entry = await findOlder(transaction, slot, newest, nullVersionId);
  if (entry === undefined) throw new CoreError('CORRUPT', 'the null version is missing; run fsck');
  const version = { entry, summary: await summaryOf(transaction, entry) };
  dropVersion(context, transaction, slot, version, 'V');
}

/** Removes the row of a version and its inode. */
function dropVersion(
  context: NamespaceContext,
  transaction: MetaTransaction,
  { parent, name }: Slot,
  { entry, summary }: ObjectVersion,
  row: 'D' | 'V',
): void {
  const inV = row === 'V' || isMarker(entry);
  transaction.delete(inV ? versionKey(parent, name, entry.version) : entryKey(parent, name));
  if (isMarker(entry)) return;
  dropInode(context, transaction, id<InodeId>(entry.inode), summary.content);
}

/** Removes a version for good. Of the newest one the next older one takes the place. */
export async function removeVersion(
  context: NamespaceContext,
  transaction: MetaTransaction,
  slot: Slot,
  newest: EntryRow,
  target: ObjectVersion,
): Promise<void> {
  const isNewest = target.entry.version === newest.version;
  dropVersion(context, transaction, slot, target, isNewest ? 'D' : 'V');
  if (slot.bucket.versioning === undefined) return;
  if (isNewest) await raiseNext(transaction, slot, newest.nullVersionAt);
  else if (target.entry.nullVersion) setNewest(transaction, slot, newest, undefined);
}

/** The newest V row becomes the newest version. */
async function raiseNext(
  transaction: MetaTransaction,
  slot: Slot,
  nullVersionAt: number | undefined,
): Promise<void> {
  const next = await newestRow(transaction, slot);
  if (next === undefined) return;
  mark('version.raised');
  if (!isMarker(next)) transaction.delete(versionKey(slot.parent, slot.name, next.version));
  setNewest(transaction, slot, next, next.nullVersion ? undefined : nullVersionAt);
}

/** Writes the row of the newest version, which alone says where the null version is. */
function setNewest(
  transaction: MetaTransaction,
  { parent, name }: Slot,
  entry: EntryRow,
  nullVersionAt: number | undefined,
): void {
  const row = keepUnknown(entry, { ...entry });
  if (nullVersionAt === undefined) delete row.nullVersionAt;
  else row.nullVersionAt = nullVersionAt;
  const key = isMarker(entry) ? versionKey(parent, name, entry.version) : entryKey(parent, name);
  transaction.set(key, encodeRow(EntryRow, row));
}
