// A file system that forgets: for crash tests of real processes, never for data that matters. Written bytes stay
// in this process's memory until fsync or fdatasync of their file, names until fsync of their directory, so
// that `kill -9` is a power loss in which nothing unsynced survives. Reads see everything. Synchronous; calls.ts
// makes it look like `fs`. Where the real files stand for the disk, an orderly end of the process writes
// everything back, as a kernel does that goes on running.

import fs from 'node:fs';
import { Buffer } from 'node:buffer';
import { dirname, resolve } from 'node:path';
import type { MakeDirectoryOptions } from '../file-calls.ts';
import { SurvivingCache, readCachedInode, readCachedNames } from './cache.ts';
import type { CachedNames } from './cache.ts';
import { LossyInode } from './inode.ts';
import { LossyNames, directoryOf, stillPending } from './names.ts';
import type { NameChange } from './names.ts';
import { SideFolder } from './side.ts';

/** `lossy`: a kill is a power loss. `lossy-twice`: kills in turns end the process alone and then the power. */
export type LossyModel = 'lossy' | 'lossy-twice';

type Handle = { readonly inode: LossyInode } | { readonly directory: string };

const { O_CREAT, O_DIRECTORY, O_EXCL, O_RDWR, O_TRUNC } = fs.constants;
const hiddenMode = 0o600;

export class LossyFiles {
  private readonly side: SideFolder;
  private readonly names = new LossyNames<LossyInode>();
  private readonly inodes = new Set<LossyInode>();
  private readonly handles = new Map<number, Handle>();
  private readonly unsyncedDirectories = new Set<string>();
  private readonly cache: SurvivingCache | undefined;
  private nextNumber = 1;
  private nextHandle = 1;

  /** Takes over what a former process left in `side`, or finishes the power loss that it died of. */
  constructor(side: string, model: LossyModel) {
    this.side = new SideFolder(side);
    const cached = readCachedNames(this.side.cache);
    if (cached === undefined) this.finishPowerLoss();
    else this.takeOver(cached);
    // A process that took a cache over dies of a power loss; the next one starts a new pair.
    if (cached === undefined && model === 'lossy-twice')
      this.cache = new SurvivingCache(this.side.cache);
  }

  /** Whether a kill ends the process alone: its unsynced changes are shown by the next one. */
  get survives(): boolean {
    return this.cache !== undefined;
  }

  // --- handles ---------------------------------------------------------------------------------------

  openSync(path: string, flags: number, mode?: number): number {
    const full = resolve(path);
    if ((flags & O_DIRECTORY) !== 0 || isDirectory(full)) {
      if (!isDirectory(full)) throw failure('ENOENT', 'open', full);
      return this.handle({ directory: full });
    }
    let inode = this.lookUp(full);
    if (inode === undefined && (flags & O_CREAT) === 0) throw failure('ENOENT', 'open', full);
    if (inode !== undefined && (flags & O_EXCL) !== 0) throw failure('EEXIST', 'open', full);
    inode ??= this.create(full, mode);
    inode.users++;
    if ((flags & O_TRUNC) !== 0 && inode.size > 0) this.change(inode, (each) => each.truncate(0));
    return this.handle({ inode });
  }

  private handle(handle: Handle): number {
    this.handles.set(this.nextHandle, handle);
    return this.nextHandle++;
  }

  private lookUp(path: string): LossyInode | undefined {
    const known = this.names.find(path);
    if (known !== undefined) return known === 'gone' ? undefined : known;
    if (!fs.existsSync(path)) return undefined;
    const inode = this.use(this.nextNumber++, path, O_RDWR);
    this.names.adopt(path, inode);
    return inode;
  }

  private use(number: number, home: string, flags: number, mode?: number): LossyInode {
    const inode = new LossyInode(number, home, flags, mode);
    this.inodes.add(inode);
    return inode;
  }

  private create(path: string, mode = hiddenMode): LossyInode {
    if (!isDirectory(dirname(path))) throw failure('ENOENT', 'open', path);
    const number = this.nextNumber++;
    const inode = this.use(number, this.side.hidden(number), O_RDWR | O_CREAT | O_TRUNC, mode);
    this.rename({ kind: 'link', path, inode }, inode);
    return inode;
  }

