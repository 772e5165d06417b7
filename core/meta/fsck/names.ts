// From numbers to what a person knows: the bucket and key of an inode, and the objects that a content or a blob
// belongs to. Best effort on damaged metadata: says as much as the rows still tell.

import { Buffer } from 'node:buffer';
import { asBuffer } from '../../base/bytes.ts';
import { isCoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import { decodeReferenceKey, inodeKey, referencesRange } from '../keys.ts';
import type { Referent, Referrer } from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import { rootInode } from '../namespace/context.ts';
import { InodeRow, decodeRow } from '../rows.ts';
import type { Subject } from './finding.ts';

/** A key has at most 1,024 bytes, so at most that many directories; more is a loop. */
const levelsMax = 1_100;
/** Objects named of a content or blob that many share. */
const namesMax = 3;

/** Where the subject is, for people. */
export async function whereOf(reader: MetaReader, subject: Subject): Promise<string> {
  try {
    return await resolve(reader, subject);
  } catch (error) {
    if (!isCoreError(error)) throw error;
    return plain(subject);
  }
}

function resolve(reader: MetaReader, subject: Subject): Promise<string> | string {
  switch (subject.kind) {
    case 'entry':
      return entryPath(reader, subject.parent, subject.name);
    case 'inode':
      return inodePath(reader, subject.inode);
    case 'content':
    case 'blob':
      return ownersOf(reader, subject);
    case 'upload':
    case 'row':
    case 'text':
      return plain(subject);
  }
}

function plain(subject: Subject): string {
  switch (subject.kind) {
    case 'entry':
      return `${quoted([subject.name])} in directory ${subject.parent}`;
    case 'inode':
      return `inode ${subject.inode}`;
    case 'content':
      return `content ${subject.content}`;
    case 'blob':
      return `blob ${subject.blob}`;
    case 'upload':
      return `upload ${subject.upload}`;
    case 'row':
      return `row ${asBuffer(subject.key).toString('hex')}`;
    case 'text':
      return subject.text;
  }
}

async function inodePath(reader: MetaReader, inode: InodeId): Promise<string> {
  const row = await reader.get(inodeKey(inode));
  if (row === undefined) return `inode ${inode}`;
  const { parent, name } = decodeRow(InodeRow, row);
  return `${await entryPath(reader, id<InodeId>(parent), name)} (inode ${inode})`;
}

async function entryPath(reader: MetaReader, parent: InodeId, name: Uint8Array): Promise<string> {
  const names = [name];
  let directory = parent;
  for (let level = 0; level < levelsMax && directory !== rootInode; level++) {
    // oxlint-disable-next-line no-await-in-loop -- each level names the next
    const row = await reader.get(inodeKey(directory));
    if (row === undefined) break;
    const above = decodeRow(InodeRow, row);
    names.unshift(above.name);
    directory = id<InodeId>(above.parent);
  }
  const path = quoted(names);
  return directory === rootInode ? path : `${path} in directory ${directory}`;
}

/** In quotes, so that a key with blanks or control characters stays one line and one word. */
function quoted(names: readonly Uint8Array[]): string {
  const text = JSON.stringify(Buffer.concat(names).toString());
  return text.replaceAll(/[\u007f-\u009f\u2028-\u202e]/g, '\ufffd');
}

async function ownersOf(reader: MetaReader, referent: Referent): Promise<string> {
  const number = plain(referent);
  const range = { ...referencesRange(referent), limit: namesMax + 1 };
  const owners = (await reader.range(range)).map(([key]) => decodeReferenceKey(key).referrer);
  if (owners.length === 0) return number;
  const names = await Promise.all(
    owners.slice(0, namesMax).map((owner) => ownerName(reader, owner)),
  );
  const more = owners.length > namesMax ? ' and others' : '';
  return `${names.join(', ')}${more} (${number})`;
}

async function ownerName(reader: MetaReader, owner: Referrer): Promise<string> {
  switch (owner.kind) {
    case 'inode':
      return inodePath(reader, owner.inode);
    case 'content':
      return ownersOf(reader, owner);
    case 'upload':
      return `upload ${owner.upload}`;
    case 'pin':
    case 'none':
      return 'an operation under way';
  }
}
