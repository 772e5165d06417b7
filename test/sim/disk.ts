// A disk in memory that forgets what was not synced. Per file it keeps the content that programs see, the
// content that was synced, and every unsynced write cut into 512-byte sectors; names are kept the same way
// per directory. `crash` builds the disk that a power loss leaves: any choice of the unsynced units.
// A sector is written whole or not at all, as real disks promise; everything larger can tear.

import { assert } from '../../core/base/assert.ts';
import type { Disk, DiskFile, DiskSpace, OpenMode } from '../../core/env/disk.ts';
import { SimInode } from './disk-inode.ts';
import type { DiskOperation, Trace } from './trace.ts';

/** One thing that a crash may keep or lose. */
export type UnsyncedUnit =
  | { readonly kind: 'sector'; readonly path: string; readonly sector: number; readonly id: number }
  | { readonly kind: 'size'; readonly path: string; readonly id: number }
  | { readonly kind: 'name'; readonly path: string; readonly id: number };

export type Survives = (unit: UnsyncedUnit) => boolean;

type NameChange =
  | { readonly kind: 'link'; readonly path: string; readonly inode: SimInode }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'unlink'; readonly path: string }
  /** Of the file that had the name then, whatever becomes of the change that gave it the name. */
  | {
      readonly kind: 'rename';
      readonly from: string;
      readonly to: string;
      readonly inode: SimInode;
    };

interface PendingName {
  readonly change: NameChange;
  /** Directories whose sync makes it durable; the first one to be synced suffices (a journaled rename is atomic). */
  readonly directories: readonly string[];
  readonly id: number;
}

export interface Fault {
  readonly operation: DiskOperation['kind'] | 'read' | 'open';
  readonly code: 'EIO' | 'ENOSPC';
  /** Only paths that contain it. */
  readonly path?: string;
  /** Operations of the kind that still succeed first. */
  readonly skip?: number;
  /** The fault hits once and is gone. */
  readonly once?: boolean;
}

export interface SimDiskOptions {
  readonly totalBytes?: number;
  readonly trace?: Trace;
  /** Time that an operation takes; a microtask when absent. */
  readonly delay?: (operation: string, path: string) => Promise<void>;
}

class Names {
  readonly files = new Map<string, SimInode>();
  readonly directories = new Set<string>(['']);

  copy(inodeOf: (inode: SimInode) => SimInode): Names {
    const names = new Names();
    for (const [path, inode] of this.files) names.files.set(path, inodeOf(inode));
    for (const path of this.directories) names.directories.add(path);
    return names;
  }

  apply(change: NameChange): void {
    if (change.kind === 'link') this.files.set(change.path, change.inode);
    else if (change.kind === 'directory') this.directories.add(change.path);
    else if (change.kind === 'unlink') this.files.delete(change.path);
    else {
      if (this.files.get(change.from) === change.inode) this.files.delete(change.from);
      this.files.set(change.to, change.inode);
    }
  }
}

export class SimDisk implements Disk {
  private seen = new Names();
  private durable = new Names();
  private pendingNames: PendingName[] = [];
  private readonly faults: (Fault & { seen: number })[] = [];
  private readonly options: SimDiskOptions;
  private nextId = 1;
  /** Operations performed, by kind. */
  readonly counts: Partial<Record<DiskOperation['kind'] | 'read' | 'open', number>> = {};

  constructor(options: SimDiskOptions = {}) {
    this.options = options;
  }

