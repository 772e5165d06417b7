// Names of the lossy file system. A created, renamed or removed name is seen at once and reaches the real file
// system when its directory is synced, in the order of the changes. Does not know contents.

import fs from 'node:fs';
import { dirname } from 'node:path';

export type NameChange<Inode> =
  | { readonly kind: 'link'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string };

/** A file as far as its names matter. */
export interface Named {
  readonly number: number;
  /** Path of the real file. */
  home: string;
  /** Path that programs see; undefined when removed. */
  name: string | undefined;
}

const gone = 'gone';

export function directoryOf<Inode>(change: NameChange<Inode>): string {
  return dirname(change.kind === 'rename' ? change.from : change.path);
}

export class LossyNames<Inode extends Named> {
  /** What programs see, where it may differ from the real names or the file is in use. */
  private readonly seen = new Map<string, Inode | typeof gone>();
  private pending: NameChange<Inode>[] = [];

  /** undefined: the real file system knows. */
  find(path: string): Inode | undefined | typeof gone {
    return this.seen.get(path);
  }

  get changes(): readonly NameChange<Inode>[] {
    return this.pending;
  }

  /** A file that is really there under its name. */
  adopt(path: string, inode: Inode): void {
    this.seen.set(path, inode);
    inode.name = path;
  }

  /** An unused file without pending changes of its name: the real file system knows it as well. */
  release(inode: Inode): void {
    if (inode.name !== undefined) this.seen.delete(inode.name);
  }

  change(change: NameChange<Inode>, known: Inode): void {
    this.pending.push(change);
    if (change.kind === 'link') this.adopt(change.path, change.inode);
    else if (change.kind === 'unlink') this.hide(change.path, known);
    else {
      const replaced = this.seen.get(change.to);
      if (replaced !== undefined && replaced !== gone) replaced.name = undefined;
      this.hide(change.from, known);
      this.adopt(change.to, known);
    }
  }

  private hide(path: string, inode: Inode): void {
    this.seen.set(path, gone);
    inode.name = undefined;
  }

  /** Whether the name of a file or what it replaced still waits for a sync. */
  isPending(path: string): boolean {
    return this.pending.some((change) =>
      change.kind === 'rename' ? change.from === path || change.to === path : change.path === path,
    );
  }

  list(directory: string): string[] {
    const names = new Set(fs.readdirSync(directory));
    for (const [path, state] of this.seen) {
      if (dirname(path) !== directory) continue;
      const name = path.slice(directory.length + (directory === '/' ? 0 : 1));
      if (state === gone) names.delete(name);
      else names.add(name);
    }
    return [...names];
  }

  /** The changes of `directory` become real. `inodes`: everything that is in use. */
  sync(directory: string, inodes: Iterable<Inode>): void {
    const due = this.pending.filter((change) => directoryOf(change) === directory);
    for (const change of due) {
      this.makeReal(change, inodes);
      this.pending = this.pending.filter((other) => other !== change);
    }
    for (const [path, state] of this.seen)
      if (state === gone && dirname(path) === directory && !this.isPending(path))
        this.seen.delete(path);
  }

  private makeReal(change: NameChange<Inode>, inodes: Iterable<Inode>): void {
    if (change.kind === 'link') {
      fs.renameSync(change.inode.home, change.path);
      change.inode.home = change.path;
    } else if (change.kind === 'unlink') fs.unlinkSync(change.path);
    else {
      fs.renameSync(change.from, change.to);
      for (const inode of inodes) {
        if (inode.home === change.from) inode.home = change.to;
        // The file that was replaced has no real name any more; nobody looks for it.
        else if (inode.home === change.to) inode.home = '';
      }
    }
  }
}

/** The kill may have come between a change that became real and its note: then what it starts from is gone, and
 *  it and the changes of its directory before it are real. */
export function stillPending<Inode extends Named>(
  pending: readonly NameChange<number>[],
  inodes: ReadonlyMap<number, Inode>,
): NameChange<Inode>[] {
  const left: NameChange<Inode>[] = [];
  for (const change of pending) {
    const inode = change.kind === 'link' ? inodes.get(change.inode) : undefined;
    if (change.kind !== 'link') left.push(change);
    else if (inode !== undefined) left.push({ ...change, inode });
    else {
      const directory = dirname(change.path);
      for (let index = left.length - 1; index >= 0; index--)
        if (directoryOf(left[index] as NameChange<Inode>) === directory) left.splice(index, 1);
    }
  }
  return left;
}
