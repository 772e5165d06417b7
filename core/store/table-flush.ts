// Writes a table's frozen overlay to the Kv and keeps the summary of what is there. Every batch is synced:
// a later synced batch does not cover earlier ones (core/env/kv.ts), and each carries the summary that is
// true once it is applied, so the two cannot part in a crash.

import { Buffer } from 'node:buffer';
import { prefixEnd } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { Events } from '../env/events.ts';
import type { Kv, KvMutation } from '../env/kv.ts';
import { TableCompaction } from './table-compaction.ts';
import type { Overlay, OverlayValue } from './table-overlay.ts';
import { changeSummary, decodeRow, decodeSummary, emptySummary } from './table-row.ts';
import { encodeRow, encodeSummary, kvKey } from './table-row.ts';
import type { TableSummary } from './table-row.ts';

export interface TableCheck {
  readonly rows: number;
  /** Keys whose rows do not match their checksum, at most `damagedKeysMax`. */
  readonly damaged: readonly Uint8Array[];
  readonly damagedCount: number;
  /** What the summary says; undefined when it is itself damaged. */
  readonly expectedRows: number | undefined;
  /** Every row is sound, and together they are exactly the rows that were written. */
  readonly ok: boolean;
}

/** A check names no more than these; the count goes on. */
const damagedKeysMax = 100;
const scanRows = 1000;

interface FlusherOptions {
  readonly compactRowsMin?: number | undefined;
  readonly kv: Kv;
  readonly name: string;
  readonly prefix: Buffer;
  readonly events: Events;
}

interface Row {
  readonly text: string;
  readonly value: OverlayValue;
}

type Written = (text: string, value: OverlayValue) => void;

interface Scan {
  /** Everything below was counted; changes there are followed. */
  next: Buffer;
  found: TableSummary;
}

export class TableFlusher {
  private readonly options: FlusherOptions;
  private readonly summaryKey: Buffer;
  readonly compaction: TableCompaction;
  /** Of what the Kv holds; undefined when the stored one is damaged. */
  private summary: TableSummary | undefined = emptySummary;
  /** Pages of a scan and batches of a flush take turns, so that a scan sees a batch whole or not at all. */
  private turn: Promise<void> = Promise.resolve();
  private scan: Scan | undefined;
  private verifying: Promise<TableCheck> | undefined;

  constructor(options: FlusherOptions) {
    this.options = options;
    this.summaryKey = Buffer.concat([Buffer.alloc(1), options.prefix]);
    this.compaction = new TableCompaction(options.kv, options.prefix, options.compactRowsMin);
  }

  async open(): Promise<void> {
    const row = await this.options.kv.get(this.summaryKey);
    this.summary = row === undefined ? emptySummary : decodeSummary(this.summaryKey, row);
    if (this.summary === undefined)
      this.options.events.emit('error', 'table-summary-damaged', { table: this.options.name });
    await this.compaction.open();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.turn.then(work);
    this.turn = run.then(
      () => undefined,
      () => undefined,
    );
    return run;
  }

  /** Number of the journal record up to which the Kv is complete; undefined when it does not say. */
  get through(): number | undefined {
    return this.summary?.through;
  }

  /** Writes all of it, and with the last batch that the Kv is complete up to record `through`; `written` is
   *  told each row once its batch is durable. */
  async write(overlay: Overlay, through: number, written: Written): Promise<void> {
    let batch: Row[] = [];
    let bytes = 0;
    for (const [text, value] of overlay.entries()) {
      batch.push({ text, value });
      bytes += text.length + (value?.length ?? 0);
      if (batch.length < limits.tableBatchRowsMax && bytes < limits.tableBatchBytesMax) continue;
      const full = batch;
      // oxlint-disable-next-line no-await-in-loop -- batches of bounded size, one after another
      await this.inTurn(() => this.writeBatch(full, this.through, written));
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0 || this.isBehind(through))
      await this.inTurn(() => this.writeBatch(batch, through, written));
  }

  private isBehind(through: number): boolean {
    return this.summary !== undefined && (this.summary.through ?? -1) < through;
  }

  private async writeBatch(
    rows: readonly Row[],
    through: number | undefined,
    written: Written,
  ): Promise<void> {
    const { kv, prefix } = this.options;
    const keys = rows.map(({ text }) => kvKey(prefix, text));
    const before = await kv.getMany(keys);
    const batch: KvMutation[] = [];
    let summary = this.summary === undefined ? undefined : { ...this.summary, through };
    let found = this.scan?.found;
    for (const [index, { text, value }] of rows.entries()) {
      const key = keys[index] as Buffer;
      const old = before[index];
      const row = value === null ? undefined : encodeRow(key, value);
      if (row === undefined && old !== undefined) this.compaction.removed(text, old);
      batch.push({ key, value: row });
      if (summary !== undefined) summary = changeSummary(summary, old, row);
      if (this.scan !== undefined && found !== undefined && Buffer.compare(key, this.scan.next) < 0)
        found = changeSummary(found, old, row);
    }
    if (summary !== undefined)
      batch.push({ key: this.summaryKey, value: encodeSummary(this.summaryKey, summary) });
    // The last batch of a flush names a new record; once a flush is often enough for an estimate.
    const removals = through === this.through ? undefined : this.compaction.mutation();
    if (removals !== undefined) batch.push(removals);
    await kv.batch(batch, { sync: true });
    this.summary = summary;
    if (this.scan !== undefined && found !== undefined) this.scan.found = found;
    for (const { text, value } of rows) written(text, value);
  }

  /** Reads every row while flushes go on; concurrent calls share one scan. */
  verify(): Promise<TableCheck> {
    this.verifying ??= this.runVerify().finally(() => {
      this.verifying = undefined;
    });
    return this.verifying;
  }

  private async runVerify(): Promise<TableCheck> {
    const { prefix } = this.options;
    const end = prefixEnd(prefix) ?? Buffer.alloc(64, 0xff);
    const scan: Scan = { next: prefix, found: emptySummary };
    const damaged: Uint8Array[] = [];
    let damagedCount = 0;
    this.scan = scan;
    const onDamage = (key: Uint8Array): void => {
      damagedCount++;
      if (damaged.length < damagedKeysMax) damaged.push(key.subarray(prefix.length));
    };
    try {
      // oxlint-disable-next-line no-await-in-loop -- page after page
      while (await this.inTurn(() => this.scanPage(scan, end, onDamage)));
      const { summary } = this;
      const { rows, sum } = scan.found;
      const whole = summary !== undefined && summary.rows === rows && summary.sum === sum;
      const ok = whole && damagedCount === 0;
      return { rows, damaged, damagedCount, expectedRows: summary?.rows, ok };
    } finally {
      this.scan = undefined;
    }
  }

  private async scanPage(
    scan: Scan,
    end: Buffer,
    onDamage: (key: Uint8Array) => void,
  ): Promise<boolean> {
    const page = await this.options.kv.range({ from: scan.next, to: end, limit: scanRows });
    for (const [key, row] of page) {
      scan.found = changeSummary(scan.found, undefined, row);
      if (decodeRow(key, row) === undefined) onDamage(key);
    }
    const last = page.at(-1)?.[0];
    if (last !== undefined) scan.next = Buffer.concat([last, Buffer.alloc(1)]);
    if (page.length === scanRows) return true;
    scan.next = end;
    return false;
  }
}
