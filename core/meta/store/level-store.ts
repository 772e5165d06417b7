// MetaStore on one disk: commits go to the disk's journal, rows live in a journaled table over `level`.
// A commit is one journal record with absolute values; many callers' commits share a group, and so one
// fdatasync, by construction. `level` is never the durability point: a checkpoint of the journal writes the
// table through. Formats: docs/internals/metadata-store.md.

import { Buffer } from 'node:buffer';
import { assert } from '../../base/assert.ts';
import type { RecordNumber } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { Clock } from '../../env/clock.ts';
import type { Events } from '../../env/events.ts';
import type { KvMutation, KvRange } from '../../env/kv.ts';
import type { Rng } from '../../env/rng.ts';
import {
  type Journal,
  type JournalRecord,
  type JournalUser,
  type Table,
  recordKind,
} from '../../store/types.ts';
import type { MetaEntry, MetaStore } from '../meta-store.ts';
import { decodeCommitRecord, encodeCommitRecord } from './commit-record.ts';
import { newestCommitKey, newestCommitValue, readNewestCommit } from './keyspace.ts';
import { type MetaBackend, OptimisticStore } from './optimistic-store.ts';

/** What an attempt asks room for: one large row with its neighbours. Larger commits use the journal's reserve. */
const typicalCommitBytes = limits.metaValueBytesMax;

export interface LevelStoreOptions {
  /** All rows, those of the namespace included. Used by this store alone. */
  readonly table: Table;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly events: Events;
}

/** A store in two steps: its user is given to the journal, which replays; then it opens on that journal. */
export interface LevelStore {
  readonly user: JournalUser;
  /** Call after the journal has replayed. @throws CoreError CORRUPT */
  open(journal: Journal): Promise<MetaStore>;
}

export function makeLevelMetaStore(options: LevelStoreOptions): LevelStore {
  const backend = new LevelBackend(options.table, options.events);
  return {
    user: backend,
    async open(journal) {
      const newestCommit = await backend.open(journal);
      return new OptimisticStore({
        backend,
        clock: options.clock,
        rng: options.rng,
        newestCommit,
      });
    },
  };
}

class LevelBackend implements MetaBackend, JournalUser {
  readonly name = 'meta';
  readonly kinds = [recordKind.meta];
  private readonly table: Table;
  private readonly events: Events;
  private journal: Journal | undefined;
  private replayedRecords = 0;

  constructor(table: Table, events: Events) {
    this.table = table;
    this.events = events;
  }

  /** Answers the number of the newest commit. */
  async open(journal: Journal): Promise<number> {
    assert(this.journal === undefined, 'a metadata store is opened once');
    this.journal = journal;
    const row = await this.table.get(newestCommitKey);
    return row === undefined ? 0 : readNewestCommit(row);
  }

  // --- journal user -------------------------------------------------------------------------------

  recovering(from: RecordNumber, next: RecordNumber): void {
    this.table.expect(from, next);
  }

  async replay(record: JournalRecord): Promise<void> {
    const { number, mutations } = decodeCommitRecord(Buffer.from(record.payload));
    this.show(record.number, number, mutations);
    this.replayedRecords++;
    // Nothing is lost by writing through early: the same records are replayed again until a checkpoint.
    if (this.table.overlayBytes > limits.tableOverlayBytesMax)
      await this.table.flush(record.number);
  }

  replayed(): Promise<void> {
    this.events.emit('info', 'meta.replayed', { records: this.replayedRecords });
    return Promise.resolve();
  }

  /** Every record below `below` is in the table: `onDurable` has shown it. */
  checkpoint(below: RecordNumber): Promise<void> {
    return this.table.flush(below);
  }

  // --- backend ------------------------------------------------------------------------------------

  get(key: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    return this.table.get(key);
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.table.getMany(keys);
  }

  range(range: KvRange): Promise<MetaEntry[]> {
    return this.table.range(range);
  }

  append(number: number, mutations: readonly KvMutation[], onDurable: () => void): RecordNumber {
    const record = encodeCommitRecord(number, mutations);
    return this.running.append(recordKind.meta, record, onDurable).number;
  }

  apply(record: RecordNumber, number: number, mutations: readonly KvMutation[]): void {
    this.show(record, number, mutations);
  }

  room(): Promise<void> {
    return this.running.room(typicalCommitBytes);
  }

  onOffline(listener: (error: unknown) => void): void {
    this.running.onOffline(listener);
  }

  private get running(): Journal {
    assert(this.journal !== undefined, 'the metadata store opens on a replayed journal');
    return this.journal;
  }

  /** The newest commit number is a row, so that positions go on growing after the journal is reused. */
  private show(record: RecordNumber, number: number, mutations: readonly KvMutation[]): void {
    const newest = { key: newestCommitKey, value: newestCommitValue(number) };
    this.table.apply(record, [...mutations, newest]);
  }
}
