// Keys of a bucket in byte order, by seeks over its directories: depth first, each level read in pages, the
// first pages of the next directories read ahead together. What a scan costs depends on the keys that it
// returns and the directories that it passes, never on the size of the bucket. Reads only D rows, without
// conflicts; a key that exists during the whole scan is never missed.

import { Buffer } from 'node:buffer';
import { assert } from '../../base/assert.ts';
import { compareBytes, prefixEnd } from '../../base/bytes.ts';
import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import { entriesRange, entryKey, slash } from '../keys.ts';
import type { MetaEntry, MetaReader, RangeRead } from '../meta-store.ts';
import { EntryRow, decodeRow } from '../rows.ts';
import { readSideBySide } from './side-by-side.ts';

export interface ScannedKey {
  /** Of the directory, then its name there: together the key. */
  readonly path: Buffer;
  readonly name: Buffer;
  /** The value of its D row. */
  readonly row: Uint8Array;
}

const nameStart = 9;

function nameOf(entry: MetaEntry): Buffer {
  const [key] = entry;
  return Buffer.from(key.buffer, key.byteOffset + nameStart, key.length - nameStart);
}

function isDirectoryKey(key: Uint8Array): boolean {
  return key.length > nameStart && key[key.length - 1] === slash;
}

function isDirectory(name: Uint8Array): boolean {
  return name.length > 0 && name[name.length - 1] === slash;
}

export function inodeOfEntry(row: Uint8Array): InodeId {
  return id<InodeId>(decodeRow(EntryRow, row).inode);
}

/** Entries of one directory in order, within a range of names, read in pages. */
export class Level {
  readonly directory: InodeId;
  /** The key so far: every key below starts with it. */
  readonly path: Buffer;
  private readonly reader: MetaReader;
  private readonly to: Uint8Array;
  private from: Uint8Array;
  private rows: readonly MetaEntry[] = [];
  private at = 0;
  private more = true;
  /** A skip left the page that was read: the next page had better be small. */
  skippedAway = false;

  constructor(
    reader: MetaReader,
    directory: InodeId,
    path: Buffer,
    names: { from: Uint8Array; to: Uint8Array | undefined },
  ) {
    this.reader = reader;
    this.directory = directory;
    this.path = path;
    this.from = entryKey(directory, names.from);
    this.to = names.to === undefined ? entriesRange(directory).to : entryKey(directory, names.to);
  }

  /** The next entry when it is known without reading: undefined at the end or before a read. */
  get current(): MetaEntry | undefined {
    return this.rows[this.at];
  }

  /** The page that was read has files alone: what follows will most likely, too. */
  get filesAlone(): boolean {
    return this.rows.length > 0 && !this.rows.some(([key]) => isDirectoryKey(key));
  }

  /** Entries read and not yet passed. */
  ahead(): readonly MetaEntry[] {
    return this.at === 0 ? this.rows : this.rows.slice(this.at);
  }

  get exhausted(): boolean {
    return this.at >= this.rows.length && !this.more;
  }

  pass(): void {
    this.at++;
  }

  async read(limit: number): Promise<void> {
    const wanted = Math.min(Math.max(limit, 1), listRowsMax);
    this.fill(await this.reader.range({ from: this.from, to: this.to, limit: wanted }), wanted);
  }

  /** The first page, read by somebody else with that limit. */
  fill(rows: readonly MetaEntry[], limit: number): void {
    this.rows = rows;
    this.at = 0;
    this.skippedAway = false;
    this.more = rows.length === limit;
    const last = rows.at(-1);
    if (last !== undefined) this.from = Buffer.concat([last[0], Buffer.of(0)]);
  }

  /** Passes every entry whose name is below `name`. */
  skipTo(name: Uint8Array): void {
    while (this.at < this.rows.length) {
      if (compareBytes(nameOf(this.rows[this.at] as MetaEntry), name) >= 0) return;
      this.at++;
    }
    this.skippedAway = this.rows.length > 0 && this.more;
    const from = entryKey(this.directory, name);
    if (compareBytes(from, this.from) > 0) this.from = from;
    if (compareBytes(this.from, this.to) >= 0) this.more = false;
  }
}

/** Rows of one read: one more than a page of keys, to know whether there are more. */
const listRowsMax = limits.listKeysMax + 1;

/** Directories read ahead at once: doubles with every read. */
const readAheadMin = 8;
const readAheadMax = 128;
/** Entries that are read of each at least: a second read of a directory costs more than a few rows in vain. */
const rowsPerDirectoryMin = 32;
/** Rows of one read over several directories, for each of them: what lies between them is read in vain. */
const sideBySideRowsMax = 32;

/** Rows of the first read: doubles with every page that is used up, and behind a page of files alone is all that is
 *  wanted. A page of directories serves for far more keys than it has rows. */
const rowsMin = 128;

/** Rows of the first read after a skip left what was read; doubles with every page that is used up. */
const rowsAfterSkipMin = 8;

export class KeyScan {
  private readonly reader: MetaReader;
  /** From the base down; the last is where the scan stands. */
  private readonly stack: Level[] = [];
  /** First pages of directories to come, by inode, with the limit they were read with. */
  private readonly pages = new Map<InodeId, { rows: readonly MetaEntry[]; limit: number }>();
  private width = readAheadMin;
  /** Of the directories that were read ahead last. */
  private rowsPerDirectory = 1;
  /** The directories do not lie side by side. */
  private scattered = false;
  private rowsPerRead = rowsMin / 2;
  /** Keys that the caller still wants: bounds what is read at once. */
  private wanted: number;

