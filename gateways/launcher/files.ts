// Small files that must be whole or absent after a crash: written beside, synced, renamed, directory synced. And
// directories that must be there.

import fs from 'node:fs';
import { dirname } from 'node:path';
import { CoreError } from '../../core/base/errors.ts';
import type { SmallFileCalls } from '../../core/env/node/file-calls.ts';

const { O_CREAT, O_DIRECTORY, O_RDONLY, O_TRUNC, O_WRONLY } = fs.constants;

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
export function writeFileAtomic(
  path: string,
  text: string,
  mode = 0o644,
  calls: SmallFileCalls = fs,
): void {
  const temporary = `${path}.tmp`;
  const file = calls.openSync(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode);
  try {
    // The mode of open(2) is narrowed by the umask and ignored when a crash left the temporary file behind.
    calls.fchmodSync(file, mode);
    calls.writeSync(file, text);
    calls.fsyncSync(file);
  } finally {
    calls.closeSync(file);
  }
  calls.renameSync(temporary, path);
  syncDirectory(dirname(path), calls);
}

function syncDirectory(path: string, calls: SmallFileCalls): void {
  const directory = calls.openSync(path, O_RDONLY | O_DIRECTORY);
  try {
    calls.fsyncSync(directory);
  } finally {
    calls.closeSync(directory);
  }
}

/** Makes a directory and its parents, durable with their names: what lies in a lost directory is lost. */
export function makeDirectories(path: string, mode: number, calls: SmallFileCalls = fs): void {
  const first = calls.mkdirSync(path, { recursive: true, mode });
  if (first === undefined) return;
  let holder = path;
  do {
    holder = dirname(holder);
    syncDirectory(holder, calls);
  } while (holder.length >= first.length);
}

/** The file's text; undefined when it does not exist. */
export function readFileIfAny(path: string, calls: SmallFileCalls = fs): string | undefined {
  try {
    return calls.readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
