// A directory of a disk as a disk of its own, as a core keeps its store below the data directory: one power loss
// hits both.

import type { Disk } from '../../core/env/disk.ts';

export function subDisk(disk: Disk, directory: string): Disk {
  const full = (path: string): string => (path === '' ? directory : `${directory}/${path}`);
  return {
    open: (path, mode) => disk.open(full(path), mode),
    list: (path) => disk.list(full(path)),
    makeDirectory: (path) => disk.makeDirectory(full(path)),
    remove: (path) => disk.remove(full(path)),
    rename: (from, to) => disk.rename(full(from), full(to)),
    syncDir: (path) => disk.syncDir(full(path)),
    space: () => disk.space(),
  };
}
