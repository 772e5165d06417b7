// A directory of the real file system as a Disk. Errors are Node's own and keep their `code`. The caller's
// buffers are borrowed until the promise settles. Files are private to the user: they hold everybody's data.

import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { Disk, DiskFile, DiskSpace, OpenMode, OpenOptions } from '../disk.ts';
import { DirectFile } from './direct-file.ts';
import type { FileCalls, FileSystemSpace } from './file-calls.ts';
import { ReadPace } from './read-pace.ts';
import { behind, call, writeAll } from './write-parts.ts';

const fileMode = 0o600;
const directoryMode = 0o700;

const openFlags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
};

async function syncDirectory(calls: FileCalls, path: string): Promise<void> {
  const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY;
  const fd = await call<number>((done) => calls.open(path, flags, 0, done));
  try {
    await call((done) => calls.fsync(fd, done));
  } finally {
    await call((done) => calls.close(fd, done));
  }
}

/** Copying a piece of 256 KiB out of the page cache takes 0.05 ms. */
const slowReadMs = 0.3;
/** A disk that is slow again and again is tried once in so long. */
const readPauseMsMax = 1_000;

class NodeFile implements DiskFile {
  private readonly calls: FileCalls;
  /** Of all files of the disk. */
  private readonly pace: ReadPace;
  /** Undefined once closed: the kernel gives the number to the next file that is opened. */
  private descriptor: number | undefined;
  private readonly direct: DirectFile | undefined;

  constructor(calls: FileCalls, fd: number, pace: ReadPace, direct: DirectFile | undefined) {
    this.calls = calls;
    this.pace = pace;
    this.descriptor = fd;
    this.direct = direct;
  }

  private get fd(): number {
    assert(this.descriptor !== undefined, 'a file is used after its close');
    return this.descriptor;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      // oxlint-disable-next-line no-await-in-loop -- continues a short read
      const bytes = await call<number>((done) =>
        this.calls.read(this.fd, into, filled, into.length - filled, position + filled, done),
      );
      if (bytes === 0) break;
      filled += bytes;
    }
    return filled;
  }

  readNow(into: Uint8Array, position: number): number | undefined {
    if (this.calls.readSync === undefined) return undefined;
    const startMs = performance.now();
    if (!this.pace.prompt(startMs)) return undefined;
    const bytes = this.calls.readSync(this.fd, into, 0, into.length, position);
    this.pace.took(startMs, performance.now());
    return bytes;
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    const written = (await this.direct?.write(parts, position)) ?? 0;
    await writeAll(this.calls, this.fd, behind(parts, written), position + written);
  }

  sync(): Promise<void> {
    return call((done) => this.calls.fdatasync(this.fd, done));
  }

  async size(): Promise<number> {
    return (await call<{ readonly size: number }>((done) => this.calls.fstat(this.fd, done))).size;
  }

  truncate(bytes: number): Promise<void> {
    return call((done) => this.calls.ftruncate(this.fd, bytes, done));
  }

  async close(): Promise<void> {
    const { fd } = this;
    this.descriptor = undefined;
    await Promise.all([call((done) => this.calls.close(fd, done)), this.direct?.close()]);
  }
}

class NodeDisk implements Disk {
  private readonly root: string;
  private readonly calls: FileCalls;
  private readonly pace = new ReadPace({ slowMs: slowReadMs, pauseMsMax: readPauseMsMax });

  constructor(root: string, calls: FileCalls) {
    this.root = resolve(root);
    this.calls = calls;
  }

  private full(path: string): string {
    assert(!path.split('/').includes('..'), `path leaves the disk: ${path}`);
    return join(this.root, path);
  }

  async open(path: string, mode: OpenMode, options: OpenOptions = {}): Promise<DiskFile> {
    const full = this.full(path);
    const flags = openFlags[mode];
    const fd = await call<number>((done) => this.calls.open(full, flags, fileMode, done));
    const direct = options.direct === true ? new DirectFile(this.calls, full) : undefined;
    return new NodeFile(this.calls, fd, this.pace, direct);
  }

  async list(directory: string): Promise<string[]> {
    try {
      const full = this.full(directory);
      return (await call<string[]>((done) => this.calls.readdir(full, done))).toSorted();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  async makeDirectory(path: string): Promise<void> {
    await this.makeRoot();
    let parent = '';
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue;
      const child = parent === '' ? name : `${parent}/${name}`;
      // oxlint-disable no-await-in-loop -- a parent before its child
      try {
        await this.mkdir(this.full(child), false);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      // Also when it existed: whoever made it may have died before its own sync.
      await this.syncDir(parent);
      // oxlint-enable no-await-in-loop
      parent = child;
    }
  }

  private async makeRoot(): Promise<void> {
    const first = await this.mkdir(this.root, true);
    if (first === undefined) return;
    // The names from the first directory made down to the root must survive.
    let holder = this.root;
    do {
      holder = dirname(holder);
      // oxlint-disable-next-line no-await-in-loop -- few levels, once in a life
      await syncDirectory(this.calls, holder);
    } while (holder.length >= first.length);
  }

  /** The first directory that was made. */
  private mkdir(path: string, recursive: boolean): Promise<string | undefined> {
    const options = { mode: directoryMode, recursive };
    return call<string | undefined>((done) => this.calls.mkdir(path, options, done));
  }

  remove(path: string): Promise<void> {
    return call((done) => this.calls.unlink(this.full(path), done));
  }

  rename(from: string, to: string): Promise<void> {
    return call((done) => this.calls.rename(this.full(from), this.full(to), done));
  }

  syncDir(path: string): Promise<void> {
    return syncDirectory(this.calls, this.full(path));
  }

  async space(): Promise<DiskSpace> {
    const found = await call<FileSystemSpace>((done) => this.calls.statfs(this.root, done));
    const { bsize, blocks, bavail } = found;
    return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
  }
}

/** The directory `root` as a Disk; `makeDirectory` creates the root itself too. Tests give other `calls`. */
export function nodeDisk(root: string, calls: FileCalls = fs): Disk {
  return new NodeDisk(root, calls);
}