  // --- Disk ------------------------------------------------------------------------------------

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    await this.perform('open', path);
    const existing = this.seen.files.get(path);
    if (mode === 'create') {
      if (existing !== undefined) throw diskError('EEXIST', path);
      if (!this.seen.directories.has(parentOf(path))) throw diskError('ENOENT', path);
      await this.perform('create', path);
      this.apply({ kind: 'create', path });
    } else if (existing === undefined) throw diskError('ENOENT', path);
    return new SimFile(this, path, this.seen.files.get(path) as SimInode);
  }

  async list(directory: string): Promise<string[]> {
    await this.perform('read', directory);
    const prefix = directory === '' ? '' : `${directory}/`;
    return [...this.seen.files.keys(), ...this.seen.directories]
      .filter((path) => path !== '' && path.startsWith(prefix))
      .map((path) => path.slice(prefix.length))
      .filter((name) => name !== '' && !name.includes('/'))
      .toSorted();
  }

  async makeDirectory(path: string): Promise<void> {
    await this.perform('makeDirectory', path);
    this.apply({ kind: 'makeDirectory', path });
  }

  async remove(path: string): Promise<void> {
    await this.perform('remove', path);
    if (!this.seen.files.has(path)) throw diskError('ENOENT', path);
    this.apply({ kind: 'remove', path });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.perform('rename', from);
    if (!this.seen.files.has(from)) throw diskError('ENOENT', from);
    this.apply({ kind: 'rename', from, to });
  }

  async syncDir(path: string): Promise<void> {
    await this.perform('syncDir', path);
    if (!this.seen.directories.has(path)) throw diskError('ENOENT', path);
    this.apply({ kind: 'syncDir', path });
  }

  async space(): Promise<DiskSpace> {
    await this.perform('read', '');
    const totalBytes = this.options.totalBytes ?? 2 ** 40;
    return { totalBytes, freeBytes: totalBytes - this.usedBytes() };
  }

  usedBytes(): number {
    let bytes = 0;
    for (const inode of this.seen.files.values()) bytes += inode.size;
    return bytes;
  }

  // --- faults and damage -----------------------------------------------------------------------

  inject(fault: Fault): void {
    this.faults.push({ ...fault, seen: 0 });
  }

  healFaults(): void {
    this.faults.length = 0;
  }

  /** Flips bits of one stored byte, in what is seen and in what is durable. */
  flip(path: string, position: number, mask = 0x01): void {
    this.inode(path).flip(position, mask);
  }

  /** The content that programs see. */
  content(path: string): Buffer {
    return this.inode(path).content();
  }

  files(): string[] {
    return [...this.seen.files.keys()].toSorted();
  }

  /** Equal for equal files and directories. */
  print(): string {
    const { files, directories } = this.seen;
    const names = [...files].map(([path, inode]) => `${path} ${inode.print()}`);
    return [...names, ...directories].toSorted().join('\n');
  }

  /** The name that an open file has now; undefined once it was removed. `hint` is the name it was opened by. */
  pathOf(inode: SimInode, hint: string): string | undefined {
    if (this.seen.files.get(hint) === inode) return hint;
    for (const [path, other] of this.seen.files) if (other === inode) return path;
    return undefined;
  }

  private inode(path: string): SimInode {
    const inode = this.seen.files.get(path);
    assert(inode !== undefined, `no such simulated file: ${path}`);
    return inode;
  }

  // --- crash -----------------------------------------------------------------------------------

  /** Everything that a crash now may keep or lose, in the order of its making. */
  unsynced(): UnsyncedUnit[] {
    const units: UnsyncedUnit[] = [];
    const inodes = new Map<SimInode, string>();
    for (const [path, inode] of [...this.durable.files, ...this.seen.files])
      inodes.set(inode, path);
    for (const { change } of this.pendingNames)
      if (change.kind === 'link' && !inodes.has(change.inode))
        inodes.set(change.inode, change.path);
    for (const [inode, path] of inodes) {
      for (const write of inode.pending)
        units.push({ kind: 'sector', path, sector: write.sector, id: write.id });
      if (inode.sizeId !== undefined) units.push({ kind: 'size', path, id: inode.sizeId });
    }
    for (const { change, id } of this.pendingNames) {
      const path = change.kind === 'rename' ? change.to : change.path;
      units.push({ kind: 'name', path, id });
    }
    return units.toSorted((a, b) => a.id - b.id);
  }

  /** The disk after a power loss that keeps exactly the unsynced units for which `survives` holds. */
  crash(survives: Survives, options: SimDiskOptions = {}): SimDisk {
    const kept = new Set<number>();
    for (const unit of this.unsynced()) if (survives(unit)) kept.add(unit.id);
    return this.crashKeeping((id) => kept.has(id), options);
  }

  /** The same by the ids of the units: cheaper where thousands of choices are made. */
  crashKeeping(keeps: (id: number) => boolean, options: SimDiskOptions = {}): SimDisk {
    const after = new SimDisk({ ...this.sizeOptions(), ...options });
    const copies = new Map<SimInode, SimInode>();
    const crashed = (inode: SimInode): SimInode => {
      const known = copies.get(inode);
      if (known !== undefined) return known;
      const copy = inode.crashed(keeps);
      copies.set(inode, copy);
      return copy;
    };
    const names = this.durable.copy(crashed);
    for (const { change, id } of this.pendingNames) {
      if (!keeps(id)) continue;
      names.apply('inode' in change ? { ...change, inode: crashed(change.inode) } : change);
    }
    after.seen = names;
    after.durable = names.copy((inode) => inode);
    return after;
  }

  /** An independent disk in the same state, pending writes included: what `kill -9` leaves. */
  copy(options: SimDiskOptions = {}): SimDisk {
    const copy = new SimDisk({ ...this.sizeOptions(), ...options });
    const copies = new Map<SimInode, SimInode>();
    const twin = (inode: SimInode): SimInode => {
      const known = copies.get(inode) ?? inode.copy();
      copies.set(inode, known);
      return known;
    };
    copy.seen = this.seen.copy(twin);
    copy.durable = this.durable.copy(twin);
    copy.pendingNames = this.pendingNames.map((pending) => ({
      ...pending,
      change:
        'inode' in pending.change
          ? { ...pending.change, inode: twin(pending.change.inode) }
          : pending.change,
    }));
    copy.nextId = this.nextId;
    return copy;
  }

  private sizeOptions(): SimDiskOptions {
    const { totalBytes } = this.options;
    return totalBytes === undefined ? {} : { totalBytes };
  }

  // --- effects ---------------------------------------------------------------------------------

  /** Waits the operation's time, then throws the fault that is due. */
  async perform(operation: Fault['operation'], path: string): Promise<void> {
    await (this.options.delay?.(operation, path) ?? Promise.resolve());
    this.counts[operation] = (this.counts[operation] ?? 0) + 1;
    for (const [index, fault] of this.faults.entries()) {
      if (fault.operation !== operation || !path.includes(fault.path ?? '')) continue;
      if (fault.seen++ < (fault.skip ?? 0)) continue;
      if (fault.once === true) this.faults.splice(index, 1);
      if (operation === 'sync') this.seen.files.get(path)?.forgetPending();
      throw diskError(fault.code, path);
    }
  }

  /** Applies one change; also how a trace is replayed. */
  apply(operation: DiskOperation): void {
    this.options.trace?.events.push({ device: 'disk', operation });
    switch (operation.kind) {
      case 'create':
        this.changeName({ kind: 'link', path: operation.path, inode: new SimInode() }, [
          parentOf(operation.path),
        ]);
        break;
      case 'write':
        this.checkSpace(operation.path, operation.position + operation.bytes.length);
        this.inode(operation.path).write(operation.bytes, operation.position, () => this.nextId++);
        break;
      case 'truncate':
        this.inode(operation.path).truncate(operation.bytes, () => this.nextId++);
        break;
      case 'sync':
        this.inode(operation.path).sync();
        break;
      case 'makeDirectory':
        this.makeDirectories(operation.path);
        break;
      case 'remove':
        this.changeName({ kind: 'unlink', path: operation.path }, [parentOf(operation.path)]);
        break;
      case 'rename':
        this.changeName({ ...operation, inode: this.inode(operation.from) }, [
          parentOf(operation.from),
          parentOf(operation.to),
        ]);
        break;
      case 'syncDir':
        this.syncNames(operation.path);
        break;
    }
  }

  private changeName(change: NameChange, directories: readonly string[]): void {
    this.seen.apply(change);
    this.pendingNames.push({ change, directories, id: this.nextId++ });
  }

  /** Made and synced in one operation: the contract of `makeDirectory`. */
  private makeDirectories(path: string): void {
    let at = '';
    for (const name of path.split('/').filter((part) => part !== '' && part !== '.')) {
      at = at === '' ? name : `${at}/${name}`;
      const change = { kind: 'directory', path: at } as const;
      this.seen.apply(change);
      this.durable.apply(change);
    }
  }

  private syncNames(directory: string): void {
    const rest: PendingName[] = [];
    for (const pending of this.pendingNames) {
      if (pending.directories.includes(directory)) this.durable.apply(pending.change);
      else rest.push(pending);
    }
    this.pendingNames = rest;
  }

  private checkSpace(path: string, end: number): void {
    const limit = this.options.totalBytes;
    if (limit === undefined) return;
    const growth = Math.max(0, end - this.inode(path).size);
    if (growth > 0 && this.usedBytes() + growth > limit) throw diskError('ENOSPC', path);
  }
}

