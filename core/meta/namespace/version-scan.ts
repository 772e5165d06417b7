// Versions of a bucket's keys in the order of ListObjectVersions: keys in byte order, the versions of a key from
// the newest on. Like key-scan.ts, depth first by seeks; each level merges the D rows of a directory with its V
// rows. Both kinds of rows are read anew together for every page, D first: a version that moves from D to V
// meanwhile is seen twice rather than missed, and shown once.

import { Buffer } from 'node:buffer';
import { compareBytes, equalBytes, prefixEnd } from '../../base/bytes.ts';
import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import {
  decodeEntryKey,
  decodeVersionKey,
  entriesRange,
  entryKey,
  slash,
  versionKey,
  versionsRange,
} from '../keys.ts';
import type { KeyRange, MetaEntry, MetaReader } from '../meta-store.ts';
import { EntryRow, decodeRow, entryKind } from '../rows.ts';
import { startsWith } from './key-scan.ts';
import type { Base } from './list.ts';

export interface ScannedVersion {
  readonly key: Buffer;
  readonly entry: EntryRow;
  readonly isLatest: boolean;
}

interface Row {
  readonly name: Buffer;
  readonly entry: EntryRow;
}

/** As `below`: from the newest version on. */
const newestFirst = Number.POSITIVE_INFINITY;

/** Rows of the first read of a directory and of one after a skip; doubles with every read. */
const rowsAfterSkip = 8;
const rowsPerReadMax = limits.listKeysMax + 1;

/** Rows of a directory in the order of the listing, from a position on. */
class VersionLevel {
  readonly path: Buffer;
  private readonly reader: MetaReader;
  private readonly directory: InodeId;
  private readonly to: Buffer | undefined;
  /** The next row's name is at least this, and its version below `below` if it is this. */
  private name: Buffer;
  private below = newestFirst;
  private rowsPerRead: number;
  /** The name whose newest version is passed. */
  private passed: Buffer | undefined;
  private rows: readonly Row[] = [];
  private at = 0;
  private more = true;

  constructor(reader: MetaReader, { directory, path, prefix }: Base, rowsPerRead: number) {
    this.rowsPerRead = rowsPerRead;
    this.reader = reader;
    this.directory = directory;
    this.path = path;
    this.name = prefix;
    this.to = prefixEnd(prefix);
  }

  async peek(): Promise<Row | undefined> {
    // oxlint-disable-next-line no-await-in-loop -- a page may hold only what was passed
    while (this.at === this.rows.length && this.more) await this.read();
    return this.rows[this.at];
  }

  /** Passes the present row; answers whether it is the newest of its name. */
  pass(): boolean {
    const { name, entry } = this.rows[this.at++] as Row;
    const isLatest = this.passed === undefined || !equalBytes(this.passed, name);
    this.passed = name;
    this.name = name;
    this.below = entry.version;
    return isLatest;
  }

  /** Moves forward to `name`, or to its versions below `below`. */
  async skipTo(name: Buffer, below: number): Promise<void> {
    while (this.at < this.rows.length) {
      if (compareBytes((this.rows[this.at] as Row).name, name) >= 0) return;
      this.at++;
    }
    const order = compareBytes(name, this.name);
    if (order < 0) return;
    this.below = order === 0 ? Math.min(below, this.below) : below;
    this.name = name;
    this.rowsPerRead = rowsAfterSkip;
    if (this.to !== undefined && compareBytes(name, this.to) >= 0) this.more = false;
    else if (below !== newestFirst) await this.lookBack();
  }

  /** Whether the newest version of the name lies before the position. */
  private async lookBack(): Promise<void> {
    const { directory, name } = this;
    const [row] = await this.reader.getMany([entryKey(directory, name)]);
    const [older] = await this.reader.range({ ...versionsRange(directory, name), limit: 1 });
    const newest = row ?? older?.[1];
    if (newest !== undefined && decodeRow(EntryRow, newest).version >= this.below) {
      this.passed = name;
    }
  }

  /** With at least two rows of each kind one is ahead, so that every page that is not the last moves on. */
  private async read(): Promise<void> {
    const limit = this.rowsPerRead;
    const [entries, versions] = (await this.reader.rangeMany([
      { ...this.entries(), limit },
      { ...this.versions(), limit },
    ])) as [MetaEntry[], MetaEntry[]];
    const open = { D: entries.length === limit, V: versions.length === limit };
    const rows = merged(entries.map(rowOfEntry), versions.map(rowOfVersion), open);
    this.rows = rows.filter((row) => this.isAhead(row));
    this.at = 0;
    this.more = open.D || open.V;
    this.rowsPerRead = Math.min(limit * 2, rowsPerReadMax);
  }

