// A disk that passes everything on to another one; subclasses change what they are about.

import type { Disk, DiskFile, DiskSpace, OpenMode } from '../../core/env/disk.ts';

export class ForwardingDisk<D extends Disk = Disk> implements Disk {
  readonly disk: D;

  constructor(disk: D) {
    this.disk = disk;
  }

  /** What `over` has replaces the calls of the other disk's file. */
  protected async openWith(
    path: string,
    mode: OpenMode,
    over: (file: DiskFile) => Partial<DiskFile>,
  ): Promise<DiskFile> {
    const file = await this.disk.open(path, mode);
    return {
      read: (into, position) => file.read(into, position),
      write: (parts, position) => file.write(parts, position),
      sync: () => file.sync(),
      size: () => file.size(),
      truncate: (bytes) => file.truncate(bytes),
      close: () => file.close(),
      ...over(file),
    };
  }

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.disk.open(path, mode);
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
