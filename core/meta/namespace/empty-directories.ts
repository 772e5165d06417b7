// Implicit directories that became empty. A DELETE only queues "maybe empty"; the removal is a transaction of
// its own that deletes the existence row and checks that no entry and no version is below, so that a PUT into
// the directory conflicts with it (design 5). An explicit directory has an entry of the empty name: not empty.

import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import { mark } from '../../base/mark.ts';
import { mapParallel } from '../../base/parallel.ts';
import {
  entriesRange,
  entryKey,
  existenceKey,
  garbageKey,
  inodeKey,
  timesKey,
  versionsRange,
} from '../keys.ts';
import type { MetaReader, MetaTransaction } from '../meta-store.ts';
import { EntryRow, InodeRow, decodeRow, entryKind } from '../rows.ts';
import type { NamespaceContext } from './context.ts';
import { rootInode } from './context.ts';
import { queueDirectory } from './path.ts';

export type Removal = 'removed' | 'kept' | 'gone';

/** Removes a directory if it is an empty implicit one, and takes its word back from the janitor's queue. */
export function removeIfEmpty(context: NamespaceContext, directory: InodeId): Promise<Removal> {
  return context.store.transact(async (transaction) => {
    transaction.delete(garbageKey({ kind: 'directory', directory }));
    const [existence, inode] = await transaction.getMany([
      existenceKey(directory),
      inodeKey(directory),
    ]);
    if (existence === undefined || inode === undefined) return 'gone';
    const { parent: parentNumber, name } = decodeRow(InodeRow, inode);
    const parent = id<InodeId>(parentNumber);
    if (parent === rootInode) return 'kept';
    if (!(await isEmpty(transaction, directory))) {
      mark('directory.kept');
      return 'kept';
    }
    mark('directory.removed');
    transaction.delete(entryKey(parent, name));
    transaction.delete(inodeKey(directory));
    transaction.delete(existenceKey(directory));
    transaction.delete(timesKey(directory));
    // A bucket stays when it is empty; anything else may have become empty by this.
    const above = await transaction.snapshot.get(inodeKey(parent));
    if (above !== undefined && decodeRow(InodeRow, above).parent !== rootInode) {
      queueDirectory(context, transaction, parent);
    }
    return 'removed';
  });
}

/** No entry and no version; both ranges enter the conflict set. */
export async function isEmpty(transaction: MetaTransaction, directory: InodeId): Promise<boolean> {
  const found = await transaction.rangeMany([
    { ...entriesRange(directory), limit: 1 },
    { ...versionsRange(directory), limit: 1 },
  ]);
  return found.every((page) => page.length === 0);
}

const sweepPage = 256;
const sweepWidth = 32;

/** Removes the empty directories below a directory, bottom-up. True when something else is left there. */
export async function removeEmptyBelow(
  context: NamespaceContext,
  directory: InodeId,
): Promise<boolean> {
  const { store } = context;
  const { from: start, to } = entriesRange(directory);
  let occupied = await hasVersions(store, directory);
  for (let from = start; !occupied;) {
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const page = await store.range({ from, to, limit: sweepPage });
    const entries = page.map(([, value]) => decodeRow(EntryRow, value));
    if (entries.some(({ kind }) => kind !== entryKind.directory)) return true;
    // oxlint-disable-next-line no-await-in-loop
    const kept = await mapParallel(entries, sweepWidth, async ({ inode }) => {
      const child = id<InodeId>(inode);
      if (await removeEmptyBelow(context, child)) return true;
      return (await removeIfEmpty(context, child)) === 'kept';
    });
    occupied = kept.includes(true);
    const last = page.at(-1);
    if (page.length < sweepPage || last === undefined) break;
    from = Buffer.concat([last[0], Buffer.of(0)]);
  }
  return occupied;
}

async function hasVersions(reader: MetaReader, directory: InodeId): Promise<boolean> {
  return (await reader.range({ ...versionsRange(directory), limit: 1 })).length > 0;
}
