// Merges a range of the Kv with the overlays above it. Kv pages are added until enough rows are visible;
// the merge itself is synchronous, so that its result is the table of one moment.

import { Buffer } from 'node:buffer';
import { asBuffer } from '../base/bytes.ts';
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

/** A row of the Kv; `text` is its key without the prefix, made when it is compared. */
interface Row {
  text: string | undefined;
  readonly kvKey: Uint8Array;
  readonly row: Uint8Array;
}

/** Pages grow while removals hide what they hold. */
const pageRowsMax = 1024;

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
  private reached: Uint8Array | undefined;

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
    const hides = this.touches(active) || (frozen !== undefined && this.touches(frozen));
    for (const [kvKey, row] of page) {
      const stored: Row = { text: undefined, kvKey, row };
      if (hides) {
        const text = this.textOf(stored);
        const newest = active.get(text);
        if ((newest === undefined ? frozen?.get(text) : newest) === null) continue;
      }
      this.visible.push(stored);
    }
    const last = page.at(-1)?.[0];
    this.exhausted = page.length < this.pageRows || last === undefined;
    if (last === undefined) return;
    this.reached = last;
    if (this.bounds.reverse) this.page = { ...this.page, to: Buffer.from(last) };
    else this.page = { ...this.page, from: Buffer.concat([last, zero]) };
    this.pageRows = Math.min(this.pageRows * 2, pageRowsMax);
  }

  private touches(overlay: Overlay): boolean {
    return overlay.cursor(this.fromText, this.toText, false).key !== undefined;
  }

  private textOf(stored: Row): string {
    stored.text ??= asBuffer(stored.kvKey).toString('latin1', this.rows.prefix.length);
    return stored.text;
  }

  /** The merged page; undefined when more Kv rows are needed. */
  result(active: Overlay, frozen: Overlay | undefined): KvEntry[] | undefined {
    const { limit, reverse } = this.bounds;
    if (limit <= 0 || this.fromText >= this.toText) return [];
    if (!this.exhausted && this.visible.length < limit) return undefined;
    const upper = active.cursor(this.fromText, this.toText, reverse);
    const lower = frozen?.cursor(this.fromText, this.toText, reverse);
    if (upper.key === undefined && lower?.key === undefined)
      return this.visible.slice(0, limit).map((stored) => this.storedEntry(stored));
    return this.merge(upper, lower);
  }

  private merge(upper: OverlayCursor, lower: OverlayCursor | undefined): KvEntry[] | undefined {
    const { limit } = this.bounds;
    const reached = this.exhausted ? undefined : this.reachedText();
    const result: KvEntry[] = [];
    let at = 0;
    while (result.length < limit) {
      const stored = this.visible[at];
      const text = stored === undefined ? undefined : this.textOf(stored);
      const key = this.first(this.first(text, upper.key), lower?.key);
      if (key === undefined) break;
      // Beyond what was read the Kv may hold keys before this one.
      if (reached !== undefined && this.after(key, reached)) return undefined;
      const changed =
        upper.key === key ? upper.value : lower?.key === key ? lower.value : undefined;
      if (changed !== undefined && changed !== null)
        result.push([Buffer.from(key, 'latin1'), changed]);
      else if (changed === undefined) result.push(this.storedEntry(stored as Row));
      if (text === key) at++;
      if (upper.key === key) upper.next();
      if (lower?.key === key) lower.next();
    }
    return result.length === limit || this.exhausted ? result : undefined;
  }

  private reachedText(): string {
    return asBuffer(this.reached ?? zero).toString('latin1', this.rows.prefix.length);
  }

  private storedEntry({ kvKey, row }: Row): KvEntry {
    return [kvKey.subarray(this.rows.prefix.length), this.rows.decode(kvKey, row)];
  }

  private after(a: string, b: string): boolean {
    return this.bounds.reverse ? a < b : a > b;
  }

  private first(a: string | undefined, b: string | undefined): string | undefined {
    if (a === undefined || b === undefined) return a ?? b;
    return this.after(a, b) ? b : a;
  }
}

const zero = Buffer.alloc(1);
