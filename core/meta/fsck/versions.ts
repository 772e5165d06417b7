// fsck of V rows: each names an inode or is a delete marker, stands behind the newest version of its key, and the null
// version of a key, of which there is one at most, is where the newest version says.

import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import * as k from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import { EntryRow, InodeRow, decodeRow } from '../rows.ts';
import { compare } from './entry-inode.ts';
import { FoundList } from './finding.ts';
import type { RowCheck } from './walk.ts';

interface EntryName {
  readonly parent: InodeId;
  readonly name: Buffer;
}

export const checkVersion: RowCheck = async (reader, [key, value]) => {
  const at = k.decodeVersionKey(key);
  const { parent, name, version } = at;
  const entry = decodeRow(EntryRow, value);
  const found = new FoundList({ kind: 'entry', parent, name });
  const inode = k.inodeKey(id<InodeId>(entry.inode));
  const [existence, row] = await reader.getMany([k.existenceKey(parent), inode]);
  const detail = `directory ${parent} of version ${version} is missing`;
  found.unless(existence !== undefined, 'entry-without-directory', detail);
  found.unless(entry.version === version, 'versions-differ', `${version} says ${entry.version}`);
  await checkOrder(reader, at, entry, found);
  if (entry.deleteMarker === true) return found.list;
  if (row !== undefined) compare(parent, name, entry, decodeRow(InodeRow, row), found);
  else found.add('entry-without-inode', `inode ${entry.inode} of a version is missing`);
  return found.list;
};

/** The newest version of a key is its D row, or else its first V row, which then is a delete marker. */
async function checkOrder(
  reader: MetaReader,
  { parent, name, version }: EntryName & { readonly version: number },
  entry: EntryRow,
  found: FoundList,
): Promise<void> {
  const row = await reader.get(k.entryKey(parent, name));
  const [first] = await reader.range({ ...k.versionsRange(parent, name), limit: 1 });
  const newestRow = row ?? first?.[1];
  // Removed since the walk read it.
  if (newestRow === undefined) return;
  const newest = decodeRow(EntryRow, newestRow);
  if (row === undefined && newest.version === version) {
    found.unless(entry.deleteMarker === true, 'versions-differ', 'the newest one has no entry');
    if (entry.nullVersionAt === undefined) return;
    await checkNullVersion(reader, { parent, name }, entry.nullVersionAt, found);
    return;
  }
  found.unless(newest.version > version, 'versions-differ', `the newest is ${newest.version}`);
  const named = !entry.nullVersion || newest.nullVersionAt === version;
  found.unless(named, 'versions-differ', 'the newest one does not name it as the null version');
}

/** What the newest version of a key says of the null version among the older ones. */
export async function checkNullVersion(
  reader: MetaReader,
  { parent, name }: EntryName,
  version: number,
  found: FoundList,
): Promise<void> {
  const row = await reader.get(k.versionKey(parent, name, version));
  const holds = row !== undefined && decodeRow(EntryRow, row).nullVersion;
  found.unless(holds, 'versions-differ', `the null version ${version} is missing`);
}
