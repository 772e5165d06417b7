// A directory of files as the chunk store sees it. Paths are relative to the disk's root, with '/'.
// Contract (test/contracts/disk.ts): a write is durable only after `sync` of its file; a created, renamed
// or removed name is durable only after `syncDir` of its directory; a failed `sync` is never retried by a
// caller, since the kernel may have dropped the dirty pages.

export interface DiskFile {
  /** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Reads in the calling turn, where the file system keeps what is asked for in memory as far as experience tells:
   *  undefined when it may have to wait, or cannot. Otherwise as `read`, but fewer bytes mean nothing. For callers whose
   *  turn nobody else waits for. */
  readNow?(into: Uint8Array, position: number): number | undefined;
  /** Writes all parts one after another at `position`; short writes are continued inside. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  /** fdatasync. @throws the first failure of any earlier write-back of this file. */
  sync(): Promise<void>;
  size(): Promise<number>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

export type OpenMode =
  /** The file exists. */
  | 'read'
  /** The file exists; read and write. */
  | 'write'
  /** The file must not exist; read and write. */
  | 'create';

export interface OpenOptions {
  /** Long writes from memory that begins on a page (core/base/page-memory.ts) may go past the cache of the system.
   *  For files that keep their name while they are open. Durability is the same: after `sync`. */
  readonly direct?: boolean;
}

export interface DiskSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface Disk {
  /** @throws Error with `code` ENOENT, EEXIST, EIO, ENOSPC… */
  open(path: string, mode: OpenMode, options?: OpenOptions): Promise<DiskFile>;
  /** Names in a directory, sorted; empty when it does not exist. */
  list(directory: string): Promise<string[]>;
  /** Makes a directory and its parents, and syncs the directories that hold the new names. */
  makeDirectory(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  syncDir(path: string): Promise<void>;
  space(): Promise<DiskSpace>;
}
