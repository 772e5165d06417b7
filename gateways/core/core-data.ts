// What the core keeps below the data directory, opened in the order that recovery needs, and closed:
//
//   DIR/stores/0/      the chunk store: superblocks, slabs, targets, and the journal that metadata shares
//   DIR/stores/0/index the chunk index (level)
//   DIR/meta/rows      the metadata rows (level)
//   DIR/meta/journal.json  names the journal in use (design 4.6 rule 5), and says while it is being made
//
// Metadata and chunks of one disk commit to one journal, so a small PUT is one fdatasync. Nothing here is ever
// made anew beside data that exists: what is missing or foreign is refused with its name.

import { join, relative } from 'node:path';
import type { CoreError } from '../../core/base/errors.ts';
import type { ChainVer, TargetId } from '../../core/base/ids.ts';
import type { Clock } from '../../core/env/clock.ts';
import type { Disk } from '../../core/env/disk.ts';
import type { Events } from '../../core/env/events.ts';
import type { Kv } from '../../core/env/kv.ts';
import type { FileDamage } from '../../core/env/node/level-check.ts';
import { type NodeStorage, nodeStorage } from '../../core/env/node/storage.ts';
import type { Rng } from '../../core/env/rng.ts';
import type { MetaStore } from '../../core/meta/meta-store.ts';
import { makeLevelMetaStore } from '../../core/meta/store/level-store.ts';
import {
  type StoreTuning,
  chunkStoreExists,
  createChunkStore,
  openChunkStore,
} from '../../core/store/chunk-store.ts';
import type { ChunkEngine } from '../../core/store/engine.ts';
import { openJournal } from '../../core/store/journal-open.ts';
import type { JournalOptions } from '../../core/store/journal-open.ts';
import type { DiskJournal } from '../../core/store/journal.ts';
import { openTable } from '../../core/store/table.ts';
import type { JournaledTable } from '../../core/store/table.ts';
import { asRefusal } from '../launcher/files.ts';
import {
  checkJournalFile,
  checkRows,
  identityKey,
  metaPrefix,
  readJournalFile,
  refused,
  writeJournalFile,
} from './meta-files.ts';

export interface CoreDataOptions {
  /** Absolute; exists. */
  readonly dataDir: string;
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly target: TargetId;
  readonly chainVersion: ChainVer;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly events: Events;
  /** Refuse a directory that holds no core yet, instead of making one. */
  readonly mustExist?: boolean;
  /** Where the data lies, and in files of which sizes; tests give others. */
  readonly storage?: CoreStorage;
}

export interface CoreStorage extends NodeStorage {
  readonly store?: StoreTuning;
  readonly journal?: Pick<JournalOptions, 'segmentBytes' | 'segmentsMin' | 'segmentsMax'>;
}

/** The files of the core, by the names that its errors use. */
export const corePaths = (dataDir: string) => ({
  store: join(dataDir, 'stores', '0'),
  index: join(dataDir, 'stores', '0', 'index'),
  meta: join(dataDir, 'meta'),
  rows: join(dataDir, 'meta', 'rows'),
  journalFile: join(dataDir, 'meta', 'journal.json'),
});

const storeDirectory = 'stores/0';
const journalInUse = `${storeDirectory}/journal`;
const journalDirectory = 'journal';

export class CoreData {
  readonly journal: DiskJournal;
  readonly chunks: ChunkEngine;
  readonly meta: MetaStore;
  /** The rows of `meta`, for checks. */
  readonly metaTable: JournaledTable;
  /** Why the journal accepts nothing any more. */
  offline: CoreError | undefined;
  private readonly kvs: readonly Kv[];
  private readonly databases: readonly string[];
  private readonly damagedIn: NodeStorage['damagedFiles'];

  private constructor(
    parts: Recovered & {
      readonly kvs: readonly Kv[];
      readonly databases: readonly string[];
      readonly damagedFiles: NodeStorage['damagedFiles'];
    },
  ) {
    this.journal = parts.journal;
    this.chunks = parts.chunks;
    this.meta = parts.meta;
    this.metaTable = parts.metaTable;
    this.kvs = parts.kvs;
    this.databases = parts.databases;
    this.damagedIn = parts.damagedFiles;
    this.journal.onOffline((error) => (this.offline = error));
  }

  /** Makes an empty core at the first start, recovers what is there at the others.
   *  @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED, CORRUPT with the file and what to do; DISK_FULL */
  static async open(options: CoreDataOptions): Promise<CoreData> {
    try {
      return await CoreData.openFiles(options);
    } catch (error) {
      throw asRefusal(error);
    }
  }

