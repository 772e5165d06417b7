// From keys to places: a key is a chain of directory names (each with its slash) and a last name without one,
// possibly empty. Resolves chains inside transactions with the conflicts that design 5 asks for, and makes
// missing parents. Every byte string is a legal chain; what a file shows of it is names.ts of core/model/files.

import { Buffer } from 'node:buffer';
import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import { entryKey, existenceKey, garbageKey, inodeKey, moveKey, slash } from '../keys.ts';
import type { MetaReader, MetaStore, MetaTransaction } from '../meta-store.ts';
import {
  EntryRow,
  GarbageRow,
  InodeRow,
  decodeRow,
  emptyRow,
  encodeRow,
  entryKind,
} from '../rows.ts';
import { beginWrite } from './context.ts';
import type { Bucket, NamespaceContext, WriteRequest } from './context.ts';

export interface KeyPath {
  /** Each ends with a slash. */
  readonly directories: readonly Buffer[];
  readonly name: Buffer;
}

export function splitKey(key: Uint8Array): KeyPath {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  const directories: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(slash); end >= 0; end = bytes.indexOf(slash, start)) {
    directories.push(bytes.subarray(start, end + 1));
    start = end + 1;
  }
  return { directories, name: bytes.subarray(start) };
}

/** How far a chain of directories exists. */
interface Walk {
  /** The last directory that exists. */
  readonly parent: InodeId;
  /** The first directory that does not; the count of directories when all do. */
  readonly missingFrom: number;
}

async function walk(
  reader: MetaReader,
  from: InodeId,
  directories: readonly Buffer[],
): Promise<Walk> {
  let parent = from;
  for (const [at, name] of directories.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- each level names the next
    const row = await reader.get(entryKey(parent, name));
    if (row === undefined) return { parent, missingFrom: at };
    parent = directoryOf(row);
  }
  return { parent, missingFrom: directories.length };
}

/** As with buckets (context.ts): directories on the way to many keys are decoded once while they are in memory. */
const decodedDirectories = new WeakMap<Uint8Array, InodeId>();

function directoryOf(row: Uint8Array): InodeId {
  let inode = decodedDirectories.get(row);
  if (inode === undefined) {
    inode = id<InodeId>(decodeRow(EntryRow, row).inode);
    decodedDirectories.set(row, inode);
  }
  return inode;
}

/** The directory that holds a key's entry; undefined when it does not exist. No conflicts: for reads. */
export async function findParent(
  reader: MetaReader,
  bucket: Bucket,
  path: KeyPath,
): Promise<InodeId | undefined> {
  const { parent, missingFrom } = await walk(reader, bucket.inode, path.directories);
  return missingFrom === path.directories.length ? parent : undefined;
}

/** Where a key's entry is or would be, inside a transaction. */
export interface Place {
  readonly bucket: Bucket;
  readonly path: KeyPath;
  readonly parent: InodeId;
  /** Directories of the path that do not exist yet, in order. */
  readonly missing: readonly Buffer[];
}

/** Resolves the directories of `path` with every entry of it in the conflict set; beyond 32 levels the bucket's
 *  move row stands for them. The last existing directory's existence row is in the set in either case. */
export async function locate(
  transaction: MetaTransaction,
  bucket: Bucket,
  path: KeyPath,
): Promise<Place> {
  const deep = path.directories.length > limits.pathConflictLevelsMax;
  if (deep) {
    mark('path.deep');
    transaction.conflict(moveKey(bucket.inode));
  }
  const reader = deep ? transaction.snapshot : transaction;
  const found = await walk(reader, bucket.inode, path.directories);
  const missing = path.directories.slice(found.missingFrom);
  const [existence, absent] = await transaction.getMany([
    existenceKey(found.parent),
    ...missing.slice(0, 1).map((name) => entryKey(found.parent, name)),
  ]);
  // Removed or made between the reads: the transaction saw two states and begins again.
  if (existence === undefined || absent !== undefined) {
    mark('path.moved');
    throw new CoreError('CONFLICT', 'a directory of the path changed');
  }
  return { bucket, path, parent: found.parent, missing };
}

/** A path needs more new directories than one transaction holds: make them first. */
export class ParentsMissing extends Error {
  override readonly name = 'ParentsMissing';
}

