// Files of stores on this machine, opened for reading: a bounded number of handles, the least recently used closed
// first. A slab that its store removed keeps its space while somebody holds it open, so handles that nobody uses
// are closed soon. Knows nothing of chunks.

import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Disk, DiskFile } from '../env/disk.ts';

interface StoreFile {
  readonly name: string;
  readonly handle: Promise<DiskFile>;
  /** Reads that use the handle now. */
  users: number;
  usedMs: number;
}

export class StoreFiles {
  private readonly openDisk: (directory: string) => Disk;
  private readonly clock: Clock;
  /** Least recently used first. */
  private readonly open = new Map<string, StoreFile>();
  private timer: Timer | undefined;
  private readonly disks = new Map<string, Disk>();
  /** Whether the last read waited for nothing: reading ahead would only cool the processor's cache. */
  prompt = false;

  constructor(openDisk: (directory: string) => Disk, clock: Clock) {
    this.openDisk = openDisk;
    this.clock = clock;
  }

  get count(): number {
    return this.open.size;
  }

  /** Fills `into` from `at`; answers the bytes read. @throws Error of the Disk: ENOENT when the store removed the file */
  async read(directory: string, path: string, into: Uint8Array, at: number): Promise<number> {
    const file = this.use(directory, path);
    file.users++;
    try {
      const handle = await file.handle;
      this.prompt = handle.readNow?.(into, at) === into.length;
      return this.prompt ? into.length : await handle.read(into, at);
    } catch (error) {
      this.forget(file);
      throw error;
    } finally {
      file.users--;
      file.usedMs = this.clock.now();
      if (this.open.get(file.name) !== file && file.users === 0) close(file);
      if (this.open.size > limits.directFilesMax) this.evict();
    }
  }

  closeAll(): void {
    this.timer?.cancel();
    for (const file of this.open.values()) this.forget(file);
  }

  private use(directory: string, path: string): StoreFile {
    const name = `${directory}/${path}`;
    let file = this.open.get(name);
    if (file === undefined) {
      const handle = this.diskOf(directory).open(path, 'read');
      file = { name, handle, users: 0, usedMs: this.clock.now() };
      this.timer ??= this.clock.after(limits.directFileIdleMs, () => this.closeIdle());
    } else this.open.delete(name);
    this.open.set(name, file);
    return file;
  }

  private diskOf(directory: string): Disk {
    let disk = this.disks.get(directory);
    if (disk === undefined) {
      // One a store of this machine; many more are a store that changes its mind.
      if (this.disks.size >= limits.directFilesMax) this.disks.clear();
      disk = this.openDisk(directory);
      this.disks.set(directory, disk);
    }
    return disk;
  }

  private evict(): void {
    for (const file of this.open.values()) {
      if (this.open.size <= limits.directFilesMax) return;
      if (file.users > 0) continue;
      mark('storeFiles.evict');
      this.forget(file);
    }
  }

  private closeIdle(): void {
    const before = this.clock.now() - limits.directFileIdleMs;
    for (const file of this.open.values()) {
      if (file.users === 0 && file.usedMs <= before) this.forget(file);
    }
    const again = this.open.size > 0;
    this.timer = again
      ? this.clock.after(limits.directFileIdleMs, () => this.closeIdle())
      : undefined;
  }

  /** Its last user closes it. */
  private forget(file: StoreFile): void {
    if (this.open.get(file.name) !== file) return;
    this.open.delete(file.name);
    if (file.users === 0) close(file);
  }
}

/** Nothing was written: a close that fails loses nothing. */
function close({ handle }: StoreFile): void {
  handle.then((file) => file.close()).catch(() => undefined);
}
