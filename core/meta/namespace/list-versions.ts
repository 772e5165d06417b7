// ListObjectVersions. A bucket that never had versioning is listed as objects are, each the null version of its
// key. Otherwise every version is an item; a page ends after any of them, and its marker is the version's number,
// which stands for a place also when that version is gone.

import { asBuffer } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import { mark } from '../../base/mark.ts';
import type * as calls from '../calls.ts';
import type { ListPage, ListedObject } from '../messages.ts';
import type { EntryRow } from '../rows.ts';
import { readBucket } from './context.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { startsWith } from './key-scan.ts';
import { baseOf, endOfGroup, groupOf, list, listedObject, startOf } from './list.ts';
import type { Grouping } from './list.ts';
import { nullVersionId, parseVersion, versionIdOf, versionText } from './objects.ts';
import { findParent, splitKey } from './path.ts';
import { VersionScan } from './version-scan.ts';
import type { ScannedVersion } from './version-scan.ts';
import { lookUp } from './versions.ts';

type Request = MessageOf<(typeof calls.listVersions)['request']>;

export async function listVersions(context: NamespaceContext, request: Request): Promise<ListPage> {
  const bucket = await readBucket(context.store, request.who, request.bucket);
  if (bucket.versioning !== undefined) return versionsPage(context, bucket, request);
  const page = await list(context, bucket, request, (object, entry) => shown(object, entry, true));
  if (page.next !== undefined) page.nextVersionId = nullVersionId;
  return page;
}

function shown(object: ListedObject, entry: EntryRow, isLatest: boolean): ListedObject {
  const deleteMarker = entry.deleteMarker === true;
  return { ...object, versionId: versionIdOf(entry), isLatest, deleteMarker };
}

/** A version, or a common prefix. */
type VersionItem = ScannedVersion | { readonly group: Buffer };

async function versionsPage(
  context: NamespaceContext,
  bucket: Bucket,
  request: Request,
): Promise<ListPage> {
  const page: ListPage = { objects: [], commonPrefixes: [], bucketOwner: bucket.owner };
  const limit = Math.min(request.limit, limits.listKeysMax);
  // One more than asked for, to know whether there are more.
  const items = limit === 0 ? [] : await itemsOf(context, bucket, request, limit + 1);
  for (const item of items.slice(0, limit)) {
    if ('group' in item) page.commonPrefixes.push(item.group);
    else {
      // oxlint-disable-next-line no-await-in-loop -- an await only for objects that are being written as files
      const object = await listedObject(context.store, item.key, item.entry);
      page.objects.push(shown(object, item.entry, item.isLatest));
    }
  }
  const last = items.length > limit ? items[limit - 1] : undefined;
  if (last === undefined) return page;
  page.next = 'group' in last ? last.group : last.key;
  page.nextVersionId = 'group' in last ? nullVersionId : versionText(last.entry.version);
  return page;
}

async function itemsOf(
  context: NamespaceContext,
  bucket: Bucket,
  request: Request,
  count: number,
): Promise<VersionItem[]> {
  const grouping = { prefix: asBuffer(request.prefix), delimiter: asBuffer(request.delimiter) };
  const start = await placeAfter(context, bucket, grouping, request);
  const base = await baseOf(context.store, bucket, grouping.prefix);
  if (start === undefined || base === undefined) return [];
  const scan = new VersionScan(context.store, base, grouping.delimiter.length === 0 ? count : 0);
  await scan.skipTo(start.key, start.below);
  const items: VersionItem[] = [];
  while (items.length < count) {
    // oxlint-disable-next-line no-await-in-loop -- waits only when a page is used up
    const found = await scan.next();
    if (found === undefined) break;
    const group = groupOf(grouping, found.key);
    items.push(group === undefined ? found : { group });
    if (group === undefined) continue;
    const behind = endOfGroup(group);
    if (behind === undefined) break;
    mark('list.skip');
    // oxlint-disable-next-line no-await-in-loop
    await scan.skipTo(behind);
  }
  return items;
}

/** A place in the order of versions: a key, and versions of it below a number. */
interface ListPlace {
  readonly key: Buffer;
  readonly below?: number | undefined;
}

/** Where a page begins; undefined when nothing can follow. A version marker counts only with a key that is an
 *  item of its own. @throws INVALID_ARGUMENT */
async function placeAfter(
  context: NamespaceContext,
  bucket: Bucket,
  grouping: Grouping,
  { after, afterVersionId }: Request,
): Promise<ListPlace | undefined> {
  const behind = startOf(grouping, after);
  if (behind === undefined || after === undefined || afterVersionId === undefined) {
    return behind && { key: behind };
  }
  const key = asBuffer(after);
  if (!startsWith(key, grouping.prefix) || groupOf(grouping, key) !== undefined) {
    return { key: behind };
  }
  return { key, below: await numberOf(context, bucket, key, afterVersionId) };
}

/** Number of a version marker. The null version may be gone: then the key is shown from its newest version on,
 *  so that none is missed. @throws INVALID_ARGUMENT */
async function numberOf(
  context: NamespaceContext,
  bucket: Bucket,
  key: Buffer,
  marker: string,
): Promise<number | undefined> {
  if (marker !== nullVersionId) {
    const version = parseVersion(marker);
    if (version !== undefined) return version;
    throw new CoreError('INVALID_ARGUMENT', 'Invalid version id specified');
  }
  const path = splitKey(key);
  const parent = await findParent(context.store, bucket, path);
  if (parent === undefined) return undefined;
  return (await lookUp(context, { bucket, parent, name: path.name }, marker))?.version;
}