/** Makes the missing directories of a place; answers the directory for the entry itself.
 *  @throws ParentsMissing when they are too many for one transaction */
export async function makeMissing(
  context: NamespaceContext,
  transaction: MetaTransaction,
  place: Place,
): Promise<InodeId> {
  if (place.missing.length > limits.directoriesPerTransactionMax) throw new ParentsMissing();
  return makeDirectories(context, transaction, place.parent, place.missing);
}

async function makeDirectories(
  context: NamespaceContext,
  transaction: MetaTransaction,
  from: InodeId,
  names: readonly Buffer[],
): Promise<InodeId> {
  let parent = from;
  for (const name of names) {
    // oxlint-disable-next-line no-await-in-loop -- each level is named by the one above
    const directory = await context.numbers.inode();
    setDirectory(transaction, parent, name, directory);
    parent = directory;
  }
  return parent;
}

function setDirectory(
  transaction: MetaTransaction,
  parent: InodeId,
  name: Buffer,
  directory: InodeId,
): void {
  const entry: EntryRow = {
    kind: entryKind.directory,
    inode: directory,
    version: 0,
    nullVersion: false,
  };
  transaction.set(entryKey(parent, name), encodeRow(EntryRow, entry));
  transaction.set(inodeKey(directory), encodeRow(InodeRow, directoryInode(parent, name)));
  transaction.set(existenceKey(directory), emptyRow);
}

export function directoryInode(parent: InodeId, name: Uint8Array): InodeRow {
  return {
    kind: entryKind.directory,
    parent,
    name,
    links: 1,
    sealed: false,
    sizeBytes: 0,
    modifiedMs: 0,
    etag: '',
    version: 0,
    nullVersion: false,
    content: 0,
    partCount: 0,
  };
}

/** Makes the parents of a deep path top-down in bounded transactions. Each leaves word for the janitor, in case
 *  nothing is ever put into them. */
async function makeParents(
  context: NamespaceContext,
  request: WriteRequest,
  bucketName: string,
  path: KeyPath,
): Promise<void> {
  mark('path.parents');
  for (let left = true; left;) {
    // oxlint-disable-next-line no-await-in-loop -- top-down
    left = await context.store.transact(async (transaction) => {
      const [bucket] = await beginWrite(transaction, request, [bucketName]);
      const place = await locate(transaction, bucket as Bucket, path);
      const names = place.missing.slice(0, limits.directoriesPerTransactionMax);
      if (names.length === 0) return false;
      const directory = await makeDirectories(context, transaction, place.parent, names);
      queueDirectory(context, transaction, directory);
      return place.missing.length > limits.directoriesPerTransactionMax;
    });
  }
}

/** `transact` for a body that makes the missing parents of a key: those that are too many for its transaction
 *  are made before it. */
export function transactWithParents(
  context: NamespaceContext,
  request: WriteRequest,
  target: { readonly bucket: string; readonly path: KeyPath },
): MetaStore['transact'] {
  return (body, options) =>
    withParents(context, request, target, () => context.store.transact(body, options));
}

async function withParents<T>(
  context: NamespaceContext,
  request: WriteRequest,
  target: { readonly bucket: string; readonly path: KeyPath },
  run: () => Promise<T>,
): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- attempts follow one another
      return await run();
    } catch (error) {
      if (!(error instanceof ParentsMissing)) throw error;
      if (attempts > parentAttemptsMax) {
        throw new CoreError('BUSY', 'the parents of the key vanish as they are made; try again');
      }
      // oxlint-disable-next-line no-await-in-loop
      await makeParents(context, request, target.bucket, target.path);
    }
  }
}

/** The janitor may remove new parents between making and using them, but not for ever. */
const parentAttemptsMax = 8;

/** Word for the janitor that a directory may be an empty implicit one. Blind. */
export function queueDirectory(
  context: NamespaceContext,
  transaction: MetaTransaction,
  directory: InodeId,
): void {
  const queued = encodeRow(GarbageRow, { queuedMs: wallMs(context) });
  transaction.set(garbageKey({ kind: 'directory', directory }), queued);
}

export function wallMs(context: NamespaceContext): number {
  return Math.max(0, Math.floor(context.clock.wallMs()));
}
