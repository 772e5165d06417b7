// Kv over `level` (LevelDB). What LevelDB does not promise, and this file does not pretend: a get does not
// verify block checksums (values carry their own, core/store/table.ts; files are verified before they are
// opened, level-check.ts), and a synced batch does not make earlier unsynced ones durable, since LevelDB
// starts a new log file without syncing the old one.

import { realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { Level } from 'level';
import { asBuffer } from '../../base/bytes.ts';
import { CoreError, isCoreError } from '../../base/errors.ts';
import { notNow } from '../kv.ts';
import type { Kv, KvEntry, KvMutation, KvRange } from '../kv.ts';
import { checkLevel } from './level-check.ts';
import { ReadPace } from './read-pace.ts';

type Store = Level<Buffer, Buffer>;

interface NativeLevel {
  approximateSize(from: Buffer, to: Buffer): Promise<number>;
  compactRange(from: Buffer, to: Buffer): Promise<void>;
}

/** LevelDB's block cache and memtable. Hot rows are cached above, in the table. */
const cacheBytes = 16 * 1024 * 1024;
const writeBufferBytes = 8 * 1024 * 1024;
/** A page crosses the thread pool once; the default of 16 KiB would cut it into many trips. */
const pageBytesMax = 8 * 1024 * 1024;
/** Entries of one trip: about half a millisecond of this thread, which makes the objects. */
const entriesPerTripMax = 512;

/** LevelDB's file lock dies with a failed second open in the same process (POSIX drops a lock with any
 *  closed descriptor of the file), so a second open must not reach it. */
const openPaths = new Set<string>();

class LevelKv implements Kv {
  private readonly store: Store;
  private readonly path: string;
  private readonly pace = new ReadPace();

  constructor(store: Store, path: string) {
    this.store = store;
    this.path = path;
  }

  getNow(key: Uint8Array): Uint8Array | undefined | typeof notNow {
    const startMs = performance.now();
    if (!this.pace.prompt(startMs)) return notNow;
    const value = this.store.getSync(asBuffer(key));
    this.pace.took(startMs, performance.now());
    return value;
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    return this.store.getSync(asBuffer(key));
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.store.get(asBuffer(key));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.store.getMany(keys.map(asBuffer));
  }

  async range({ from, to, reverse = false, limit }: KvRange): Promise<KvEntry[]> {
    const options = { gte: asBuffer(from), lt: asBuffer(to), reverse, limit };
    // `highWaterMarkBytes` is classic-level's own and unknown to the types of `level`.
    const iterator = this.store.iterator({
      ...options,
      highWaterMarkBytes: pageBytesMax,
    } as object);
    const entries: KvEntry[] = [];
    try {
      while (entries.length < limit) {
        // oxlint-disable-next-line no-await-in-loop -- each trip's entries become objects in one turn
        const some = await iterator.nextv(Math.min(limit - entries.length, entriesPerTripMax));
        if (some.length === 0) break;
        for (const entry of some) entries.push(entry);
      }
      return entries;
    } finally {
      await iterator.close();
    }
  }

  batch(mutations: readonly KvMutation[], options: { sync: boolean }): Promise<void> {
    // Chained: an array of operations costs ten times the time on this thread.
    const batch = this.store.batch();
    for (const { key, value } of mutations) {
      if (value === undefined) batch.del(asBuffer(key));
      else batch.put(asBuffer(key), asBuffer(value));
    }
    return batch.write(options as object);
  }

  storedBytes(from: Uint8Array, to: Uint8Array): Promise<number> {
    return this.native.approximateSize(asBuffer(from), asBuffer(to));
  }

  compact(from: Uint8Array, to: Uint8Array): Promise<void> {
    return this.native.compactRange(asBuffer(from), asBuffer(to));
  }

  /** What the types of `level` do not name. */
  private get native(): NativeLevel {
    return this.store as unknown as NativeLevel;
  }

  async close(): Promise<void> {
    await this.store.close();
    openPaths.delete(this.path);
  }
}

/**
 * Opens the store in directory `path`, after verifying every file of it.
 * @param create makes it when it does not exist; false refuses that
 * @throws CoreError DISK_REFUSED when it is in use, damaged or missing, with what to do.
 */
export async function openLevelKv(path: string, { create = true } = {}): Promise<Kv> {
  await verify(path, create);
  await mkdir(path, { recursive: true, mode: 0o700 });
  const real = realpathSync(path);
  if (openPaths.has(real)) throw inUse(path, 'this process');
  openPaths.add(real);
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
  const store: Store = new Level(real, { ...encodings });
  try {
    await store.open({ cacheSize: cacheBytes, writeBufferSize: writeBufferBytes } as object);
  } catch (error) {
    openPaths.delete(real);
    throw refusal(path, error);
  }
  return new LevelKv(store, real);
}

async function verify(path: string, create: boolean): Promise<void> {
  const exists = await checkLevel(path).catch((error: unknown) => {
    throw isCoreError(error) ? error : refusal(path, error);
  });
  if (exists || create) return;
  throw new CoreError(
    'DISK_REFUSED',
    `${path} holds no rows: it was lost or replaced; restore the data directory from a backup`,
  );
}

function inUse(path: string, by: string): CoreError {
  return new CoreError(
    'DISK_REFUSED',
    `${path} is already in use by ${by}; stop the other one, or choose another data directory`,
  );
}

function refusal(path: string, error: unknown): CoreError {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  if (cause?.code === 'LEVEL_LOCKED') return inUse(path, 'another process');
  const reason = cause?.message ?? (error as Error).message;
  return new CoreError(
    'DISK_REFUSED',
    cause?.code === 'LEVEL_CORRUPTION'
      ? `the index in ${path} is damaged: ${reason}; restore the data directory from a copy`
      : `the index in ${path} cannot be opened: ${reason}; check the disk and the permissions of the directory`,
    { cause: error },
  );
}