  closeSync(fd: number): void {
    const handle = this.find(fd, 'close');
    this.handles.delete(fd);
    if (!('inode' in handle)) return;
    handle.inode.users--;
    this.release(handle.inode);
  }

  /** An unused file is forgotten when the real file system shows the same. */
  private release(inode: LossyInode): void {
    if (inode.users > 0) return;
    const { name } = inode;
    if (name !== undefined && (inode.dirty || this.names.isPending(name))) return;
    // Removed, but the removal may be lost: what was synced of it lies under its home.
    this.names.release(inode);
    this.inodes.delete(inode);
    inode.close();
  }

  private find(fd: number, call: string): Handle {
    const handle = this.handles.get(fd);
    if (handle === undefined) throw failure('EBADF', call);
    return handle;
  }

  private inodeOf(fd: number, call: string): LossyInode {
    const handle = this.find(fd, call);
    if (!('inode' in handle)) throw failure('EISDIR', call);
    return handle.inode;
  }

  // --- contents --------------------------------------------------------------------------------------

  readSync(fd: number, into: Uint8Array, position: number): number {
    return this.inodeOf(fd, 'read').read(into, position);
  }

  /** Writes all parts one after another; text goes to the front of the file. */
  writeSync(fd: number, content: string | readonly Uint8Array[], position = 0): number {
    const parts = typeof content === 'string' ? [Buffer.from(content)] : content;
    let at = position;
    this.change(this.inodeOf(fd, 'write'), (inode) => {
      for (const part of parts) {
        inode.write(part, at);
        at += part.length;
      }
    });
    return at - position;
  }

  ftruncateSync(fd: number, bytes: number): void {
    this.change(this.inodeOf(fd, 'ftruncate'), (inode) => inode.truncate(bytes));
  }

  private change(inode: LossyInode, action: (inode: LossyInode) => void): void {
    if (this.cache !== undefined && inode.cache === undefined) {
      inode.cache = this.cache.inode(inode.number);
      this.noteNames();
    }
    action(inode);
  }

  sizeSync(fd: number): number {
    return this.inodeOf(fd, 'fstat').size;
  }

  fchmodSync(fd: number, mode: number): void {
    this.inodeOf(fd, 'fchmod').chmod(mode);
  }

  /** fsync and fdatasync: of a file its content and size, of a directory the names in it. */
  fsyncSync(fd: number): void {
    const handle = this.find(fd, 'fsync');
    if ('inode' in handle) handle.inode.sync();
    else this.syncNames(handle.directory);
  }

  readFileSync(path: string, encoding: 'utf8'): string {
    const fd = this.openSync(path, O_RDWR);
    try {
      const bytes = Buffer.alloc(this.sizeSync(fd));
      this.readSync(fd, bytes, 0);
      return bytes.toString(encoding);
    } finally {
      this.closeSync(fd);
    }
  }

  // --- names -----------------------------------------------------------------------------------------

  renameSync(from: string, to: string): void {
    const paths = { from: resolve(from), to: resolve(to) };
    const inode = this.lookUp(paths.from);
    if (inode === undefined) throw failure('ENOENT', 'rename', paths.from);
    // Nobody moves files between directories, whose syncs could then part the two names.
    if (dirname(paths.from) !== dirname(paths.to)) throw failure('EXDEV', 'rename', paths.from);
    this.rename({ kind: 'rename', ...paths }, inode);
  }

  unlinkSync(path: string): void {
    const full = resolve(path);
    const inode = this.lookUp(full);
    if (inode === undefined) throw failure('ENOENT', 'unlink', full);
    this.rename({ kind: 'unlink', path: full }, inode);
    this.release(inode);
  }

  private rename(change: NameChange<LossyInode>, inode: LossyInode): void {
    this.names.change(change, inode);
    this.noteNames();
  }

  readdirSync(path: string): string[] {
    return this.names.list(resolve(path));
  }

