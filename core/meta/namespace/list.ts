// Listings: keys and common prefixes in byte order. With the delimiter '/' a page comes from one directory
// level; a common prefix is shown only when a key exists below it. Any other delimiter skips behind each
// common prefix by a seek. Answers come from the entries' summaries alone.

import { Buffer } from 'node:buffer';
import { asBuffer, compareBytes, prefixEnd } from '../../base/bytes.ts';
import type { InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import { mark } from '../../base/mark.ts';
import { mapParallel } from '../../base/parallel.ts';
import type * as calls from '../calls.ts';
import { decodeEntryKey, entriesRange, slash } from '../keys.ts';
import { ListedObjects } from '../listed-objects.ts';
import { ListPage } from '../messages.ts';
import type { ListedObject } from '../messages.ts';
import type { MetaEntry, MetaReader } from '../meta-store.ts';
import { EntryRow, decodeRow } from '../rows.ts';
import { readBucket } from './context.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { KeyScan, Level, inodeOfEntry, keyOf, startsWith } from './key-scan.ts';
import { standardClass, summaryOf } from './objects.ts';
import { findParent, splitKey } from './path.ts';

export type ListRequest = MessageOf<(typeof calls.listObjects)['request']>;

/** An item of a page: a key (directory and name) with its row, or a common prefix. */
export interface ListItem {
  readonly path: Buffer;
  readonly name: Buffer;
  readonly row: Uint8Array | undefined;
}

const nothing = Buffer.alloc(0);

export interface Grouping {
  readonly prefix: Buffer;
  readonly delimiter: Buffer;
}

/** The common prefix that `key` falls under; undefined when it is an item of its own. */
export function groupOf({ prefix, delimiter }: Grouping, key: Buffer): Buffer | undefined {
  if (delimiter.length === 0) return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.subarray(0, at + delimiter.length);
}

/** Where a page that follows `after` begins; undefined when nothing can follow. A marker inside a common prefix
 *  stands behind the whole of it, since items are shown strictly after it. */
export function startOf(grouping: Grouping, after: Uint8Array | undefined): Buffer | undefined {
  const { prefix } = grouping;
  if (after === undefined || compareBytes(after, prefix) < 0) return prefix;
  const marker = asBuffer(after);
  if (!startsWith(marker, prefix)) return undefined;
  const group = groupOf(grouping, marker);
  return group === undefined ? Buffer.concat([marker, Buffer.of(0)]) : endOfGroup(group);
}

/** The first key behind a common prefix; undefined when none can be. */
export function endOfGroup(group: Uint8Array): Buffer | undefined {
  return prefixEnd(group);
}

// --- pages of items ------------------------------------------------------------------------------------

/** Items from `start` on, at most `count`. */
async function itemsFrom(
  reader: MetaReader,
  bucket: Bucket,
  grouping: Grouping,
  start: Buffer,
  count: number,
): Promise<ListItem[]> {
  const base = await baseOf(reader, bucket, grouping.prefix);
  if (base === undefined) return [];
  const { delimiter } = grouping;
  if (delimiter.length === 1 && delimiter[0] === slash) {
    return levelItems(reader, base, start.subarray(base.path.length), count);
  }
  return scannedItems(new KeyScan(reader, base, count), grouping, start, count);
}

/** The directory that holds every key of a prefix, its path, and the rest of the prefix. */
export interface Base {
  readonly directory: InodeId;
  readonly path: Buffer;
  readonly prefix: Buffer;
}

export async function baseOf(
  reader: MetaReader,
  bucket: Bucket,
  wanted: Buffer,
): Promise<Base | undefined> {
  const { directories, name: prefix } = splitKey(wanted);
  const directory = await findParent(reader, bucket, { directories, name: prefix });
  return directory && { directory, path: Buffer.concat(directories), prefix };
}

async function scannedItems(
  scan: KeyScan,
  grouping: Grouping,
  start: Buffer,
  count: number,
): Promise<ListItem[]> {
  const items: ListItem[] = [];
  await scan.skipTo(start);
  while (items.length < count) {
    // oxlint-disable-next-line no-await-in-loop -- waits only when a page is used up
    const found = scan.known() ?? (await scan.next());
    if (found === undefined) break;
    const group = grouping.delimiter.length === 0 ? undefined : groupOf(grouping, keyOf(found));
    items.push(group === undefined ? found : { path: nothing, name: group, row: undefined });
    if (group === undefined) continue;
    const behind = endOfGroup(group);
    if (behind === undefined) break;
    mark('list.skip');
    // oxlint-disable-next-line no-await-in-loop
    await scan.skipTo(behind);
  }
  return items;
}

/** Entries looked at together, and directories in which a key is sought at the same time. */
const levelBatch = 256;
const soughtParallel = 16;

/** The delimiter '/': one level of directories. */
async function levelItems(
  reader: MetaReader,
  base: Base,
  startName: Buffer,
  count: number,
): Promise<ListItem[]> {
  const names = { from: startName, to: prefixEnd(base.prefix) };
  const level = new Level(reader, base.directory, base.path, names);
  const items: ListItem[] = [];
  while (items.length < count) {
    // oxlint-disable-next-line no-await-in-loop -- page after page
    if (level.current === undefined) await level.read(count - items.length);
    const batch = level.ahead().slice(0, Math.min(levelBatch, count - items.length));
    if (batch.length === 0) break;
    const directories = batch.filter(isDirectoryEntry).map(([, row]) => inodeOfEntry(row));
    // oxlint-disable-next-line no-await-in-loop
    const occupied = await occupiedOf(reader, directories);
    for (const entry of batch) {
      level.pass();
      const item = { path: base.path, name: decodeEntryKey(entry[0]).name };
      if (!isDirectoryEntry(entry)) items.push({ ...item, row: entry[1] });
      else if (occupied.has(inodeOfEntry(entry[1]))) items.push({ ...item, row: undefined });
    }
    if (level.exhausted) break;
  }
  return items;
}

function isDirectoryEntry([key]: MetaEntry): boolean {
  return key[key.length - 1] === slash && key.length > entryNameStart;
}

/** D key: letter and parent before the name. */
const entryNameStart = 9;

/** The directories that have a key somewhere below. */
async function occupiedOf(
  reader: MetaReader,
  directories: readonly InodeId[],
): Promise<Set<InodeId>> {
  if (directories.length === 0) return new Set();
  const firsts = await reader.rangeMany(
    directories.map((directory) => ({ ...entriesRange(directory), limit: 1 })),
  );
  const found = await mapParallel(directories, soughtParallel, async (directory, at) => {
    const first = firsts[at]?.[0];
    if (first === undefined) return false;
    return isDirectoryEntry(first) ? holdsKey(reader, directory) : true;
  });
  return new Set(directories.filter((_, at) => found[at]));
}

/** True when a key exists somewhere below a directory. */
export async function holdsKey(reader: MetaReader, directory: InodeId): Promise<boolean> {
  const scan = new KeyScan(reader, { directory, path: nothing, prefix: nothing }, 1);
  return (await scan.next()) !== undefined;
}

// --- the calls -------------------------------------------------------------------------------------------

/** The answer's payload: an encoded ListPage in parts. */
export async function listObjects(
  context: NamespaceContext,
  request: ListRequest,
): Promise<Uint8Array[]> {
  const bucket = await readBucket(context.store, request.who, request.bucket);
  const { items, next } = await pageOf(context, bucket, request);
  const objects = new ListedObjects(objectBytesTypical * items.length);
  const commonPrefixes: Buffer[] = [];
  for (const item of items) {
    const { path, name, row } = item;
    if (row === undefined) commonPrefixes.push(keyOf(item));
    else if (!objects.addEntry(path, name, row)) {
      const entry = decodeRow(EntryRow, row);
      // oxlint-disable-next-line no-await-in-loop -- only for objects that are being written as files
      objects.add(await listedObject(context.store, keyOf(item), entry));
    }
  }
  const rest: ListPage = { objects: [], commonPrefixes, bucketOwner: bucket.owner };
  if (next !== undefined) rest.next = next;
  return [objects.finish(), ListPage.encode(rest)];
}

/** Of a listed object with its key; more room is made where it is needed. */
const objectBytesTypical = 160;

interface Page {
  readonly items: readonly ListItem[];
  /** The last item of a truncated page. */
  readonly next: Buffer | undefined;
}

async function pageOf(
  context: NamespaceContext,
  bucket: Bucket,
  request: ListRequest,
): Promise<Page> {
  const grouping = { prefix: asBuffer(request.prefix), delimiter: asBuffer(request.delimiter) };
  const limit = Math.min(request.limit, limits.listKeysMax);
  const start = startOf(grouping, request.after);
  if (limit === 0 || start === undefined) return { items: [], next: undefined };
  // One more than asked for, to know whether there are more.
  const items = await itemsFrom(context.store, bucket, grouping, start, limit + 1);
  if (items.length <= limit) return { items, next: undefined };
  return { items: items.slice(0, limit), next: keyOf(items[limit - 1] as ListItem) };
}

/** The same page, each object with what `shape` adds. */
export async function list(
  context: NamespaceContext,
  bucket: Bucket,
  request: ListRequest,
  shape: (object: ListedObject, entry: EntryRow) => ListedObject,
): Promise<ListPage> {
  const page: ListPage = { objects: [], commonPrefixes: [], bucketOwner: bucket.owner };
  const { items, next } = await pageOf(context, bucket, request);
  for (const item of items) {
    if (item.row === undefined) page.commonPrefixes.push(keyOf(item));
    else {
      const entry = decodeRow(EntryRow, item.row);
      // oxlint-disable-next-line no-await-in-loop -- an await only for objects that are being written as files
      page.objects.push(shape(await listedObject(context.store, keyOf(item), entry), entry));
    }
  }
  if (next !== undefined) page.next = next;
  return page;
}

export async function listedObject(
  reader: MetaReader,
  key: Buffer,
  entry: EntryRow,
): Promise<ListedObject> {
  const summary = entry.summary ?? (await summaryOf(reader, entry));
  return {
    key,
    sizeBytes: summary.sizeBytes,
    etag: summary.etag,
    lastModifiedMs: summary.modifiedMs,
    storageClass: summary.storageClass ?? standardClass,
    owner: summary.owner,
    checksumAlgorithm: summary.checksumAlgorithm,
    checksumType: summary.checksumType,
    content: summary.content,
  };
}
