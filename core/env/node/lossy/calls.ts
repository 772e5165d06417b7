// The lossy file system in the form of Node's `fs`: every call ends in a later turn. A sync takes a while, as on a
// disk, so that kills fall between a write and its sync and between the syncs of two files; half of the syncs
// take effect when they are called and half just before they return, and nobody may rely on either.

import fs from 'node:fs';
import type { Done, FileCalls } from '../file-calls.ts';
import type { LossyFiles } from './files.ts';

/** About what a disk of flash takes. */
const syncMsMax = 2;

function later<T>(done: Done<T>, action: () => T): void {
  let value: T;
  try {
    value = action();
  } catch (error) {
    setImmediate(done, error as NodeJS.ErrnoException);
    return;
  }
  setImmediate(done, null, value);
}

function afterPause(done: Done, action: () => void): void {
  const ms = Math.random() * syncMsMax;
  if (Math.random() < 0.5) later((error) => setTimeout(() => done(error), ms), action);
  else setTimeout(() => later(done, action), ms);
}

export function lossyCalls(files: LossyFiles): FileCalls {
  return {
    open: (path, flags, mode, done) => later(done, () => files.openSync(path, flags, mode)),
    close: (fd, done) => later(done, () => files.closeSync(fd)),
    read: (fd, into, offset, length, position, done) =>
      later(done, () => files.readSync(fd, into.subarray(offset, offset + length), position)),
    write: (fd, bytes, offset, length, position, done) =>
      later(done, () => files.writeSync(fd, [bytes.subarray(offset, offset + length)], position)),
    writev: (fd, parts, position, done) => later(done, () => files.writeSync(fd, parts, position)),
    fdatasync: (fd, done) => afterPause(done, () => files.fsyncSync(fd)),
    fsync: (fd, done) => afterPause(done, () => files.fsyncSync(fd)),
    fstat: (fd, done) => later(done, () => ({ size: files.sizeSync(fd) })),
    ftruncate: (fd, bytes, done) => later(done, () => files.ftruncateSync(fd, bytes)),
    readdir: (path, done) => later(done, () => files.readdirSync(path)),
    mkdir: (path, options, done) =>
      later(done as Done<string | undefined>, () => files.mkdirSync(path, options)),
    unlink: (path, done) => later(done, () => files.unlinkSync(path)),
    rename: (from, to, done) => later(done, () => files.renameSync(from, to)),
    statfs: (path, done) => fs.statfs(path, done),
  };
}