  private static async openFiles(options: CoreDataOptions): Promise<CoreData> {
    const paths = corePaths(options.dataDir);
    const storage: CoreStorage = options.storage ?? nodeStorage;
    const disk = storage.disk(paths.store);
    const directory = storage.disk(options.dataDir);
    const fresh = await isFresh(directory, disk, paths);
    if (fresh && options.mustExist === true)
      throw refused(paths.store, 'holds no data: nothing was ever stored, or it was lost');
    // With their names synced from the data directory down: what lies in a lost directory is lost.
    await directory.makeDirectory(relative(options.dataDir, paths.store));
    await directory.makeDirectory(relative(options.dataDir, paths.meta));
    const kvs: Kv[] = [];
    try {
      const index = await storage.kv(paths.index, { create: fresh });
      kvs.push(index);
      const rows = await storage.kv(paths.rows, { create: fresh });
      kvs.push(rows);
      if (fresh) {
        await writeJournalFile(directory, journalInUse, true);
        await create(options, disk, index, rows);
      }
      await checkRows(rows, options.clusterId, paths.rows);
      const recovered = await recover(options, disk, index, rows);
      if (fresh) await writeJournalFile(directory, journalInUse, false);
      const { damagedFiles } = storage;
      return new CoreData({
        ...recovered,
        kvs,
        damagedFiles,
        databases: [paths.index, paths.rows],
      });
    } catch (error) {
      await Promise.allSettled(kvs.map((kv) => kv.close()));
      throw error;
    }
  }

  /** Table files of the index and the metadata rows that were damaged since the start, by their paths. */
  async damagedFiles(): Promise<FileDamage[]> {
    const found = await Promise.all(
      this.databases.map(async (path) => {
        const damaged = (await this.damagedIn?.(path)) ?? [];
        return damaged.map(({ file, reason }) => ({ file: join(path, file), reason }));
      }),
    );
    return found.flat();
  }

  /** Writes everything through, so that the next start replays nothing, and lets go of the files. */
  async close(): Promise<void> {
    await this.meta.close();
    await this.chunks.close();
    await this.journal.close();
    await Promise.all(this.kvs.map((kv) => kv.close()));
  }
}

type Paths = ReturnType<typeof corePaths>;

interface Recovered {
  readonly journal: DiskJournal;
  readonly chunks: ChunkEngine;
  readonly meta: MetaStore;
  readonly metaTable: JournaledTable;
}

/** True when there is nothing to recover: no journal was ever used. @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED */
async function isFresh(directory: Disk, disk: Disk, paths: Paths): Promise<boolean> {
  const files = await disk.list(journalDirectory);
  const text = await readJournalFile(directory);
  if (text === undefined) {
    if (files.length > 0)
      throw refused(paths.journalFile, `is missing although ${paths.store} holds a journal`);
    // The file is there before the store is made, so a store without it lost both.
    if (await chunkStoreExists(disk))
      throw refused(
        paths.journalFile,
        `and the journal are missing although ${paths.store} is a store`,
      );
    return true;
  }
  if (checkJournalFile(paths.journalFile, text, journalInUse)) return true;
  if (files.length === 0)
    throw refused(join(paths.store, journalDirectory), 'is empty: the journal was lost');
  return false;
}

/** The empty store and rows of a first start; one that was interrupted begins again. */
async function create(options: CoreDataOptions, disk: Disk, kv: Kv, rows: Kv): Promise<void> {
  const { clock, rng, events, clusterId, target } = options;
  const cluster = Buffer.from(clusterId, 'hex');
  if (!(await chunkStoreExists(disk)))
    await createChunkStore({ disk, kv, clock, rng, events, clusterId: cluster, targets: [target] });
  await rows.batch([{ key: identityKey, value: cluster }], { sync: true });
}

async function recover(
  options: CoreDataOptions,
  disk: Disk,
  index: Kv,
  rows: Kv,
): Promise<Recovered> {
  const { clock, rng, events, clusterId, target, chainVersion, storage } = options;
  let journal: DiskJournal | undefined;
  let table: JournaledTable | undefined;
  // A full overlay asks for a checkpoint; during replay there is nobody to ask yet.
  const onLarge = (): Promise<void> | undefined => journal?.checkpoint();
  const chunks = await openChunkStore({
    disk,
    kv: index,
    events,
    clusterId: Buffer.from(clusterId, 'hex'),
    targets: [target],
    onLarge,
    ...(storage?.store === undefined ? {} : { tuning: storage.store }),
    pendingBytes: () => table?.overlayBytes ?? 0,
  });
  table = await openTable({
    name: 'meta',
    kv: rows,
    prefix: metaPrefix,
    events,
    onLarge,
  });
  const metadata = makeLevelMetaStore({ table, clock, rng, events });
  journal = await openJournal({
    disk,
    directory: journalDirectory,
    users: [chunks, metadata.user],
    events,
    clock,
    rng,
    ...storage?.journal,
  });
  chunks.serve(journal);
  await chunks.noteServed(target, chainVersion);
  return { journal, chunks, meta: await metadata.open(journal), metaTable: table };
}
