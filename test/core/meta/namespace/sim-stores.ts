// The stores of a core process on simulated devices: chunk engine and metadata over one journal, as
// gateways/core/core-data.ts puts them together. They may end in any way.

import { MiB } from '../../../../core/base/limits.ts';
import type { Prng } from '../../../../core/base/prng.ts';
import type { Clock } from '../../../../core/env/clock.ts';
import { silentEvents } from '../../../../core/env/events.ts';
import type { MetaStore } from '../../../../core/meta/meta-store.ts';
import { makeLevelMetaStore } from '../../../../core/meta/store/level-store.ts';
import {
  chunkStoreExists,
  createChunkStore,
  openChunkStore,
} from '../../../../core/store/chunk-store.ts';
import { openJournal } from '../../../../core/store/journal-open.ts';
import { openTable } from '../../../../core/store/table.ts';
import type { ChunkStore } from '../../../../core/store/types.ts';
import { SimDisk } from '../../../sim/disk.ts';
import { SimKv } from '../../../sim/kv.ts';
import { simRng } from '../../../sim/rng.ts';
import { target } from './fixture.ts';

export interface OpenedStores {
  readonly store: MetaStore;
  readonly chunks: ChunkStore;
  close(): Promise<void>;
}

const clusterId = new Uint8Array(16).fill(7);

export class SimStores {
  private disk = new SimDisk();
  private index = new SimKv();
  private rows = new SimKv();

  async open(clock: Clock): Promise<OpenedStores> {
    const { disk, index, rows } = this;
    const events = silentEvents;
    const place = { disk, kv: index, events, clusterId, targets: [target] };
    if (!(await chunkStoreExists(disk)))
      await createChunkStore({ ...place, clock, rng: simRng('store') });
    const engine = await openChunkStore({ ...place, tuning: { reserveBytes: 0 } });
    const table = await openTable({ name: 'meta', kv: rows, prefix: Uint8Array.of(16), events });
    const metadata = makeLevelMetaStore({ table, clock, rng: simRng('meta'), events });
    const journal = await openJournal({
      disk,
      directory: 'journal',
      users: [engine, metadata.user],
      events,
      clock,
      rng: simRng('journal'),
      // The largest transaction needs half of it.
      segmentBytes: 8 * MiB,
      segmentsMin: 2,
      segmentsMax: 4,
    });
    engine.serve(journal);
    const store = await metadata.open(journal);
    return {
      store,
      chunks: engine,
      close: async () => {
        await store.close();
        await engine.close();
        await journal.close();
      },
    };
  }

  /** `kill`: what was written stays. `powerLoss`: any of what was not synced is lost. */
  crash(how: 'kill' | 'powerLoss', prng: Prng): void {
    if (how === 'kill') {
      this.disk = this.disk.copy();
      this.index = this.index.copy();
      this.rows = this.rows.copy();
      return;
    }
    const kept = prng.pick([0, 0.5, 1]);
    const survives = (): boolean => prng.chance(kept);
    this.disk = this.disk.crash(survives);
    this.index = this.index.crash(survives);
    this.rows = this.rows.crash(survives);
  }
}
