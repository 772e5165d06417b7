// The side folder of the lossy file system, beside the data and on the same file system:
//
//   directories   directories whose names were not synced: made at once, removed after a power loss
//   inode-N       files whose first name was not synced
//   cache/, kv-…  of the second model: the process was killed and the page cache lives on (cache.ts, kv.ts)

import fs from 'node:fs';
import { join } from 'node:path';

export class SideFolder {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
    fs.mkdirSync(path, { recursive: true });
  }

  get cache(): string {
    return join(this.path, 'cache');
  }

  /** Where a file lies that has no durable name yet. */
  hidden(inode: number): string {
    return join(this.path, `inode-${inode}`);
  }

  private get directories(): string {
    return join(this.path, 'directories');
  }

  /** Replaced whole: a kill shows the list before or after. */
  noteDirectories(paths: Iterable<string>): void {
    fs.writeFileSync(`${this.directories}.tmp`, JSON.stringify([...paths]));
    fs.renameSync(`${this.directories}.tmp`, this.directories);
  }

  readDirectories(): string[] {
    if (!fs.existsSync(this.directories)) return [];
    return JSON.parse(fs.readFileSync(this.directories, 'utf8')) as string[];
  }

  /** Nothing is unsynced, or all of it is lost. */
  clear(): void {
    for (const name of fs.readdirSync(this.path))
      if (/^(?:inode|kv)-/.test(name) || name === 'cache')
        fs.rmSync(join(this.path, name), { recursive: true });
  }
}
