// Small files that must be whole or absent after a crash: written beside, synced, renamed, directory synced.

import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CoreError } from '../../core/base/errors.ts';

/** Why the operating system does not let us use a file that should be ours. */
const refusals: ReadonlySet<string | undefined> = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'EISDIR',
  'ENOTDIR',
  'ELOOP',
]);

/** A refusal of the operating system (permissions, a directory where a file belongs) as DISK_REFUSED, whose
 *  message names the path; any other error as it is. */
export function asRefusal(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof CoreError || !refusals.has(code)) return error;
  const advice =
    'the data directory and everything in it must belong to the user who runs lampyr, and be writable';
  return new CoreError('DISK_REFUSED', `${message}; ${advice}`, { cause: error });
}

/** @throws Error with the code of the failed system call */
export function writeFileAtomic(path: string, text: string, mode = 0o644): void {
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, 'w', mode);
  try {
    // The mode of open(2) is narrowed by the umask and ignored when a crash left the temporary file behind.
    fchmodSync(file, mode);
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** The file's text; undefined when it does not exist. */
export function readFileIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
