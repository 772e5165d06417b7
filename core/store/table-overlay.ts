// Changes that are not in the Kv yet: a map for `get`, and the same keys sorted in blocks for ranges. Keys
// are strings of one character a byte, which compare as their bytes do and cost less than Buffers.

import { lowerBound } from '../base/bisect.ts';

/** null is a removal; undefined means that the overlay does not know the key. */
export type OverlayValue = Uint8Array | null;

/** Keys of a block; a full one is split. */
const blockKeysMax = 512;
/** Heap of an entry beside its bytes: map slot, string and buffer headers. */
const entryOverheadBytes = 120;

export class Overlay {
  private readonly values = new Map<string, OverlayValue>();
  /** Sorted blocks of sorted keys; none is empty. */
  private readonly blocks: string[][] = [];
  bytes = 0;
  /** Entries that are removals. */
  removals = 0;

  get size(): number {
    return this.values.size;
  }

  get(key: string): OverlayValue | undefined {
    return this.values.get(key);
  }

  set(key: string, value: OverlayValue): void {
    const before = this.values.get(key);
    this.values.set(key, value);
    this.bytes += value?.length ?? 0;
    this.removals += Number(value === null) - Number(before === null);
    if (before !== undefined) {
      this.bytes -= before?.length ?? 0;
      return;
    }
    this.bytes += key.length + entryOverheadBytes;
    this.insert(key);
  }

  private insert(key: string): void {
    const index = Math.max(0, this.blockAt(key));
    const block = this.blocks[index];
    if (block === undefined) {
      this.blocks.push([key]);
      return;
    }
    const place = lowerBound(block, key);
    if (block.length < blockKeysMax) {
      block.splice(place, 0, key);
    } else if (place === block.length) {
      // Ascending keys fill their blocks.
      this.blocks.splice(index + 1, 0, [key]);
    } else {
      const upper = block.splice(blockKeysMax / 2);
      this.blocks.splice(index + 1, 0, upper);
      if (place <= block.length) block.splice(place, 0, key);
      else upper.splice(place - block.length, 0, key);
    }
  }

  /** Index of the last block whose first key is <= `key`; -1 when all begin above. */
  private blockAt(key: string): number {
    let low = 0;
    let high = this.blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.blocks[middle] as string[])[0]! <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** All entries in key order. */
  *entries(): Generator<readonly [string, OverlayValue]> {
    for (const block of this.blocks)
      for (const key of block) yield [key, this.values.get(key) as OverlayValue];
  }

  /** Entries with from <= key < to; valid until the overlay changes. */
  cursor(from: string, to: string, reverse: boolean): OverlayCursor {
    return new OverlayCursor(this, this.blocks, {
      from,
      to,
      reverse,
      ...this.start(reverse ? to : from, reverse),
    });
  }

  /** Place of the first key >= `key`, or of the last key < `key` when going down. */
  private start(key: string, reverse: boolean): { block: number; place: number } {
    const block = Math.max(0, this.blockAt(key));
    const place = lowerBound(this.blocks[block] ?? [], key);
    return { block, place: reverse ? place - 1 : place };
  }
}

interface Bounds {
  readonly from: string;
  readonly to: string;
  readonly reverse: boolean;
  block: number;
  place: number;
}

export class OverlayCursor {
  private readonly overlay: Overlay;
  private readonly blocks: readonly string[][];
  private readonly bounds: Bounds;
  /** Undefined at the end. */
  key: string | undefined;

  constructor(overlay: Overlay, blocks: readonly string[][], bounds: Bounds) {
    this.overlay = overlay;
    this.blocks = blocks;
    this.bounds = bounds;
    this.settle();
  }

  get value(): OverlayValue {
    return this.overlay.get(this.key as string) as OverlayValue;
  }

  next(): void {
    this.bounds.place += this.bounds.reverse ? -1 : 1;
    this.settle();
  }

  private settle(): void {
    const { bounds, blocks } = this;
    let block = blocks[bounds.block];
    if (block !== undefined && bounds.place >= block.length) {
      block = blocks[++bounds.block];
      bounds.place = 0;
    } else if (block !== undefined && bounds.place < 0) {
      block = blocks[--bounds.block];
      bounds.place = (block?.length ?? 0) - 1;
    }
    const key = block?.[bounds.place];
    this.key = key !== undefined && key >= bounds.from && key < bounds.to ? key : undefined;
  }
}
