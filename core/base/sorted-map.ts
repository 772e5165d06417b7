// An ordered map from strings to values: sorted blocks of at most a few hundred keys behind a sorted list of
// blocks, so that lookups are two binary searches and inserts move little memory. Keys compare by code
// unit; a byte string as latin1 (one code unit a byte) keeps byte order, see `byteKey`. Single owner,
// synchronous; a visitor must not change the map.

import { assert } from './assert.ts';
import { lowerBound } from './bisect.ts';
import { asBuffer } from './bytes.ts';

interface Block<V> {
  keys: string[];
  values: V[];
}

/** Answers false to stop. */
export type Visitor<V> = (value: V, key: string) => boolean | void;

/** Keys per block: binary search stays in cache, and an insert moves at most 2 KiB of pointers. */
const blockKeysMax = 256;

/** The byte string as a latin1 string: equal and ordered as the bytes are. */
export function byteKey(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

export class SortedMap<V> {
  // Invariant: no block is empty but the only one; keys ascend within and across blocks.
  private blocks: Block<V>[] = [{ keys: [], values: [] }];
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(key: string): V | undefined {
    const block = this.blocks[this.blockIndex(key)] as Block<V>;
    const at = lowerBound(block.keys, key);
    return block.keys[at] === key ? block.values[at] : undefined;
  }

  set(key: string, value: V): void {
    const index = this.blockIndex(key);
    const block = this.blocks[index] as Block<V>;
    const at = lowerBound(block.keys, key);
    if (block.keys[at] === key) {
      block.values[at] = value;
      return;
    }
    this.count++;
    if (at === block.keys.length) {
      block.keys.push(key);
      block.values.push(value);
    } else {
      block.keys.splice(at, 0, key);
      block.values.splice(at, 0, value);
    }
    if (block.keys.length > blockKeysMax) this.split(index);
  }

  delete(key: string): boolean {
    const index = this.blockIndex(key);
    const block = this.blocks[index] as Block<V>;
    const at = lowerBound(block.keys, key);
    if (block.keys[at] !== key) return false;
    block.keys.splice(at, 1);
    block.values.splice(at, 1);
    this.count--;
    if (block.keys.length === 0 && this.blocks.length > 1) this.blocks.splice(index, 1);
    return true;
  }

  /** Visits keys in [from, to) in ascending order. */
  ascend(from: string, to: string, visit: Visitor<V>): void {
    if (from >= to) return;
    let at = -1;
    for (let index = this.blockIndex(from); index < this.blocks.length; index++) {
      const { keys, values } = this.blocks[index] as Block<V>;
      at = at < 0 ? lowerBound(keys, from) : 0;
      for (; at < keys.length; at++) {
        const key = keys[at] as string;
        if (key >= to || visit(values[at] as V, key) === false) return;
      }
    }
  }

  /** Visits keys in [from, to) in descending order. */
  descend(from: string, to: string, visit: Visitor<V>): void {
    if (from >= to) return;
    for (let index = this.blockIndex(to); index >= 0; index--) {
      const { keys, values } = this.blocks[index] as Block<V>;
      for (let at = lowerBound(keys, to) - 1; at >= 0; at--) {
        const key = keys[at] as string;
        if (key < from || visit(values[at] as V, key) === false) return;
      }
    }
  }

  /** Index of the block that holds `key` or would. */
  private blockIndex(key: string): number {
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.blocks[middle] as Block<V>).keys[0]! <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private split(index: number): void {
    const block = this.blocks[index] as Block<V>;
    // Ascending inserts fill blocks to the end: a split at the end leaves the full one whole.
    const last = index === this.blocks.length - 1;
    const at = last ? blockKeysMax : blockKeysMax / 2;
    const right = { keys: block.keys.splice(at), values: block.values.splice(at) };
    assert(block.keys.length > 0 && right.keys.length > 0, 'a split leaves two blocks');
    this.blocks.splice(index + 1, 0, right);
  }
}
