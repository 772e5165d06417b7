// What LevelDB's MANIFEST says: a log of version edits whose sum is the set of live table files and the
// number of the oldest write-ahead log still needed. Pure.

import type { Buffer } from 'node:buffer';
import { readVarint } from './varint.ts';

export interface LevelVersion {
  /** Logs below it are leftovers. */
  logNumber: number;
  /** Size in bytes of every live table, by file number. */
  readonly tables: Map<number, number>;
}

// Tags of the fields of an edit (db/version_edit.cc).
const tag = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const;

/** Applies one edit to `version`; false when it does not decode. */
export function applyEdit(version: LevelVersion, edit: Buffer): boolean {
  const cursor = { bytes: edit, at: 0 };
  const number = (): number => readVarint(cursor) ?? NaN;
  const skipString = (): void => {
    const bytes = number();
    cursor.at += bytes;
  };
  // An unreadable number makes the cursor NaN, or its own value.
  while (cursor.at < edit.length) {
    const field = number();
    if (field === tag.logNumber) version.logNumber = number();
    else if (field === tag.nextFile || field === tag.lastSequence || field === tag.previousLog)
      number();
    else if (field === tag.comparator) skipString();
    else if (field === tag.compactPointer) {
      number();
      skipString();
    } else if (field === tag.deletedFile) {
      number();
      version.tables.delete(number());
    } else if (field === tag.newFile) {
      number();
      const file = number();
      version.tables.set(file, number());
      skipString();
      skipString();
    } else return false;
  }
  return cursor.at === edit.length;
}
