// Whether an entry, a D or a V row, and the inode that it names say the same.

import { equalBytes } from '../../base/bytes.ts';
import type { InodeId } from '../../base/ids.ts';
import * as k from '../keys.ts';
import { summaryOfInode } from '../namespace/objects.ts';
import { Summary, entryKind } from '../rows.ts';
import type { EntryRow, InodeRow } from '../rows.ts';
import type { FoundList } from './finding.ts';

/** What the entry says of its inode. */
export function compare(
  parent: InodeId,
  name: Uint8Array,
  entry: EntryRow,
  inode: InodeRow,
  found: FoundList,
): void {
  const isDirectory = name.at(-1) === k.slash;
  const kind = isDirectory ? entryKind.directory : entryKind.file;
  found.unless(entry.kind === kind && inode.kind === kind, 'entry-differs', 'file or directory');
  const { summary } = entry;
  // An inode of several links names the one entry that carries its summary, if any.
  const named = isDirectory || summary !== undefined;
  const placed = inode.parent === parent && equalBytes(inode.name, name);
  const detail = `inode ${entry.inode} is at another place`;
  found.unless(placed || !named, 'entry-differs', detail);
  if (isDirectory) return;
  const sameVersion = entry.version === inode.version && entry.nullVersion === inode.nullVersion;
  found.unless(sameVersion, 'entry-differs', `inode ${entry.inode} has another version`);
  if (summary === undefined) {
    found.unless(!inode.sealed || inode.links > 1, 'entry-differs', 'it has no summary');
  } else {
    const same = Summary.encode(summary).equals(Summary.encode(summaryOfInode(inode)));
    found.unless(same, 'entry-differs', `its summary is not that of inode ${entry.inode}`);
  }
}
