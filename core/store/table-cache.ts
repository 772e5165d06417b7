// Rows that the Kv holds, kept for the next read: two generations of a map. A row that is read again moves
// to the young one; when that is full the old one is dropped. Close to LRU at the price of two lookups.

import type { OverlayValue } from './table-overlay.ts';

const entryOverheadBytes = 120;

export class RowCache {
  private young = new Map<string, OverlayValue>();
  private old = new Map<string, OverlayValue>();
  private youngBytes = 0;
  private readonly bytesMax: number;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** null: known to be absent; undefined: not cached. */
  get(key: string): OverlayValue | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older !== undefined) {
      this.old.delete(key);
      this.set(key, older);
    }
    return older;
  }

  set(key: string, value: OverlayValue): void {
    this.young.set(key, value);
    // Overwriting counts twice; the young generation then only turns over sooner.
    this.youngBytes += key.length + (value?.length ?? 0) + entryOverheadBytes;
    if (this.youngBytes * 2 <= this.bytesMax) return;
    this.old = this.young;
    this.young = new Map();
    this.youngBytes = 0;
  }
}
