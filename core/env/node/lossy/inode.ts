// The content of one file of the lossy file system: what programs see is the real file, less what an unsynced cut
// hides, under the pages that were written since the last sync. A sync writes them to the real file, which
// thus holds exactly what was synced. Synchronous; does not know names.

import fs from 'node:fs';
import { Buffer } from 'node:buffer';

export const pageBytes = 4096;
/** Pages copied together for one write of a sync: 4 MiB. */
const runPagesMax = 1024;

/** Where unsynced changes are kept as well when they are to survive this process (cache.ts). */
export interface InodeCache {
  page(index: number, bytes: Uint8Array): void;
  shape(seenBytes: number, keptBytes: number): void;
  synced(): void;
  close(): void;
}

export class LossyInode {
  readonly number: number;
  /** The path of the real file: its durable name, or a hidden one before it has any. */
  home: string;
  /** What programs call it; undefined when it was removed. */
  name: string | undefined;
  /** Open handles. */
  users = 0;
  cache: InodeCache | undefined;
  private readonly fd: number;
  private readonly pages = new Map<number, Buffer>();
  private realBytes: number;
  private seenBytes: number;
  /** Of the real file only so many bytes are seen. */
  private keptBytes: number;

  constructor(number: number, home: string, flags: number, mode?: number) {
    this.number = number;
    this.home = home;
    this.fd = fs.openSync(home, flags, mode);
    this.realBytes = fs.fstatSync(this.fd).size;
    this.seenBytes = this.realBytes;
    this.keptBytes = this.realBytes;
  }

  get size(): number {
    return this.seenBytes;
  }

  get dirty(): boolean {
    return this.pages.size > 0 || this.seenBytes !== this.realBytes || this.cut;
  }

  private get cut(): boolean {
    return this.keptBytes < this.realBytes;
  }

  /** Bytes read: fewer than wanted at the end of the file. */
  read(into: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(this.seenBytes - position, into.length));
    const wanted = into.subarray(0, length);
    wanted.fill(0);
    this.readReal(wanted, position);
    if (this.pages.size === 0) return length;
    const end = position + length;
    for (let index = Math.floor(position / pageBytes); index * pageBytes < end; index++) {
      const page = this.pages.get(index);
      if (page === undefined) continue;
      const at = index * pageBytes;
      const from = Math.max(at, position);
      const to = Math.min(at + pageBytes, end);
      wanted.set(page.subarray(from - at, to - at), from - position);
    }
    return length;
  }

  private readReal(into: Uint8Array, position: number): void {
    const length = Math.min(this.keptBytes - position, into.length);
    for (let done = 0; done < length;) {
      const bytes = fs.readSync(this.fd, into, done, length - done, position + done);
      if (bytes === 0) return;
      done += bytes;
    }
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const end = position + bytes.length;
    for (let at = position; at < end;) {
      const index = Math.floor(at / pageBytes);
      const until = Math.min(end, (index + 1) * pageBytes);
      const page = this.pages.get(index) ?? this.load(index);
      page.set(bytes.subarray(at - position, until - position), at - index * pageBytes);
      this.pages.set(index, page);
      this.cache?.page(index, page);
      at = until;
    }
    if (end > this.seenBytes) this.reshape(end, this.keptBytes);
  }

  private load(index: number): Buffer {
    const page = Buffer.alloc(pageBytes);
    this.readReal(page, index * pageBytes);
    return page;
  }

  truncate(bytes: number): void {
    for (const [index, page] of this.pages) {
      const at = index * pageBytes;
      if (at >= bytes) this.pages.delete(index);
      else if (at + pageBytes > bytes) {
        page.fill(0, bytes - at);
        this.cache?.page(index, page);
      }
    }
    this.reshape(bytes, Math.min(this.keptBytes, bytes));
  }

  private reshape(seenBytes: number, keptBytes: number): void {
    this.seenBytes = seenBytes;
    this.keptBytes = keptBytes;
    this.cache?.shape(seenBytes, keptBytes);
  }

  /** What a cache kept of a former process. */
  restore(pages: Iterable<readonly [number, Buffer]>, seenBytes: number, keptBytes: number): void {
    for (const [index, page] of pages)
      if (index * pageBytes < seenBytes) this.pages.set(index, page);
    this.seenBytes = seenBytes;
    this.keptBytes = Math.min(keptBytes, this.realBytes);
  }

  /** Everything seen becomes real. A kill in the middle leaves a part of it, as a power loss does. */
  sync(): void {
    if (this.cut) fs.ftruncateSync(this.fd, this.keptBytes);
    const indexes = [...this.pages.keys()].toSorted((a, b) => a - b);
    for (let first = 0; first < indexes.length;) {
      let next = first + 1;
      while (
        next < indexes.length &&
        next - first < runPagesMax &&
        indexes[next] === (indexes[next - 1] as number) + 1
      )
        next++;
      this.writeRun(indexes.slice(first, next));
      first = next;
    }
    if (fs.fstatSync(this.fd).size !== this.seenBytes) fs.ftruncateSync(this.fd, this.seenBytes);
    this.pages.clear();
    this.realBytes = this.seenBytes;
    this.keptBytes = this.seenBytes;
    this.cache?.synced();
  }

  private writeRun(indexes: readonly number[]): void {
    const at = (indexes[0] as number) * pageBytes;
    const run = Buffer.concat(indexes.map((index) => this.pages.get(index) as Buffer));
    const bytes = run.subarray(0, this.seenBytes - at);
    for (let done = 0; done < bytes.length;)
      done += fs.writeSync(this.fd, bytes, done, bytes.length - done, at + done);
  }

  chmod(mode: number): void {
    fs.fchmodSync(this.fd, mode);
  }

  /** What was not synced is forgotten. */
  close(): void {
    fs.closeSync(this.fd);
    this.cache?.close();
  }
}
