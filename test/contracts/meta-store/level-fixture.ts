// A metadata store over a journal and a Kv, as the core process puts them together, on any disk.

import { Buffer } from 'node:buffer';
import { MiB } from '../../../core/base/limits.ts';
import type { Clock } from '../../../core/env/clock.ts';
import type { Disk } from '../../../core/env/disk.ts';
import { silentEvents } from '../../../core/env/events.ts';
import type { Kv } from '../../../core/env/kv.ts';
import type { MetaStore } from '../../../core/meta/meta-store.ts';
import { makeLevelMetaStore } from '../../../core/meta/store/level-store.ts';
import type { DiskJournal } from '../../../core/store/journal.ts';
import { openJournal } from '../../../core/store/journal-open.ts';
import { openTable } from '../../../core/store/table.ts';
import { simRng } from '../../sim/rng.ts';

export interface LevelParts {
  readonly disk: Disk;
  readonly kv: Kv;
  readonly clock: Clock;
  /** Small ones make checkpoints frequent. A transaction of the largest size needs 4 MiB. */
  readonly segmentBytes?: number;
  readonly overlayBytesMax?: number;
}

export interface OpenedLevelStore {
  readonly store: MetaStore;
  readonly journal: DiskJournal;
  /** An orderly end; the disk and the Kv stay open. */
  close(): Promise<void>;
}

export async function openLevelStore(parts: LevelParts): Promise<OpenedLevelStore> {
  const { disk, kv, clock } = parts;
  let journal: DiskJournal | undefined;
  const table = await openTable({
    name: 'meta',
    kv,
    prefix: Buffer.from('m'),
    events: silentEvents,
    // Its failure takes the journal offline, which is where it is reported.
    onLarge: () => journal?.checkpoint(),
    ...(parts.overlayBytesMax === undefined ? {} : { overlayBytesMax: parts.overlayBytesMax }),
  });
  const level = makeLevelMetaStore({ table, clock, rng: simRng('meta'), events: silentEvents });
  const opened = await openJournal({
    disk,
    directory: 'journal',
    users: [level.user],
    events: silentEvents,
    clock,
    rng: simRng('journal'),
    segmentBytes: parts.segmentBytes ?? 8 * MiB,
    segmentsMin: 2,
    segmentsMax: 4,
  });
  journal = opened;
  const store = await level.open(opened);
  return {
    store,
    journal: opened,
    async close() {
      await store.close();
      await opened.close();
    },
  };
}
