// Two disks for damage: one that does no more than a start needs, and one that notes what is read and written.

import type { Disk, DiskFile, DiskSpace, OpenMode } from '../../../../core/env/disk.ts';
import type { SimDisk } from '../../../sim/disk.ts';
import { ForwardingDisk } from '../../../tools/forwarding-disk.ts';

/** Files in memory that only start-up reads: no more work than needed, for hundreds of thousands of openings. */
export class PlainDisk implements Disk {
  changed = false;
  private readonly files: ReadonlyMap<string, Buffer>;

  constructor(files: ReadonlyMap<string, Buffer>) {
    this.files = new Map([...files].map(([path, bytes]) => [path, Buffer.from(bytes)]));
  }

  flip(path: string, at: number, mask: number): void {
    const bytes = this.files.get(path) as Buffer;
    bytes[at] = (bytes[at] as number) ^ mask;
  }

  async open(path: string): Promise<DiskFile> {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' });
    return {
      read: async (into, position) => bytes.copy(into, 0, position),
      size: async () => bytes.length,
      sync: async () => undefined,
      close: async () => undefined,
      write: () => this.change(),
      truncate: () => this.change(),
    };
  }

  async list(directory: string): Promise<string[]> {
    const inside = [...this.files.keys()].filter((path) => path.startsWith(`${directory}/`));
    return inside.map((path) => path.slice(directory.length + 1)).toSorted();
  }

  private async change(): Promise<void> {
    this.changed = true;
    throw new Error('a start wrote');
  }

  async makeDirectory(): Promise<void> {
    await Promise.resolve();
  }

  remove(): Promise<void> {
    return this.change();
  }

  rename(): Promise<void> {
    return this.change();
  }

  async syncDir(): Promise<void> {
    await Promise.resolve();
  }

  async space(): Promise<DiskSpace> {
    return { totalBytes: 2 ** 40, freeBytes: 2 ** 40 };
  }
}

export interface Access {
  readonly kind: 'read' | 'write';
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** Notes which bytes of which files are read and written. */
export class TracedDisk extends ForwardingDisk<SimDisk> {
  accesses: Access[] = [];

  override open(path: string, mode: OpenMode): Promise<DiskFile> {
    const note = (kind: Access['kind'], from: number, bytes: number): void =>
      void this.accesses.push({ kind, path, from, to: from + bytes });
    return this.openWith(path, mode, (file) => ({
      read(into, position) {
        note('read', position, into.length);
        return file.read(into, position);
      },
      write(parts, position) {
        note('write', position, Buffer.concat(parts).length);
        return file.write(parts, position);
      },
    }));
  }
}
