// A directory of the real file system as a Disk. Plain descriptors and callbacks: FileHandle costs an
// object and a promise more per call. Errors are Node's own and keep their `code`. The caller's buffers
// are borrowed until the promise settles. Files are private to the user: they hold everybody's data.

import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { Disk, DiskFile, DiskSpace, OpenMode } from '../disk.ts';

/** Buffers of one writev; POSIX promises no more than IOV_MAX, which is 1,024 on Linux. */
const partsPerCallMax = 1024;
const fileMode = 0o600;
const directoryMode = 0o700;

const openFlags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
};

type Callback<T> = (error: NodeJS.ErrnoException | null, value?: T) => void;

function call<T = void>(start: (done: Callback<T>) => void): Promise<T> {
  return new Promise<T>((done, fail) => {
    start((error, value) => (error ? fail(error) : done(value as T)));
  });
}

/** What is left of `parts` after `written` bytes. */
function rest(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = written;
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      left.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return left;
}

async function syncDirectory(path: string): Promise<void> {
  const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY;
  const fd = await call<number>((done) => fs.open(path, flags, done));
  try {
    await call((done) => fs.fsync(fd, done));
  } finally {
    await call((done) => fs.close(fd, done));
  }
}

class NodeFile implements DiskFile {
  /** Undefined once closed: the kernel gives the number to the next file that is opened. */
  private descriptor: number | undefined;

  constructor(fd: number) {
    this.descriptor = fd;
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
        fs.read(this.fd, into, filled, into.length - filled, position + filled, done),
      );
      if (bytes === 0) break;
      filled += bytes;
    }
    return filled;
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    let left: readonly Uint8Array[] = parts;
    let at = position;
    while (left.length > 0) {
      const now = left.length > partsPerCallMax ? left.slice(0, partsPerCallMax) : left;
      // oxlint-disable-next-line no-await-in-loop -- continues a short write
      const written = await this.writeOnce(now, at);
      assert(written > 0 || now.every((part) => part.length === 0), 'a write made no progress');
      at += written;
      left = rest(left, written);
    }
  }

  private writeOnce(parts: readonly Uint8Array[], at: number): Promise<number> {
    const only = parts[0] as Uint8Array;
    return call<number>((done) => {
      if (parts.length === 1) fs.write(this.fd, only, 0, only.length, at, done);
      else fs.writev(this.fd, parts as Uint8Array[], at, done);
    });
  }

  sync(): Promise<void> {
    return call((done) => fs.fdatasync(this.fd, done));
  }

  async size(): Promise<number> {
    return (await call<fs.Stats>((done) => fs.fstat(this.fd, done))).size;
  }

  truncate(bytes: number): Promise<void> {
    return call((done) => fs.ftruncate(this.fd, bytes, done));
  }

  close(): Promise<void> {
    return call((done) => {
      const { fd } = this;
      this.descriptor = undefined;
      fs.close(fd, done);
    });
  }
}

class NodeDisk implements Disk {
  private readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
  }

  private full(path: string): string {
    assert(!path.split('/').includes('..'), `path leaves the disk: ${path}`);
    return join(this.root, path);
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const full = this.full(path);
    return new NodeFile(
      await call<number>((done) => fs.open(full, openFlags[mode], fileMode, done)),
    );
  }

  async list(directory: string): Promise<string[]> {
    try {
      return (await fs.promises.readdir(this.full(directory))).toSorted();
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
        await fs.promises.mkdir(this.full(child), { mode: directoryMode });
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
    const options = { recursive: true, mode: directoryMode } as const;
    const first = await fs.promises.mkdir(this.root, options);
    if (first === undefined) return;
    // The names from the first directory made down to the root must survive.
    let holder = this.root;
    do {
      holder = dirname(holder);
      // oxlint-disable-next-line no-await-in-loop -- few levels, once in a life
      await syncDirectory(holder);
    } while (holder.length >= first.length);
  }

  remove(path: string): Promise<void> {
    return fs.promises.unlink(this.full(path));
  }

  rename(from: string, to: string): Promise<void> {
    return fs.promises.rename(this.full(from), this.full(to));
  }

  syncDir(path: string): Promise<void> {
    return syncDirectory(this.full(path));
  }

  async space(): Promise<DiskSpace> {
    const { bsize, blocks, bavail } = await fs.promises.statfs(this.root);
    return { totalBytes: bsize * blocks, freeBytes: bsize * bavail };
  }
}

/** The directory `root` as a Disk; `makeDirectory` creates the root itself too. */
export function nodeDisk(root: string): Disk {
  return new NodeDisk(root);
}
