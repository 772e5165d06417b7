import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { ChainId } from '../../../core/base/ids.ts';
import { chainOfChunk, stripeOf } from '../../../core/chain/layout.ts';

interface Vector {
  readonly chains: number;
  readonly stripe: number;
  readonly seed: number;
  readonly places: readonly number[];
}

const file = new URL('../../../../test/vectors/chain/stripe.json', import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] };

/** Chain ids that differ from their places. */
const tableOf = (count: number) => ({
  id: 1,
  version: 1,
  chains: Array.from({ length: count }, (_, place) => (place + 100) as ChainId),
});

describe('layout', () => {
  it('shuffles as the second implementation does', () => {
    assert.ok(vectors.length > 8);
    for (const { chains, stripe, seed, places } of vectors)
      assert.deepEqual(
        stripeOf(tableOf(chains), { stripe, seed }),
        places.map((place) => place + 100),
      );
  });

  it('spreads blobs evenly, and no stripe names a chain twice', () => {
    const uses = new Map<number, number>();
    for (let seed = 0; seed < 4000; seed++) {
      const stripe = stripeOf(tableOf(20), { stripe: 4, seed });
      assert.equal(new Set(stripe).size, 4);
      for (const chain of stripe) uses.set(chain, (uses.get(chain) ?? 0) + 1);
    }
    // 800 each; five standard deviations.
    for (const count of uses.values()) assert.ok(Math.abs(count - 800) < 135, `${count} uses`);
    assert.equal(uses.size, 20);
  });

  it('chunks go round the stripe', () => {
    const stripe = stripeOf(tableOf(10), { stripe: 3, seed: 1 });
    assert.equal(chainOfChunk(stripe, 0), stripe[0]);
    assert.equal(chainOfChunk(stripe, 4), stripe[1]);
  });
});
