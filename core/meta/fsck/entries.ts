// fsck of names: entries against inodes and directories, both ways, with the rows of buckets. Each check reads
// a handful of rows, so one transaction proves it.

import { Buffer } from 'node:buffer';
import { id } from '../../base/ids.ts';
import type { ContentId, InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import * as k from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import { bucketEntryKey, rootInode } from '../namespace/context.ts';
import { readInode } from '../namespace/objects.ts';
import { EntryRow, InodeRow, OwnerBucketRow, decodeRow, entryKind } from '../rows.ts';
import { compare } from './entry-inode.ts';
import { FoundList } from './finding.ts';
import type { Found } from './finding.ts';
import { checkNullVersion, checkVersion } from './versions.ts';
import type { RowCheck, Walk } from './walk.ts';

export async function checkNames(walk: Walk): Promise<void> {
  const directories = new Reachable();
  await walk.rows('entries', k.spaceRange(k.space.entry), checkEntry);
  await walk.rows('versions', k.spaceRange(k.space.version), checkVersion);
  await walk.rows('inodes', k.spaceRange(k.space.inode), (reader, row) =>
    checkInode(reader, row, directories),
  );
  await walk.rows('directories', k.spaceRange(k.space.existence), checkExistence);
  await walk.rows('buckets', k.spaceRange(k.space.ownerBucket), checkOwnerBucket);
  await walk.rows('settings', k.spaceRange(k.space.setting), checkSetting);
}

// --- entries ---------------------------------------------------------------------------------------------

const checkEntry: RowCheck = async (reader, [key, value]) => {
  const { parent, name } = k.decodeEntryKey(key);
  const entry = decodeRow(EntryRow, value);
  const found = new FoundList({ kind: 'entry', parent, name });
  const number = id<InodeId>(entry.inode);
  const [existence, row] = await reader.getMany([k.existenceKey(parent), k.inodeKey(number)]);
  if (parent === rootInode) await checkBucket(reader, name, entry, found);
  else
    found.unless(
      existence !== undefined,
      'entry-without-directory',
      `directory ${parent} is missing`,
    );
  if (row === undefined) found.add('entry-without-inode', `inode ${number} is missing`);
  else compare(parent, name, entry, decodeRow(InodeRow, row), found);
  if (entry.nullVersionAt !== undefined) {
    await checkNullVersion(reader, { parent, name }, entry.nullVersionAt, found);
  }
  return found.list;
};

async function checkBucket(
  reader: MetaReader,
  name: Buffer,
  entry: EntryRow,
  found: FoundList,
): Promise<void> {
  const { bucket } = entry;
  if (bucket === undefined) {
    found.add('entry-differs', 'it is no bucket');
    return;
  }
  const text = name.toString('utf8', 0, name.length - 1);
  const row = await reader.get(k.ownerBucketKey(bucket.owner.id, text));
  const listed = row !== undefined && decodeRow(OwnerBucketRow, row).inode === entry.inode;
  found.unless(listed, 'bucket-owner-differs', 'the list of its owner lacks it');
}

// --- inodes ----------------------------------------------------------------------------------------------

async function checkInode(
  reader: MetaReader,
  [key, value]: readonly [Uint8Array, Uint8Array],
  directories: Reachable,
): Promise<Found[]> {
  const number = id<InodeId>(k.decodeNumber(key));
  const inode = decodeRow(InodeRow, value);
  const found = new FoundList({ kind: 'inode', inode: number });
  const parent = id<InodeId>(inode.parent);
  const versions = [
    k.entryKey(parent, inode.name),
    k.versionKey(parent, inode.name, inode.version),
  ];
  const entries = await reader.getMany(versions);
  const named = entries.some(
    (row) => row !== undefined && decodeRow(EntryRow, row).inode === number,
  );
  found.unless(named, 'inode-without-entry', `directory ${parent} does not name it`);
  if (inode.kind === entryKind.directory) {
    const existence = await reader.get(k.existenceKey(number));
    found.unless(existence !== undefined, 'existence-missing', 'nothing can be put into it');
    const reached = await directories.reaches(reader, number, inode);
    found.unless(reached, 'directory-unreachable', 'no path leads to it from the root');
  } else await checkBytes(reader, number, inode, found);
  return found.list;
}

/** Inline bytes, or a content that this inode holds; the content's own pages are compared in contents.ts. */
async function checkBytes(
  reader: MetaReader,
  number: InodeId,
  inode: InodeRow,
  found: FoundList,
): Promise<void> {
  const { sizeBytes } = inode;
  if (inode.content === 0) {
    const inline = inode.inline?.length ?? 0;
    found.unless(inline === sizeBytes, 'content-incomplete', `${inline} of ${sizeBytes} bytes`);
    return;
  }
  const content = id<ContentId>(inode.content);
  const reference = k.referenceKey({ kind: 'content', content }, { kind: 'inode', inode: number });
  const [first, held] = await reader.getMany([k.extentPageKey(content, 0), reference]);
  const detail = `the first page of content ${content} is missing`;
  found.unless(first !== undefined || sizeBytes === 0, 'content-missing', detail);
  found.unless(held !== undefined, 'reference-missing', `it does not hold content ${content}`);
}

/** Climbs from directories to the root. Knows some of those that were climbed before. */
class Reachable {
  private readonly known = new Set<InodeId>([rootInode]);

  async reaches(reader: MetaReader, number: InodeId, inode: InodeRow): Promise<boolean> {
    const path = new Set([number]);
    for (let above = id<InodeId>(inode.parent); !this.known.has(above);) {
      if (path.has(above)) return false;
      path.add(above);
      // oxlint-disable-next-line no-await-in-loop -- each level names the next
      const row = await readInode(reader, above);
      if (row === undefined) return false;
      above = id<InodeId>(row.parent);
    }
    if (this.known.size + path.size > limits.fsckDirectoriesMax) this.forget();
    for (const directory of path) this.known.add(directory);
    return true;
  }

  private forget(): void {
    this.known.clear();
    this.known.add(rootInode);
  }
}

// --- existence, buckets ------------------------------------------------------------------------------------

const checkExistence: RowCheck = async (reader, [key]) => {
  const inode = id<InodeId>(k.decodeNumber(key));
  const found = new FoundList({ kind: 'inode', inode });
  const row = await readInode(reader, inode);
  const detail = `existence row of ${inode}, which is no directory`;
  found.unless(row?.kind === entryKind.directory, 'existence-superfluous', detail);
  return found.list;
};

const checkOwnerBucket: RowCheck = async (reader, [key, value]) => {
  const { owner, bucket } = k.decodeOwnerBucketKey(key);
  const { inode } = decodeRow(OwnerBucketRow, value);
  const name = Buffer.from(`${bucket}/`);
  const found = new FoundList({ kind: 'entry', parent: rootInode, name });
  const row = await reader.get(bucketEntryKey(bucket));
  const entry = row === undefined ? undefined : decodeRow(EntryRow, row);
  const same = entry?.inode === inode && entry.bucket?.owner.id === owner;
  found.unless(same, 'bucket-owner-differs', `the list of owner ${owner} has another bucket`);
  return found.list;
};

const checkSetting: RowCheck = async (reader, [key]) => {
  const inode = id<InodeId>(k.decodeNumber(key));
  const found = new FoundList({ kind: 'row', key });
  const existence = await reader.get(k.existenceKey(inode));
  found.unless(existence !== undefined, 'setting-without-bucket', `bucket ${inode} is gone`);
  return found.list;
};
