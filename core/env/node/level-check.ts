// Verifies the files of a LevelDB before it is opened. LevelDB verifies no block on a get (our binding has no
// such option), drops damaged parts of its logs in silence, deletes what a damaged MANIFEST does not name, and
// may end the process on a damaged length: an older value of a key, or none, would pass for the newest. So
// nothing damaged gets that far. It reads the whole index once per start; docs/internals/corruption.md.

import { Buffer } from 'node:buffer';
import { open, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CoreError } from '../../base/errors.ts';
import { MiB } from '../../base/limits.ts';
import { mapParallel } from '../../base/parallel.ts';
import { LogWalker, logBlockBytes } from './level-log.ts';
import { applyEdit } from './level-manifest.ts';
import type { LevelVersion } from './level-manifest.ts';
import { tableDamage } from './level-table.ts';

/** Tables in memory at once; LevelDB cuts them at 2 MiB, or at its write buffer. */
const parallelTables = 4;
/** Far above any table that LevelDB writes; a longer file is none. */
const tableBytesMax = 256 * MiB;
/** Blocks of a log read at once. */
const readBlocks = 32;

export interface FileDamage {
  readonly file: string;
  readonly reason: string;
}

/** Whether `path` holds a LevelDB; false for one that was never completed.
 *  @throws CoreError DISK_REFUSED when any file that it would read is damaged or missing */
export async function checkLevel(path: string): Promise<boolean> {
  const names = await namesIn(path);
  if (!names.includes('CURRENT')) {
    const used = names.find((name) => /\.(ldb|sst|log)$/.test(name));
    if (used === undefined) return false;
    throw refused(path, { file: 'CURRENT', reason: `it is missing, and ${used} is there` });
  }
  const version = await readVersion(path);
  for (const name of names) {
    const number = /^(\d+)\.log$/.exec(name)?.[1];
    // oxlint-disable-next-line no-await-in-loop -- one or two logs
    if (number !== undefined && Number(number) >= version.logNumber) await checkLog(path, name);
  }
  const [damage] = await damagedTables(path, version, names);
  if (damage !== undefined) throw refused(path, damage);
  return true;
}

/** Damaged tables of a LevelDB that is open: one that was removed meanwhile is none.
 *  @throws CoreError DISK_REFUSED when its MANIFEST cannot be read */
export async function damagedLevelTables(path: string): Promise<FileDamage[]> {
  const version = await readVersion(path);
  const found = await damagedTables(path, version, await namesIn(path));
  const still = await readVersion(path);
  return found.filter(({ file }) => still.tables.has(Number.parseInt(file, 10)));
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

// --- MANIFEST and logs -----------------------------------------------------------------------------------

async function readVersion(path: string): Promise<LevelVersion> {
  const current = await readFile(join(path, 'CURRENT'), 'latin1');
  const name = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  if (name === undefined) throw refused(path, { file: 'CURRENT', reason: 'it names no MANIFEST' });
  const version: LevelVersion = { logNumber: 0, tables: new Map() };
  let decodes = true;
  const walker = new LogWalker((edit) => {
    decodes &&= applyEdit(version, edit);
  });
  await walk(path, name, walker);
  if (!decodes) throw refused(path, { file: name, reason: 'an edit does not decode' });
  return version;
}

function checkLog(path: string, name: string): Promise<void> {
  return walk(path, name, new LogWalker());
}

async function walk(path: string, name: string, walker: LogWalker): Promise<void> {
  const file = await open(join(path, name), 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw refused(path, { file: name, reason: 'it is missing' });
  });
  try {
    const buffer = Buffer.allocUnsafe(readBlocks * logBlockBytes);
    for (let position = 0; ; position += buffer.length) {
      // oxlint-disable-next-line no-await-in-loop -- in order
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      for (let at = 0; at < bytesRead; at += logBlockBytes)
        walker.push(buffer.subarray(at, Math.min(at + logBlockBytes, bytesRead)));
      if (bytesRead < buffer.length) break;
    }
  } finally {
    await file.close();
  }
  const { damagedAt, provenAt } = walker;
  if (provenAt === undefined) return;
  const reason = `the record at ${damagedAt} does not match its checksum, and a later one at ${provenAt} does`;
  throw refused(path, { file: name, reason });
}

// --- tables ----------------------------------------------------------------------------------------------

async function damagedTables(
  path: string,
  { tables }: LevelVersion,
  names: readonly string[],
): Promise<FileDamage[]> {
  const nameOf = new Map<number, string>();
  for (const name of names) {
    const number = /^(\d+)\.(ldb|sst)$/.exec(name)?.[1];
    if (number !== undefined) nameOf.set(Number(number), name);
  }
  const results = await mapParallel([...tables], parallelTables, async ([number, bytes]) => {
    const file = nameOf.get(number) ?? `${String(number).padStart(6, '0')}.ldb`;
    const reason = await damageOf(join(path, file), bytes);
    return reason === undefined ? [] : [{ file, reason }];
  });
  return results.flat();
}

async function damageOf(path: string, bytes: number): Promise<string | undefined> {
  const content = await readBounded(path);
  if (content === undefined) return 'it is missing';
  if (content.length !== bytes) return `it has ${content.length} bytes and should have ${bytes}`;
  return tableDamage(content);
}

async function readBounded(path: string): Promise<Buffer | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      return size > tableBytesMax ? Buffer.alloc(0) : await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function refused(path: string, { file, reason }: FileDamage): CoreError {
  return new CoreError(
    'DISK_REFUSED',
    `the index in ${path} is damaged: ${file}: ${reason}; restore the data directory from a copy`,
  );
}