  /** The first directory that was made. */
  mkdirSync(path: string, options: MakeDirectoryOptions): string | undefined {
    const { recursive = false, mode } = options;
    const full = resolve(path);
    const parent = dirname(full);
    const missing = recursive && parent !== full && !fs.existsSync(parent);
    const first = missing ? this.mkdirSync(parent, options) : undefined;
    if (recursive && isDirectory(full)) return first;
    if (fs.existsSync(full)) throw failure('EEXIST', 'mkdir', full);
    // Noted before, so that no power loss leaves it: removing what is not there is no failure.
    this.unsyncedDirectories.add(full);
    this.side.noteDirectories(this.unsyncedDirectories);
    fs.mkdirSync(full, { mode });
    return first ?? full;
  }

  private syncNames(directory: string): void {
    this.names.sync(directory, this.inodes);
    const made = [...this.unsyncedDirectories].filter((path) => dirname(path) === directory);
    for (const path of made) this.unsyncedDirectories.delete(path);
    if (made.length > 0) this.side.noteDirectories(this.unsyncedDirectories);
    this.noteNames();
    for (const inode of this.inodes) this.release(inode);
  }

  // --- the side folder -------------------------------------------------------------------------------

  private noteNames(): void {
    if (this.cache === undefined) return;
    const pending = this.names.changes.map((change): NameChange<number> =>
      change.kind === 'link' ? { ...change, inode: change.inode.number } : change,
    );
    const linked = this.names.changes.flatMap((each) => (each.kind === 'link' ? [each.inode] : []));
    const noted = new Set([...this.inodes, ...linked]);
    const homes = [...noted].map(({ number, home }) => [number, home] as const);
    this.cache.names({ pending, homes });
  }

  /** Of names and files that were never synced nothing is left. */
  private finishPowerLoss(): void {
    for (const path of this.side.readDirectories())
      fs.rmSync(path, { recursive: true, force: true });
    this.side.clear();
    this.side.noteDirectories(this.unsyncedDirectories);
  }

  /** What the killed process had not synced is seen, and not synced. */
  private takeOver({ pending, homes }: CachedNames): void {
    for (const path of this.side.readDirectories()) this.unsyncedDirectories.add(path);
    const byNumber = new Map<number, LossyInode>();
    for (const [number, home] of homes) {
      this.nextNumber = Math.max(this.nextNumber, number + 1);
      const inode = fs.existsSync(home) ? this.use(number, home, O_RDWR) : undefined;
      if (inode === undefined) continue;
      byNumber.set(number, inode);
      const cached = readCachedInode(this.side.cache, number, inode.size);
      if (cached !== undefined) inode.restore(cached.pages, cached.seenBytes, cached.keptBytes);
      if (home !== this.side.hidden(number)) this.names.adopt(home, inode);
    }
    for (const change of stillPending(pending, byNumber)) {
      const inode =
        change.kind === 'link'
          ? change.inode
          : this.lookUp(change.kind === 'rename' ? change.from : change.path);
      if (inode !== undefined) this.names.change(change, inode);
    }
    for (const inode of this.inodes) this.release(inode);
    fs.rmSync(this.side.cache, { recursive: true });
  }

  // --- ends ------------------------------------------------------------------------------------------

  /** An orderly end: what is seen is what the next process finds, whoever it is. */
  writeBack(): void {
    for (const inode of this.inodes) if (inode.dirty && inode.home !== '') inode.sync();
    for (const directory of new Set(this.names.changes.map(directoryOf)))
      this.names.sync(directory, this.inodes);
    this.unsyncedDirectories.clear();
    this.side.noteDirectories(this.unsyncedDirectories);
    this.side.clear();
  }

  /** The end without anything: for tests in one process. */
  kill(): void {
    for (const inode of this.inodes) inode.close();
    this.inodes.clear();
    this.handles.clear();
  }
}

function isDirectory(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function failure(code: string, call: string, path = ''): Error {
  return Object.assign(new Error(`${code}: lossy file system, ${call} ${path}`), {
    code,
    syscall: call,
    path,
  });
}
