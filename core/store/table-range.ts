// Merges a range of the Kv with the overlays above it. Kv pages are added until enough rows are visible;
// the merge itself is synchronous, so that its result is the table of one moment.

import { Buffer } from 'node:buffer';
import type { KvEntry, KvRange } from '../env/kv.ts';
import type { Overlay, OverlayCursor } from './table-overlay.ts';

interface Bounds {
  readonly from: Buffer;
  readonly to: Buffer;
  readonly reverse: boolean;
  readonly limit: number;
}

interface Rows {
  readonly prefix: Buffer;
  /** @throws CoreError CORRUPT */
  decode(key: Uint8Array, row: Uint8Array): Uint8Array;
}

interface Row {
  readonly text: string;
  readonly kvKey: Uint8Array;
  readonly row: Uint8Array;
}

/** Pages grow while removals hide what they hold. */
const pageRowsMax = 4096;

export class RangeMerge {
  private readonly bounds: Bounds;
  private readonly rows: Rows;
  private readonly fromText: string;
  private readonly toText: string;
  /** Kv rows that no overlay had removed when they were read. */
  private readonly visible: Row[] = [];
  /** The Kv holds nothing of the range beyond what was read. */
  private exhausted: boolean;
  private pageRows: number;
  private page: { from: Buffer; to: Buffer };
  /** Last Kv key read: the merge may not pass it unless exhausted. */
  private reached: string | undefined;

  constructor(bounds: Bounds, rows: Rows) {
    this.bounds = bounds;
    this.rows = rows;
    this.fromText = bounds.from.toString('latin1');
    this.toText = bounds.to.toString('latin1');
    this.exhausted = this.fromText >= this.toText || bounds.limit <= 0;
    this.pageRows = Math.min(bounds.limit, pageRowsMax);
    this.page = {
      from: Buffer.concat([rows.prefix, bounds.from]),
      to: Buffer.concat([rows.prefix, bounds.to]),
    };
  }

  nextPage(): KvRange {
    return { ...this.page, reverse: this.bounds.reverse, limit: this.pageRows };
  }

  add(page: readonly KvEntry[], active: Overlay, frozen: Overlay | undefined): void {
    const { prefix } = this.rows;
    for (const [kvKey, row] of page) {
      const text = textOf(kvKey, prefix.length);
      this.reached = text;
      const newest = active.get(text);
      const changed = newest === undefined ? frozen?.get(text) : newest;
      if (changed !== null) this.visible.push({ text, kvKey, row });
    }
    const last = page.at(-1)?.[0];
    this.exhausted = page.length < this.pageRows || last === undefined;
    if (last === undefined) return;
    if (this.bounds.reverse) this.page = { ...this.page, to: Buffer.from(last) };
    else this.page = { ...this.page, from: Buffer.concat([last, zero]) };
    this.pageRows = Math.min(this.pageRows * 2, pageRowsMax);
  }

  /** The merged page; undefined when more Kv rows are needed. */
  result(active: Overlay, frozen: Overlay | undefined): KvEntry[] | undefined {
    const { limit, reverse } = this.bounds;
    if (limit <= 0 || this.fromText >= this.toText) return [];
    if (!this.exhausted && this.visible.length < limit) return undefined;
    const upper = active.cursor(this.fromText, this.toText, reverse);
    const lower = frozen?.cursor(this.fromText, this.toText, reverse);
    const result: KvEntry[] = [];
    let at = 0;
    while (result.length < limit) {
      const stored = this.visible[at];
      const key = this.first(stored?.text, upper.key, lower?.key);
      if (key === undefined) break;
      // Beyond what was read the Kv may hold keys before this one.
      if (!this.exhausted && (this.reached === undefined || this.after(key, this.reached)))
        return undefined;
      const entry = this.entry(key, stored, upper, lower);
      if (stored?.text === key) at++;
      if (upper.key === key) upper.next();
      if (lower?.key === key) lower.next();
      if (entry !== undefined) result.push(entry);
    }
    return result.length === limit || this.exhausted ? result : undefined;
  }

  private after(a: string, b: string): boolean {
    return this.bounds.reverse ? a < b : a > b;
  }

  private first(...keys: (string | undefined)[]): string | undefined {
    let best: string | undefined;
    for (const key of keys)
      if (key !== undefined && (best === undefined || this.after(best, key))) best = key;
    return best;
  }

  private entry(
    key: string,
    stored: Row | undefined,
    upper: OverlayCursor,
    lower: OverlayCursor | undefined,
  ): KvEntry | undefined {
    const changed = upper.key === key ? upper.value : lower?.key === key ? lower.value : undefined;
    if (changed === null) return undefined;
    if (changed !== undefined) return [Buffer.from(key, 'latin1'), changed];
    const { kvKey, row } = stored as Row;
    return [kvKey.subarray(this.rows.prefix.length), this.rows.decode(kvKey, row)];
  }
}

const zero = Buffer.alloc(1);

function textOf(kvKey: Uint8Array, skip: number): string {
  return Buffer.from(kvKey.buffer, kvKey.byteOffset, kvKey.length).toString('latin1', skip);
}
