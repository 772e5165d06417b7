// Where a process keeps what must survive: disks and key-value stores of this machine. Production
// has one; the other one (lossy/storage.ts) is for crash tests.

import type { Disk } from '../disk.ts';
import type { Kv } from '../kv.ts';
import { nodeDisk } from './disk.ts';
import { openLevelKv } from './kv.ts';
import { type FileDamage, damagedLevelTables } from './level-check.ts';

export interface NodeStorage {
  /** The directory as a Disk. */
  disk(root: string): Disk;
  /** Opens the store; makes it when it does not exist and `create` says so. @throws CoreError DISK_REFUSED */
  kv(path: string, options: { readonly create: boolean }): Promise<Kv>;
  /** Damage in the files of an open store, where they can be looked at. */
  readonly damagedFiles?: (path: string) => Promise<FileDamage[]>;
  /** Other processes of this machine find in the files what was written. */
  readonly sharesFiles?: boolean;
  /** What an operator must know about it; undefined in production. */
  readonly warning?: string;
}

/** Below the data directory; a process uses a lossy disk only where somebody made it by hand. */
export const lossyFolder = 'lossy';

export const nodeStorage: NodeStorage = {
  disk: (root) => nodeDisk(root),
  kv: openLevelKv,
  damagedFiles: damagedLevelTables,
  sharesFiles: true,
};