  private isAhead({ name, entry }: Row): boolean {
    const order = compareBytes(name, this.name);
    return order > 0 || (order === 0 && entry.version < this.below);
  }

  private entries(): KeyRange {
    const { directory, name, to } = this;
    const end = to === undefined ? entriesRange(directory).to : entryKey(directory, to);
    return { from: entryKey(directory, name), to: end };
  }

  private versions(): KeyRange {
    const { directory, name, below, to } = this;
    const from =
      below === newestFirst || below === 0
        ? versionsRange(directory, name).from
        : versionKey(directory, name, below - 1);
    const end = to === undefined ? versionsRange(directory).to : versionsRange(directory, to).from;
    return { from, to: end };
  }
}

function rowOfEntry([key, value]: MetaEntry): Row {
  return { name: decodeEntryKey(key).name, entry: decodeRow(EntryRow, value) };
}

function rowOfVersion([key, value]: MetaEntry): Row {
  return { name: decodeVersionKey(key).name, entry: decodeRow(EntryRow, value) };
}

/** Both pages in order, as far as both are known: `open` ones go on behind their last row. A version that is in
 *  both is shown as the entry. */
function merged(
  entries: readonly Row[],
  versions: readonly Row[],
  open: { readonly D: boolean; readonly V: boolean },
): Row[] {
  const rows: Row[] = [];
  let d = 0;
  let v = 0;
  for (;;) {
    const entry = entries[d];
    const version = versions[v];
    if ((entry === undefined && open.D) || (version === undefined && open.V)) return rows;
    if (entry === undefined && version === undefined) return rows;
    if (version === undefined || (entry !== undefined && precedes(entry, version))) {
      rows.push(entry as Row);
      d++;
      continue;
    }
    const last = rows.at(-1);
    const isOlder = last === undefined || !equalBytes(last.name, version.name);
    if (isOlder || version.entry.version < last.entry.version) rows.push(version);
    v++;
  }
}

const precedes = (entry: Row, version: Row): boolean => compareBytes(entry.name, version.name) <= 0;

export class VersionScan {
  private readonly reader: MetaReader;
  /** From the base down; the last is where the scan stands. */
  private readonly stack: VersionLevel[];

  /** Versions of the keys below `base`; `rows`: how many to read at first. */
  constructor(reader: MetaReader, base: Base, rows: number) {
    this.reader = reader;
    const rowsPerRead = Math.min(Math.max(rows, rowsAfterSkip), rowsPerReadMax);
    this.stack = [new VersionLevel(reader, base, rowsPerRead)];
  }

  /** Moves forward to the first key at or after `target`, or to the versions of `target` below `below`. */
  async skipTo(target: Buffer, below = newestFirst): Promise<void> {
    for (let level = this.stack.at(-1); level !== undefined; level = this.stack.at(-1)) {
      if (!startsWith(target, level.path)) {
        // The target lies behind everything of this directory.
        this.stack.pop();
        continue;
      }
      const slashAt = target.indexOf(slash, level.path.length);
      const end = slashAt < 0 ? target.length : slashAt + 1;
      const name = target.subarray(level.path.length, end);
      // oxlint-disable-next-line no-await-in-loop -- level after level
      await level.skipTo(name, slashAt < 0 ? below : newestFirst);
      if (slashAt < 0) return;
      // oxlint-disable-next-line no-await-in-loop
      const row = await level.peek();
      if (row === undefined || !equalBytes(row.name, name)) return;
      this.descend(level, row);
    }
  }

  async next(): Promise<ScannedVersion | undefined> {
    for (let level = this.stack.at(-1); level !== undefined; level = this.stack.at(-1)) {
      // oxlint-disable-next-line no-await-in-loop -- row after row; waits only for a new page
      const row = await level.peek();
      if (row === undefined) this.stack.pop();
      else if (row.entry.kind === entryKind.directory) this.descend(level, row);
      else {
        const key = Buffer.concat([level.path, row.name]);
        return { key, entry: row.entry, isLatest: level.pass() };
      }
    }
    return undefined;
  }

  private descend(level: VersionLevel, { name, entry }: Row): void {
    level.pass();
    const directory = id<InodeId>(entry.inode);
    const path = Buffer.concat([level.path, name]);
    const below = { directory, path, prefix: Buffer.alloc(0) };
    this.stack.push(new VersionLevel(this.reader, below, rowsAfterSkip));
  }
}