class SimFile implements DiskFile {
  private readonly disk: SimDisk;
  private readonly openedAs: string;
  private readonly inode: SimInode;
  private closed = false;

  constructor(disk: SimDisk, openedAs: string, inode: SimInode) {
    this.disk = disk;
    this.openedAs = openedAs;
    this.inode = inode;
  }

  private async perform(operation: Fault['operation']): Promise<void> {
    assert(!this.closed, `used after close: ${this.openedAs}`);
    await this.disk.perform(operation, this.openedAs);
  }

  /** The file's name now; undefined when it was removed: what happens to it then dies with its last close. To be
   *  asked in the turn of the effect: others may remove it in between. */
  private get path(): string | undefined {
    return this.disk.pathOf(this.inode, this.openedAs);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    await this.perform('read');
    return this.inode.read(into, position);
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    await this.perform('write');
    const { path } = this;
    const bytes = Buffer.concat(parts);
    if (bytes.length === 0) return;
    if (path === undefined) this.inode.write(bytes, position, () => 0);
    else this.disk.apply({ kind: 'write', path, position, bytes });
  }

  async sync(): Promise<void> {
    await this.perform('sync');
    const { path } = this;
    if (path !== undefined) this.disk.apply({ kind: 'sync', path });
  }

  async size(): Promise<number> {
    await this.perform('read');
    return this.inode.size;
  }

  async truncate(bytes: number): Promise<void> {
    await this.perform('truncate');
    const { path } = this;
    if (path === undefined) this.inode.truncate(bytes, () => 0);
    else this.disk.apply({ kind: 'truncate', path, bytes });
  }

  async close(): Promise<void> {
    assert(!this.closed, `closed twice: ${this.openedAs}`);
    this.closed = true;
    await Promise.resolve();
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code });
}
