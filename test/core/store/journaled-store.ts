// A table made durable by a journal, as the chunk index and the MetaStore use them: the smallest whole
// system for crash tests. Its content is the state after some number of records, in order.

import type { CoreError } from '../../../core/base/errors.ts';
import type { RecordNumber } from '../../../core/base/ids.ts';
import { KiB } from '../../../core/base/limits.ts';
import type { Disk } from '../../../core/env/disk.ts';
import { silentEvents } from '../../../core/env/events.ts';
import type { Kv } from '../../../core/env/kv.ts';
import { openJournal } from '../../../core/store/journal-open.ts';
import type { DiskJournal } from '../../../core/store/journal.ts';
import { openTable } from '../../../core/store/table.ts';
import type { JournaledTable } from '../../../core/store/table.ts';
import { recordKind } from '../../../core/store/types.ts';
import type { JournalRecord, JournalUser, RecordKind } from '../../../core/store/types.ts';
import { SimClock } from '../../sim/clock.ts';
import { simRng } from '../../sim/rng.ts';

export class JournaledStore implements JournalUser {
  readonly name = 'store';
  readonly kinds: readonly RecordKind[] = [recordKind.meta];
  journal!: DiskJournal;
  private readonly table: JournaledTable;
  replayedCount = 0;

  private constructor(table: JournaledTable) {
    this.table = table;
  }

  static async open(
    disk: Disk,
    kv: Kv,
    { segmentBytes = 32 * KiB, segmentsMin = 3 } = {},
  ): Promise<JournaledStore> {
    const table = await openTable({
      name: 'rows',
      kv,
      prefix: Buffer.from('r'),
      events: silentEvents,
    });
    const store = new JournaledStore(table);
    store.journal = await openJournal({
      disk,
      directory: 'journal',
      users: [store],
      events: silentEvents,
      clock: new SimClock(),
      rng: simRng('store'),
      segmentBytes,
      segmentsMin,
      segmentsMax: 4,
    });
    return store;
  }

  /** Writes `value` under `key`; the record is the pair. */
  put(key: string, value: string): { number: number; durable: Promise<void> } {
    const payload = Buffer.from(`${key}=${value}`);
    const ticket = this.journal.append(recordKind.meta, [payload], () =>
      this.apply(ticket.number, payload),
    );
    return ticket;
  }

  private apply(number: RecordNumber, payload: Buffer): void {
    const [key, value] = payload.toString().split('=') as [string, string];
    this.table.apply(number, [
      { key: Buffer.from(key), value: value === '' ? undefined : Buffer.from(value) },
    ]);
  }

  recovering(from: RecordNumber, next: RecordNumber): void {
    this.table.expect(from, next);
  }

  replay(record: JournalRecord): void {
    this.replayedCount++;
    this.apply(record.number, Buffer.from(record.payload));
  }

  async replayed(): Promise<void> {
    await Promise.resolve();
  }

  checkpoint(below: RecordNumber): Promise<void> {
    return this.table.flush(below);
  }

  async content(): Promise<string> {
    const range = { from: Buffer.from(''), to: Buffer.from('\x7f'), limit: 10_000 };
    const rows = await this.table.range(range);
    return rows.map((row) => row.map(String).join('=')).join(',');
  }

  async check(): Promise<boolean> {
    return (await this.table.verify()).ok;
  }

  offline(listener: (error: CoreError) => void): void {
    this.journal.onOffline(listener);
  }
}

/** What the store holds after the first n puts, for every n. */
export function statesOf(puts: readonly (readonly [string, string])[]): string[] {
  const rows = new Map<string, string>();
  const states = [''];
  for (const [key, value] of puts) {
    if (value === '') rows.delete(key);
    else rows.set(key, value);
    const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1));
    states.push(sorted.map((row) => row.join('=')).join(','));
  }
  return states;
}
