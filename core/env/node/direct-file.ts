// Writes past the page cache (O_DIRECT, open(2)): the disk reads the caller's memory. Long writes then neither
// copy bytes nor take memory for pages that nobody reads back soon: in a virtual machine the first touch of each
// such page costs more than all the rest of the write. A file system that has no such writes gets ordinary ones.
// Durability is unchanged: fdatasync of any descriptor of the file flushes the disk.

import fs from 'node:fs';
import { KiB } from '../../base/limits.ts';
import { isPageAligned, memoryPageBytes } from '../../base/page-memory.ts';
import type { FileCalls } from './file-calls.ts';
import { call, writeOnce } from './write-parts.ts';

/** Shorter writes are better gathered by the page cache until the sync. */
const directBytesMin = 64 * KiB;

const { O_DIRECT, O_WRONLY } = fs.constants;

/** Errors that say that this file system, or this disk's block size, does not allow it. */
const refusals = new Set(['EINVAL', 'EOPNOTSUPP', 'ENOTSUP']);

export class DirectFile {
  private readonly calls: FileCalls;
  private readonly path: string;
  /** Of a descriptor of its own; undefined before the first use, its value where such writes are refused. */
  private opened: Promise<number | undefined> | undefined;

  constructor(calls: FileCalls, path: string) {
    this.calls = calls;
    this.path = path;
  }

  /** Writes what it can of the beginning of `parts`; answers the bytes. @throws Error as write(2) */
  async write(parts: readonly Uint8Array[], position: number): Promise<number> {
    const prefix = directPrefix(parts, position);
    if (prefix === undefined) return 0;
    this.opened ??= this.open();
    const fd = await this.opened;
    if (fd === undefined) return 0;
    try {
      return await writeOnce(this.calls, fd, prefix, position);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.opened = Promise.resolve(undefined);
      await this.shut(fd);
      return 0;
    }
  }

  async close(): Promise<void> {
    const fd = await this.opened;
    if (fd !== undefined) await this.shut(fd);
  }

  private open(): Promise<number | undefined> {
    if (O_DIRECT === undefined) return Promise.resolve(undefined);
    const flags = O_WRONLY | O_DIRECT;
    // Whatever it is, the ordinary descriptor meets it too.
    return call<number>((done) => this.calls.open(this.path, flags, 0, done)).catch(
      () => undefined,
    );
  }

  private shut(fd: number): Promise<void> {
    return call((done) => this.calls.close(fd, done));
  }
}

function isRefusal(error: unknown): boolean {
  return refusals.has((error as NodeJS.ErrnoException).code ?? '');
}

/** Whole pages in memory that begins on one, from the front; undefined when there are too few. */
export function directPrefix(
  parts: readonly Uint8Array[],
  position: number,
): Uint8Array[] | undefined {
  if (position % memoryPageBytes !== 0) return undefined;
  const prefix: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts) {
    if (!isPageAligned(part)) break;
    const whole = part.length - (part.length % memoryPageBytes);
    if (whole > 0) prefix.push(whole === part.length ? part : part.subarray(0, whole));
    bytes += whole;
    if (whole < part.length) break;
  }
  return bytes >= directBytesMin ? prefix : undefined;
}
