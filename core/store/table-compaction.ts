// Compacts what removals left of a table's Kv, in steps that somebody else paces. `level` drops removed rows when
// its own compactions meet them, which after a mass deletion may be never: until then a range read passes all of
// them. A part is compacted when what was removed from it is a good share of what is stored there, so that
// rewriting it costs no more than the removals did.

import { Buffer } from 'node:buffer';
import { asBuffer } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Kv } from '../env/kv.ts';
import type { RemovedSpan } from './removed-spans.ts';
import { RemovedSpans } from './removed-spans.ts';
import { decodeRow, encodeRow, kvKey } from './table-row.ts';

export interface CompactionReport {
  /** Removed there since the last time. */
  readonly removedRows: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** Compacted once the removed bytes are this share of the stored ones. Those are compressed: it is about a third of
 *  the rows. */
const removedShare = 1 / 2;

export class TableCompaction {
  private readonly kv: Kv;
  private readonly prefix: Buffer;
  /** Removals in one part before it is compacted. */
  private readonly rowsMin: number;
  /** Of the row with the spans: two zeros keep it apart from rows and summaries. */
  private readonly key: Buffer;
  private spans = new RemovedSpans();
  /** Being compacted; counted until it is done, so that a restart does it again. */
  private taken: RemovedSpan | undefined;
  /** Removals since the spans were looked at. */
  private looked = true;
  private written = true;

  constructor(kv: Kv, prefix: Buffer, rowsMin: number = limits.tableCompactRowsMin) {
    this.kv = kv;
    this.rowsMin = rowsMin;
    this.prefix = prefix;
    this.key = Buffer.concat([Buffer.alloc(2), prefix]);
  }

  async open(): Promise<void> {
    const row = await this.kv.get(this.key);
    const value = row === undefined ? undefined : decodeRow(this.key, row);
    if (value === undefined) return;
    this.spans = RemovedSpans.decode(value);
    this.looked = false;
  }

  /** A row was removed from the Kv. */
  removed(key: string, row: Uint8Array): void {
    this.spans.note(key, key.length + row.length);
    this.looked = false;
    this.written = false;
  }

  /** What the next batch should carry; undefined when nothing changed. */
  mutation(): { readonly key: Uint8Array; readonly value: Uint8Array } | undefined {
    if (this.written) return undefined;
    this.written = true;
    const more = this.taken === undefined ? [] : [this.taken];
    return { key: this.key, value: encodeRow(this.key, this.spans.encode(more)) };
  }

  /** Compacts one part of the Kv, `tableCompactBytesMax` at most; undefined when none is worth it. One step at a time. */
  async step(): Promise<CompactionReport | undefined> {
    if (this.looked) return undefined;
    this.looked = true;
    const due = await this.due();
    if (due === undefined) return undefined;
    const { group, bytes } = due;
    mark('table.compact');
    this.spans.forget(group);
    this.taken = group;
    try {
      await this.kv.compact(this.keyOf(group.from), this.keyOf(group.to));
    } catch (error) {
      this.spans.add(group);
      throw error;
    } finally {
      this.taken = undefined;
      this.written = false;
      this.looked = false;
    }
    const bytesAfter = await this.storedBytes(group);
    return { removedRows: group.rows, bytesBefore: bytes, bytesAfter };
  }

  /** The first groups side by side that are worth it. */
  private async due(): Promise<{ group: RemovedSpan; bytes: number } | undefined> {
    let due: { group: RemovedSpan; bytes: number } | undefined;
    for (const next of this.spans.groups(this.rowsMin)) {
      // oxlint-disable-next-line no-await-in-loop -- at most as many as there are spans
      const bytes = await this.storedBytes(next);
      const worth = next.bytes >= bytes * removedShare;
      if (due === undefined) due = worth ? { group: next, bytes } : undefined;
      else if (!worth || due.bytes + bytes > limits.tableCompactBytesMax) break;
      else due = { group: joined(due.group, next), bytes: due.bytes + bytes };
    }
    return due;
  }

  private storedBytes({ from, to }: RemovedSpan): Promise<number> {
    return this.kv.storedBytes(this.keyOf(from), this.keyOf(to));
  }

  private keyOf(text: string): Buffer {
    return asBuffer(kvKey(this.prefix, text));
  }
}

function joined(a: RemovedSpan, b: RemovedSpan): RemovedSpan {
  return { from: a.from, to: b.to, rows: a.rows + b.rows, bytes: a.bytes + b.bytes };
}
