// A disk whose syncs a test can hold back or break, over any other disk.

import type { Disk, DiskFile, DiskSpace, OpenMode } from '../../core/env/disk.ts';

export class GatedDisk implements Disk {
  private readonly disk: Disk;
  private gate: Promise<void> = Promise.resolve();
  private broken = false;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Syncs wait until the returned function is called. */
  readonly hold = (): (() => void) => {
    let release: (() => void) | undefined;
    this.gate = new Promise((resolve) => {
      release = resolve;
    });
    return () => release?.();
  };

  /** Every sync from now on fails, those held back included. */
  readonly break = (): void => {
    this.broken = true;
  };

  private async pass(): Promise<void> {
    await this.gate;
    if (this.broken) throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    const file = await this.disk.open(path, mode);
    return {
      read: (into, position) => file.read(into, position),
      write: (parts, position) => file.write(parts, position),
      sync: async () => {
        await this.pass();
        await file.sync();
      },
      size: () => file.size(),
      truncate: (bytes) => file.truncate(bytes),
      close: () => file.close(),
    };
  }

  list(directory: string): Promise<string[]> {
    return this.disk.list(directory);
  }

  makeDirectory(path: string): Promise<void> {
    return this.disk.makeDirectory(path);
  }

  remove(path: string): Promise<void> {
    return this.disk.remove(path);
  }

  rename(from: string, to: string): Promise<void> {
    return this.disk.rename(from, to);
  }

  syncDir(path: string): Promise<void> {
    return this.disk.syncDir(path);
  }

  space(): Promise<DiskSpace> {
    return this.disk.space();
  }
}