  /** Keys of `directory` (whose own path is `path`) whose names, from there on, start with `prefix`. */
  constructor(
    reader: MetaReader,
    base: { directory: InodeId; path: Buffer; prefix: Uint8Array },
    wanted: number,
  ) {
    this.reader = reader;
    this.wanted = wanted;
    const names = { from: base.prefix, to: prefixEnd(base.prefix) };
    this.stack.push(new Level(reader, base.directory, base.path, names));
  }

  /** Moves forward to the first key at or after `target`. */
  async skipTo(target: Buffer): Promise<void> {
    for (let level = this.stack.at(-1); level !== undefined; level = this.stack.at(-1)) {
      if (!startsWith(target, level.path)) {
        // The target lies behind everything of this directory.
        this.stack.pop();
        continue;
      }
      const end = target.indexOf(slash, level.path.length);
      const name = target.subarray(level.path.length, end < 0 ? target.length : end + 1);
      level.skipTo(name);
      if (end < 0) return;
      // oxlint-disable-next-line no-await-in-loop -- level after level
      const entry = await this.peek(level);
      if (entry === undefined || compareBytes(nameOf(entry), name) !== 0) return;
      level.pass();
      this.push(level, entry);
    }
  }

  /** The next key when it is known without reading; `next` finds any other. */
  known(): ScannedKey | undefined {
    const level = this.stack.at(-1);
    const entry = level?.current;
    if (level === undefined || entry === undefined || isDirectoryKey(entry[0])) return undefined;
    return this.take(level, nameOf(entry), entry);
  }

  private take(level: Level, name: Buffer, entry: MetaEntry): ScannedKey {
    level.pass();
    this.wanted = Math.max(1, this.wanted - 1);
    return { path: level.path, name, row: entry[1] };
  }

  async next(): Promise<ScannedKey | undefined> {
    for (let level = this.stack.at(-1); level !== undefined; level = this.stack.at(-1)) {
      // oxlint-disable-next-line no-await-in-loop -- entry after entry; waits only for a new page
      const entry = level.current ?? (await this.peek(level));
      if (entry === undefined) {
        this.stack.pop();
        continue;
      }
      const name = nameOf(entry);
      if (isDirectory(name)) {
        // oxlint-disable-next-line no-await-in-loop
        await this.descend(level, entry);
        continue;
      }
      return this.take(level, name, entry);
    }
    return undefined;
  }

  private async peek(level: Level): Promise<MetaEntry | undefined> {
    if (level.current === undefined && !level.exhausted) {
      const next = level.filesAlone ? listRowsMax : this.rowsPerRead * 2;
      this.rowsPerRead = Math.min(level.skippedAway ? rowsAfterSkipMin : next, listRowsMax);
      await level.read(Math.min(this.rowsPerRead, this.wanted));
    }
    return level.current;
  }

  private push(level: Level, entry: MetaEntry): Level {
    const path = Buffer.concat([level.path, nameOf(entry)]);
    const names = { from: Buffer.alloc(0), to: undefined };
    const child = new Level(this.reader, inodeOfEntry(entry[1]), path, names);
    this.stack.push(child);
    return child;
  }

  /** Into the directory that the level stands at, with its first page read ahead. */
  private async descend(level: Level, entry: MetaEntry): Promise<void> {
    const directory = inodeOfEntry(entry[1]);
    if (!this.pages.has(directory)) await this.readAhead(level);
    level.pass();
    const child = this.push(level, entry);
    const page = this.pages.get(directory);
    assert(page !== undefined, 'the page was read ahead');
    this.pages.delete(directory);
    child.fill(page.rows, page.limit);
  }

  /** Reads the first pages of this and the next directories of a level in one call. */
  private async readAhead(level: Level): Promise<void> {
    const directories: InodeId[] = [];
    // No more than the keys still wanted should need.
    const width = Math.min(this.width, Math.ceil(this.wanted / this.rowsPerDirectory));
    for (const entry of level.ahead()) {
      if (directories.length >= width) break;
      if (isDirectory(nameOf(entry))) directories.push(inodeOfEntry(entry[1]));
    }
    if (directories.length > 1) mark('list.read-ahead');
    const limit = Math.max(rowsPerDirectoryMin, Math.ceil(this.wanted / directories.length) + 1);
    const ranges = directories.map((directory) => ({ ...entriesRange(directory), limit }));
    const pages = await this.firstPages(ranges);
    this.pages.clear();
    let found = 0;
    for (const [at, directory] of directories.entries()) {
      const rows = pages[at] as readonly MetaEntry[];
      found += rows.length;
      this.pages.set(directory, { rows, limit });
    }
    this.rowsPerDirectory = Math.max(1, found / directories.length);
    this.width = Math.min(this.width * 2, readAheadMax);
  }

  private async firstPages(
    ranges: readonly RangeRead[],
  ): Promise<readonly (readonly MetaEntry[])[]> {
    if (ranges.length === 1 || this.scattered) return this.reader.rangeMany(ranges);
    const rowsMax = Math.min(listRowsMax, ranges.length * sideBySideRowsMax);
    const { pages, scattered } = await readSideBySide(this.reader, ranges, rowsMax);
    this.scattered = scattered;
    return pages;
  }
}

export function keyOf({ path, name }: { readonly path: Buffer; readonly name: Buffer }): Buffer {
  return path.length === 0 ? name : Buffer.concat([path, name]);
}

export function startsWith(bytes: Buffer, prefix: Uint8Array): boolean {
  return (
    bytes.length >= prefix.length && compareBytes(bytes.subarray(0, prefix.length), prefix) === 0
  );
}
