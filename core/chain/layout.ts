// From a blob's layout to the chain of each of its chunks, computed by whoever holds the table. The shuffle is
// part of the disk format: docs/internals/chain-table.md states it bit by bit, with vectors that a second
// implementation made. Neither function may ever give another answer for the same arguments.

import { assert } from '../base/assert.ts';
import type { ChainId } from '../base/ids.ts';
import { Prng } from '../base/prng.ts';

/** One version of a table of chains. A version never changes: later ones stand beside it. */
export interface ChainTable {
  readonly id: number;
  readonly version: number;
  readonly chains: readonly ChainId[];
}

/** The part of a blob's layout that chooses chains. */
export interface StripeLayout {
  /** Chains that the blob is spread over; all of the table when it has fewer. */
  readonly stripe: number;
  /** Below 2^32. */
  readonly seed: number;
}

/** Products of a 32-bit number and a count stay exact in a double. */
const chainsMax = 2 ** 20;

/** The chains that a blob is spread over: the first `stripe` of the table's chains, shuffled by the seed
 *  (Fisher and Yates, of which only the steps that are needed are made). */
export function stripeOf(table: ChainTable, { stripe, seed }: StripeLayout): ChainId[] {
  const count = table.chains.length;
  assert(count > 0 && count <= chainsMax, `a table of ${count} chains`);
  assert(Number.isInteger(stripe) && stripe > 0, `a stripe of ${stripe} chains`);
  assert(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32, `seed ${seed}`);
  const random = new Prng(seed);
  // What stands at a place after the swaps so far; unmoved places hold their own number.
  const moved = new Map<number, number>();
  return Array.from({ length: Math.min(stripe, count) }, (_, place) => {
    const from = place + Math.floor((random.u32() * (count - place)) / 2 ** 32);
    const chosen = moved.get(from) ?? from;
    moved.set(from, moved.get(place) ?? place);
    return table.chains[chosen] as ChainId;
  });
}

/** The chain of chunk `index` of a blob spread over `stripe`. */
export function chainOfChunk(stripe: readonly ChainId[], index: number): ChainId {
  assert(Number.isInteger(index) && index >= 0, `chunk index ${index}`);
  return stripe[index % stripe.length] as ChainId;
}
