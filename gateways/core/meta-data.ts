// The metadata of a core whose chunks are elsewhere (replicas above 1), with a journal of its own:
//
//   DIR/meta/journal/      the journal of the metadata (design 4.6)
//   DIR/meta/rows          the rows (level)
//   DIR/meta/journal.json  names the journal in use, and says while it is being made
//
// Made at the first start only; what is missing or foreign later is refused with its name.

import { join } from 'node:path';
import { CoreError } from '../../core/base/errors.ts';
import type { Clock, Timer } from '../../core/env/clock.ts';
import type { Disk } from '../../core/env/disk.ts';
import type { Events } from '../../core/env/events.ts';
import type { Kv } from '../../core/env/kv.ts';
import type { FileDamage } from '../../core/env/node/level-check.ts';
import { type NodeStorage, nodeStorage } from '../../core/env/node/storage.ts';
import type { Rng } from '../../core/env/rng.ts';
import type { MetaStore } from '../../core/meta/meta-store.ts';
import { makeLevelMetaStore } from '../../core/meta/store/level-store.ts';
import { chunkStoreExists } from '../../core/store/chunk-store.ts';
import { openJournal } from '../../core/store/journal-open.ts';
import type { DiskJournal } from '../../core/store/journal.ts';
import { reserveOf } from '../../core/store/reserve.ts';
import { type JournaledTable, openTable } from '../../core/store/table.ts';
import { asRefusal } from '../launcher/files.ts';
import {
  checkJournalFile,
  checkRows,
  identityKey,
  metaDirectory,
  metaPrefix,
  readJournalFile,
  refused,
  writeJournalFile,
} from './meta-files.ts';

export interface MetaDataOptions {
  /** Absolute; exists. */
  readonly dataDir: string;
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly events: Events;
  /** Refuse a directory that holds no metadata yet, instead of making some. */
  readonly mustExist?: boolean;
  /** Folders of the stores: where one of them was made, metadata was made before it. */
  readonly stores: readonly string[];
  readonly storage?: NodeStorage;
}

const journalInUse = `${metaDirectory}/journal`;
/** How old the figure of free space may be that new rows are admitted by. */
const spaceMs = 1_000;

export class MetaData {
  readonly journal: DiskJournal;
  readonly meta: MetaStore;
  readonly metaTable: JournaledTable;
  /** Why the journal accepts nothing any more. */
  offline: CoreError | undefined;
  private readonly parts: OpenedFiles & { readonly clock: Clock };
  private full: string | undefined;
  private timer: Timer | undefined;

  private constructor(parts: OpenedFiles & { readonly clock: Clock }) {
    this.parts = parts;
    this.journal = parts.journal;
    this.meta = parts.meta;
    this.metaTable = parts.metaTable;
    this.journal.onOffline((error) => (this.offline = error));
  }

  /** @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED, CORRUPT with the file and what to do; DISK_FULL */
  static async open(options: MetaDataOptions): Promise<MetaData> {
    try {
      const data = new MetaData({ ...(await openFiles(options)), clock: options.clock });
      await data.lookAtSpace();
      return data;
    } catch (error) {
      throw asRefusal(error);
    }
  }

  /** For what adds rows. @throws CoreError DISK_FULL */
  admit(): void {
    if (this.full !== undefined) throw new CoreError('DISK_FULL', this.full);
  }

  /** Files of the rows that were damaged since the start. */
  async damagedFiles(): Promise<FileDamage[]> {
    const { rowsPath, storage } = this.parts;
    const damaged = (await storage.damagedFiles?.(rowsPath)) ?? [];
    return damaged.map(({ file, reason }) => ({ file: join(rowsPath, file), reason }));
  }

  /** Writes everything through, so that the next start replays nothing, and lets go of the files. */
  async close(): Promise<void> {
    this.timer?.cancel();
    await this.meta.close();
    await this.journal.close();
    await this.parts.rows.close();
  }

  /** As the chunk store does (core/store/space.ts): half of the reserve is for what removes. */
  private async lookAtSpace(): Promise<void> {
    const { disk, clock } = this.parts;
    const { freeBytes, totalBytes } = await disk.space();
    const kept = reserveOf(totalBytes) / 2;
    this.full =
      freeBytes - this.metaTable.overlayBytes < kept
        ? `${freeBytes} bytes are free for metadata and ${Math.ceil(kept)} are kept; add space`
        : undefined;
    this.timer = clock.after(spaceMs, () => void this.lookAtSpace().catch(() => undefined));
  }
}

interface OpenedFiles {
  readonly journal: DiskJournal;
  readonly meta: MetaStore;
  readonly metaTable: JournaledTable;
  readonly rows: Kv;
  readonly rowsPath: string;
  readonly disk: Disk;
  readonly storage: NodeStorage;
}

async function openFiles(options: MetaDataOptions): Promise<OpenedFiles> {
  const { dataDir, clusterId, clock, rng, events, storage = nodeStorage } = options;
  const directory = storage.disk(dataDir);
  const fresh = await isFresh(directory, join(dataDir, metaDirectory, 'journal.json'));
  if (fresh && options.mustExist === true)
    throw refused(join(dataDir, metaDirectory), 'holds no metadata: it was never made, or lost');
  for (const dir of fresh ? options.stores : [])
    // oxlint-disable-next-line no-await-in-loop -- once in a life
    if (await chunkStoreExists(storage.disk(dir)))
      throw refused(join(dataDir, metaDirectory), `was lost, although ${dir} is a store`);
  await directory.makeDirectory(metaDirectory);
  const rowsPath = join(dataDir, metaDirectory, 'rows');
  const rows = await storage.kv(rowsPath, { create: fresh });
  try {
    if (fresh) {
      await writeJournalFile(directory, journalInUse, true);
      await rows.batch([{ key: identityKey, value: Buffer.from(clusterId, 'hex') }], {
        sync: true,
      });
    }
    await checkRows(rows, clusterId, rowsPath);
    let journal: DiskJournal | undefined;
    const onLarge = (): Promise<void> | undefined => journal?.checkpoint();
    const metaTable = await openTable({
      name: 'meta',
      kv: rows,
      prefix: metaPrefix,
      events,
      onLarge,
    });
    const metadata = makeLevelMetaStore({ table: metaTable, clock, rng, events });
    journal = await openJournal({
      disk: directory,
      directory: journalInUse,
      users: [metadata.user],
      events,
      clock,
      rng,
    });
    const meta = await metadata.open(journal);
    if (fresh) await writeJournalFile(directory, journalInUse, false);
    return { journal, meta, metaTable, rows, rowsPath, disk: directory, storage };
  } catch (error) {
    await rows.close();
    throw error;
  }
}

/** True when no journal was ever used. @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED */
async function isFresh(directory: Disk, path: string): Promise<boolean> {
  const text = await readJournalFile(directory);
  const files = await directory.list(journalInUse);
  if (text === undefined) {
    if (files.length > 0)
      throw refused(path, `is missing although ${journalInUse} holds a journal`);
    return true;
  }
  if (checkJournalFile(path, text, journalInUse)) return true;
  if (files.length === 0) throw refused(journalInUse, 'is empty: the journal was lost');
  return false;
}
