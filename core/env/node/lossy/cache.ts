// What survives the kill of a process in the second model of the lossy file system: its unsynced changes, as the
// kernel's page cache would keep them. They lie in a folder of their own, written beside every change and
// taken away by syncs; the next process shows them, still unsynced (files.ts `takeOver`).
//
//   names.json    pending changes of names, and the home of each inode
//   pages-N       dirty pages of inode N, at their positions
//   map-N         records of 16 bytes: 1 + page index, or 2 + seen bytes and 3 + kept bytes

import fs from 'node:fs';
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import type { InodeCache } from './inode.ts';
import { pageBytes } from './inode.ts';
import type { NameChange } from './names.ts';

const recordBytes = 16;
const recordKinds = { page: 1, seen: 2, kept: 3 } as const;

export interface CachedNames {
  /** In order; `inode` is a number. */
  readonly pending: readonly NameChange<number>[];
  readonly homes: readonly (readonly [number: number, home: string])[];
}

export interface CachedInode {
  readonly pages: ReadonlyMap<number, Buffer>;
  readonly seenBytes: number;
  readonly keptBytes: number;
}

/** The writing side, of a process whose unsynced changes are to survive it. */
export class SurvivingCache {
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    fs.mkdirSync(folder);
    this.names({ pending: [], homes: [] });
  }

  /** Replaced whole: a kill shows the names before or after. */
  names(names: CachedNames): void {
    const path = join(this.folder, 'names.json');
    fs.writeFileSync(`${path}.tmp`, JSON.stringify(names));
    fs.renameSync(`${path}.tmp`, path);
  }

  inode(number: number): InodeCache {
    const pages = fs.openSync(join(this.folder, `pages-${number}`), 'w');
    const map = fs.openSync(join(this.folder, `map-${number}`), 'w');
    let at = 0;
    const note = (...records: (readonly [kind: number, value: number])[]): void => {
      const bytes = Buffer.alloc(records.length * recordBytes);
      for (const [index, [kind, value]] of records.entries()) {
        bytes.writeDoubleBE(kind, index * recordBytes);
        bytes.writeDoubleBE(value, index * recordBytes + 8);
      }
      fs.writeSync(map, bytes, 0, bytes.length, at);
      at += bytes.length;
    };
    return {
      page(index, bytes) {
        fs.writeSync(pages, bytes, 0, bytes.length, index * pageBytes);
        note([recordKinds.page, index]);
      },
      shape: (seen, kept) => note([recordKinds.seen, seen], [recordKinds.kept, kept]),
      synced() {
        fs.ftruncateSync(map);
        fs.ftruncateSync(pages);
        at = 0;
      },
      close() {
        fs.closeSync(map);
        fs.closeSync(pages);
      },
    };
  }
}

/** What a killed process left in `folder`; undefined when it left nothing. */
export function readCachedNames(folder: string): CachedNames | undefined {
  try {
    return JSON.parse(fs.readFileSync(join(folder, 'names.json'), 'utf8')) as CachedNames;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Of one inode; `realBytes` is the size of its real file. undefined when all of it was synced. */
export function readCachedInode(
  folder: string,
  number: number,
  realBytes: number,
): CachedInode | undefined {
  const path = join(folder, `map-${number}`);
  if (!fs.existsSync(path)) return undefined;
  const map = fs.readFileSync(path);
  const content = fs.readFileSync(join(folder, `pages-${number}`));
  const indexes = new Set<number>();
  let [seenBytes, keptBytes] = [realBytes, realBytes];
  for (let at = 0; at + recordBytes <= map.length; at += recordBytes) {
    const value = map.readDoubleBE(at + 8);
    const kind = map.readDoubleBE(at);
    if (kind === recordKinds.page) indexes.add(value);
    else if (kind === recordKinds.kept) keptBytes = value;
    else {
      seenBytes = value;
      for (const index of indexes) if (index * pageBytes >= value) indexes.delete(index);
    }
  }
  if (map.length < recordBytes) return undefined;
  const pages = new Map(
    [...indexes].map((index) => {
      const page = Buffer.alloc(pageBytes);
      content.copy(page, 0, index * pageBytes);
      return [index, page];
    }),
  );
  return { pages, seenBytes, keptBytes };
}
