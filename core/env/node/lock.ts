// Exclusive use of a directory by one process. Node has no flock, so this borrows LevelDB's: an empty LevelDB
// whose LOCK file carries an fcntl lock, which the kernel drops when the holder dies, however it dies.
//
// Two traps, both closed here. LevelDB drops its lock after a failed second open in the same process (POSIX
// ties fcntl locks to the process, not to the descriptor): `held` refuses before LevelDB is asked. And a
// power loss may damage the empty database's own files: they mean nothing, so everything but LOCK is removed
// and made anew; two processes that do so at once still meet at LOCK, which nobody removes.
// Alternatives and why not: docs/decisions/0004-directory-lock.md.

import { mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Level } from 'level';
import { CoreError } from '../../base/errors.ts';

export interface DirectoryLock {
  release(): Promise<void>;
}

export interface LockOptions {
  /** How long to wait for another process to let go; 0 when absent. */
  readonly waitMs?: number;
  /** Called once, when the first attempt found the lock taken. */
  readonly onWait?: () => void;
}

const pollMs = 50;
const held = new Set<string>();

/** Locks `directory` (made when missing; used for nothing else) until released or until the process ends.
 *  @throws CoreError BUSY when another process, or this one, holds it; DISK_REFUSED when it cannot be used */
export async function lockDirectory(
  directory: string,
  options: LockOptions = {},
): Promise<DirectoryLock> {
  const path = prepare(directory);
  if (held.has(path)) throw new CoreError('BUSY', `${path} is locked by this process`);
  held.add(path);
  try {
    const level = await openWaiting(path, options);
    return {
      async release() {
        await level.close();
        held.delete(path);
      },
    };
  } catch (error) {
    held.delete(path);
    throw error;
  }
}

function prepare(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return realpathSync(directory);
  } catch (error) {
    throw new CoreError('DISK_REFUSED', `cannot use ${directory}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function openWaiting(path: string, options: LockOptions): Promise<Level> {
  const attempts = 1 + Math.ceil((options.waitMs ?? 0) / pollMs);
  for (let attempt = 1; ; attempt += 1) {
    // oxlint-disable-next-line no-await-in-loop -- polling is the only way to wait for an fcntl lock here
    const outcome = await tryOpen(path, attempt > 1);
    if (outcome.level !== undefined) return outcome.level;
    if (outcome.taken && attempt < attempts) {
      if (attempt === 1) options.onWait?.();
      // oxlint-disable-next-line no-await-in-loop
      await delay(pollMs);
    } else if (outcome.taken) {
      throw new CoreError('BUSY', `${path} is locked by another process`);
    } else {
      throw new CoreError('DISK_REFUSED', `cannot lock ${path}: ${outcome.reason}`);
    }
  }
}

interface Outcome {
  readonly level?: Level;
  readonly taken?: boolean;
  readonly reason?: string;
}

async function tryOpen(path: string, repaired = false): Promise<Outcome> {
  const level = new Level(path);
  try {
    await level.open();
    return { level };
  } catch (error) {
    const cause = (error as Error).cause as (Error & { code?: string }) | undefined;
    const reason = cause?.message ?? (error as Error).message;
    if (cause?.code === 'LEVEL_LOCKED') return { taken: true };
    if (repaired) return { reason };
    for (const name of readdirSync(path)) if (name !== 'LOCK') rmSync(join(path, name));
    return tryOpen(path, true);
  }
}
