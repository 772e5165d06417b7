// What a store process keeps in its own folder: a chunk store with several targets, its index and its journal.
//
//   DIR/stores/N/          superblocks, slabs, targets, journal (N from 1), or a folder of --disks
//   DIR/stores/N/index     the chunk index (level)
//
// An empty folder becomes an empty store: its targets have new identities, so the chains fill them (design 4.1). A
// folder of another cluster, or of another store, is refused.

import { join } from 'node:path';
import type { TargetId } from '../../core/base/ids.ts';
import type { Clock } from '../../core/env/clock.ts';
import type { Events } from '../../core/env/events.ts';
import type { Kv } from '../../core/env/kv.ts';
import { type NodeStorage, nodeStorage } from '../../core/env/node/storage.ts';
import type { Rng } from '../../core/env/rng.ts';
import {
  chunkStoreExists,
  createChunkStore,
  openChunkStore,
} from '../../core/store/chunk-store.ts';
import type { ChunkEngine } from '../../core/store/engine.ts';
import { openJournal } from '../../core/store/journal-open.ts';
import type { DiskJournal } from '../../core/store/journal.ts';
import { asRefusal, makeDirectories } from '../launcher/files.ts';

export interface StoreDataOptions {
  /** Absolute. */
  readonly dir: string;
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly targets: readonly TargetId[];
  readonly clock: Clock;
  readonly rng: Rng;
  readonly events: Events;
  readonly storage?: NodeStorage;
}

export interface StoreData {
  readonly chunks: ChunkEngine;
  readonly journal: DiskJournal;
  close(): Promise<void>;
}

const journalDirectory = 'journal';

/** @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED, CORRUPT with the file and what to do; DISK_FULL */
export async function openStoreData(options: StoreDataOptions): Promise<StoreData> {
  try {
    return await openFiles(options);
  } catch (error) {
    throw asRefusal(error);
  }
}

async function openFiles(options: StoreDataOptions): Promise<StoreData> {
  const { dir, targets, clock, rng, events, storage = nodeStorage } = options;
  const clusterId = Buffer.from(options.clusterId, 'hex');
  makeDirectories(dir, 0o700);
  const disk = storage.disk(dir);
  const fresh = !(await chunkStoreExists(disk));
  const index: Kv = await storage.kv(join(dir, 'index'), { create: fresh });
  try {
    if (fresh) await createChunkStore({ disk, kv: index, clock, rng, events, clusterId, targets });
    let journal: DiskJournal | undefined;
    const onLarge = (): Promise<void> | undefined => journal?.checkpoint();
    const chunks = await openChunkStore({ disk, kv: index, events, clusterId, targets, onLarge });
    journal = await openJournal({
      disk,
      directory: journalDirectory,
      users: [chunks],
      events,
      clock,
      rng,
    });
    chunks.serve(journal);
    const held = journal;
    const close = async (): Promise<void> => {
      await chunks.close();
      await held.close();
      await index.close();
    };
    return { chunks, journal, close };
  } catch (error) {
    await index.close();
    throw error;
  }
}
