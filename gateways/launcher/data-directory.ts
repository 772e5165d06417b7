// Opening the data directory for a run: exclusive, ours, and of a format that this build reads. Every refusal
// says what was found and what to do. What lies below `meta/` and `store/` is checked by the core itself.

import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { CoreError, isCoreError } from '../../core/base/errors.ts';
import { type DirectoryLock, lockDirectory } from '../../core/env/node/lock.ts';
import { lossyFolder } from '../../core/env/node/storage.ts';
import {
  type ShapeText,
  type SystemShape,
  type WishedShape,
  firstShape,
  refuseOtherShape,
  shapeFromFile,
  shapeToFile,
} from './system-shape.ts';
import { asRefusal, makeDirectories, readFileIfAny, writeFileAtomic } from './files.ts';
import { coreAddress, launcherFile, lockPath, runDirectory, systemFile } from './paths.ts';

export type { WishedShape } from './system-shape.ts';

/** Raised when a directory written by this build cannot be used by an older one. 2: summaries of tables state
 *  the journal record up to which they are complete. */
export const systemFormat = 2;
const systemFormatMin = 1;
/** Of a directory with several replicas, which a build that knows only one must not open. */
const clusterFormat = 3;

export interface DataDirectory {
  readonly path: string;
  readonly clusterId: string;
  readonly shape: SystemShape;
  /** Made by this start. */
  readonly fresh: boolean;
  /** The former run on it did not end by draining: its processes may still be about to end. */
  readonly afterCrash: boolean;
  close(): Promise<void>;
}

/** Locks and opens `path`, making it when it does not exist or is empty.
 *  @param wish what it must be made with; anything when absent
 *  @throws CoreError BUSY naming the holder; INVALID_ARGUMENT for another shape; DISK_REFUSED; VERSION_UNSUPPORTED */
export async function openDataDirectory(
  path: string,
  wish: WishedShape = {},
): Promise<DataDirectory> {
  try {
    return await open(path, wish);
  } catch (error) {
    throw asRefusal(error);
  }
}

async function open(path: string, wish: WishedShape): Promise<DataDirectory> {
  makeDirectory(path);
  // Before the lock, which would leave its own files in somebody else's directory.
  if (readFileIfAny(systemFile(path)) === undefined) refuseForeign(path);
  const lock = await lockDirectory(lockPath(path, 'launcher')).catch((error: unknown) => {
    throw isCoreError(error, 'BUSY') ? inUse(path) : error;
  });
  try {
    return openLocked(path, lock, wish);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function openLocked(path: string, lock: DirectoryLock, wish: WishedShape): DataDirectory {
  const text = readFileIfAny(systemFile(path));
  const system =
    text === undefined
      ? { clusterId: newClusterId(), shape: firstShape(path, wish) }
      : readSystemFile(path, text);
  if (text === undefined) writeSystemFile(path, system);
  else refuseOtherShape(path, system.shape, wish);
  const afterCrash = launcherPid(path) !== undefined;
  // What a former run left there is of no use: sockets without listeners and an old operator token.
  removeRun(path);
  mkdirSync(runDirectory(path), { mode: 0o700 });
  makeSocketDirectory(path);
  writeFileAtomic(launcherFile(path), `${JSON.stringify({ pid: process.pid })}\n`);
  const close = (): Promise<void> => {
    removeRun(path);
    return lock.release();
  };
  return { path, ...system, fresh: text === undefined, afterCrash, close };
}

function removeRun(path: string): void {
  rmSync(runDirectory(path), { recursive: true, force: true });
  const address = coreAddress(path);
  if (address.kind === 'unix') rmSync(dirname(address.path), { recursive: true, force: true });
}

/** The socket's directory may lie in a temporary directory that others can write to: it has to be ours. */
function makeSocketDirectory(path: string): void {
  const address = coreAddress(path);
  if (address.kind !== 'unix') return;
  const directory = dirname(address.path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(directory);
  if (uid !== userInfo().uid || (mode & 0o077) !== 0)
    throw new CoreError(
      'DISK_REFUSED',
      `${directory}, which the internal socket needs, is open to others: remove it`,
    );
}

function makeDirectory(path: string): void {
  try {
    makeDirectories(path, 0o700);
  } catch (error) {
    throw new CoreError('DISK_REFUSED', `cannot make ${path}: ${(error as Error).message}`);
  }
}

/** Left behind by a first start that was killed before lampyr.json, and what a crash test makes. */
const startNames: ReadonlySet<string> = new Set(['lock', 'run', 'lampyr.json.tmp', lossyFolder]);

function refuseForeign(path: string): void {
  const foreign = readdirSync(path).filter((name) => !startNames.has(name));
  if (foreign.length === 0) return;
  const some = foreign.slice(0, 3).join(', ');
  throw new CoreError(
    'DISK_REFUSED',
    `${path} has no lampyr.json but holds other files (${some}): choose an empty directory with --data, ` +
      'or restore lampyr.json if this was a data directory',
  );
}

function inUse(path: string): CoreError {
  const holder = launcherPid(path);
  const who = holder === undefined ? 'another lampyr process' : `lampyr, process ${holder}`;
  const how = holder === undefined ? 'stop that process' : `stop it with: kill ${holder}`;
  return new CoreError('BUSY', `${path} is in use by ${who}; ${how}, or choose another --data`);
}

/** Process id of the newest launcher on the directory; it may have ended. */
export function launcherPid(path: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileIfAny(launcherFile(path)) ?? '') as { pid: number };
    return pid;
  } catch {
    return undefined;
  }
}

interface System {
  readonly clusterId: string;
  readonly shape: SystemShape;
}

function newClusterId(): string {
  return randomBytes(16).toString('hex');
}

function writeSystemFile(path: string, { clusterId, shape }: System): void {
  const format = shape.replicas === 1 ? systemFormat : clusterFormat;
  const cluster = shape.replicas === 1 ? {} : shapeToFile(path, shape);
  const text = JSON.stringify({ format, clusterId, ...cluster }, undefined, 2);
  writeFileAtomic(systemFile(path), `${text}\n`);
}

function readSystemFile(path: string, text: string): System {
  const file = systemFile(path);
  const { format, clusterId, ...rest } = parseSystemFile(text);
  if (typeof format === 'number' && format > clusterFormat)
    throw new CoreError(
      'VERSION_UNSUPPORTED',
      `${file} says format ${format}, this build reads up to ${clusterFormat}: start a newer lampyr on it`,
    );
  const known = typeof format === 'number' && Number.isInteger(format) && format >= systemFormatMin;
  const shape = shapeFromFile(path, rest);
  if (
    !known ||
    typeof clusterId !== 'string' ||
    !/^[0-9a-f]{32}$/.test(clusterId) ||
    shape === undefined
  )
    throw new CoreError(
      'DISK_REFUSED',
      `${file} is damaged (no format and cluster id in it): restore it from a backup`,
    );
  // Before anything of the newer format is written.
  if (format < systemFormat) writeSystemFile(path, { clusterId, shape });
  return { clusterId, shape };
}

type SystemText = { format?: unknown; clusterId?: unknown } & ShapeText;

function parseSystemFile(text: string): SystemText {
  try {
    return (JSON.parse(text) ?? {}) as SystemText;
  } catch {
    return {};
  }
}
