// The system calls on files that this folder and the launcher's small files make. In production they are Node's
// `fs` itself; tests put the lossy file system (lossy/files.ts) in its place. Names, arguments, results and
// errors are those of `fs`.

export type Done<T = void> = (error: NodeJS.ErrnoException | null, value?: T) => void;

export interface MakeDirectoryOptions {
  readonly mode: number;
  readonly recursive?: boolean;
}

/** What nodeDisk calls. */
export interface FileCalls {
  open(path: string, flags: number, mode: number, done: Done<number>): void;
  close(fd: number, done: Done): void;
  read(
    fd: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: Done<number>,
  ): void;
  /** Left out where reads take their time. */
  readSync?(fd: number, into: Uint8Array, offset: number, length: number, position: number): number;
  write(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: Done<number>,
  ): void;
  writev(fd: number, parts: readonly Uint8Array[], position: number, done: Done<number>): void;
  fdatasync(fd: number, done: Done): void;
  fsync(fd: number, done: Done): void;
  fstat(fd: number, done: Done<{ readonly size: number }>): void;
  ftruncate(fd: number, bytes: number, done: Done): void;
  readdir(path: string, done: Done<string[]>): void;
  /** With `recursive` the value is the first directory that was made, undefined when none was. */
  mkdir(path: string, options: MakeDirectoryOptions, done: Done<string>): void;
  unlink(path: string, done: Done): void;
  rename(from: string, to: string, done: Done): void;
  statfs(path: string, done: Done<FileSystemSpace>): void;
}

export interface FileSystemSpace {
  readonly bsize: number;
  readonly blocks: number;
  readonly bavail: number;
}

/** What small files that must be whole or absent are read and written with (gateways/launcher/files.ts). */
export interface SmallFileCalls {
  openSync(path: string, flags: number, mode?: number): number;
  closeSync(fd: number): void;
  writeSync(fd: number, text: string): number;
  fchmodSync(fd: number, mode: number): void;
  fsyncSync(fd: number): void;
  renameSync(from: string, to: string): void;
  readFileSync(path: string, encoding: 'utf8'): string;
  /** With `recursive` the first directory that was made, undefined when none was. */
  mkdirSync(path: string, options: MakeDirectoryOptions): string | undefined;
}
