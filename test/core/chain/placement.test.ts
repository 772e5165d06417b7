// Placements by what they are for: replicas apart, loads even, the chains of any failed disk spread over all others.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import { PlacementTally } from '../../../core/chain/placement-tally.ts';
import {
  type PlacedDisk,
  type Placement,
  moved,
  place,
  replace,
} from '../../../core/chain/placement.ts';

/** `nodes` nodes with `each` disks of equal weight. */
function fleet(nodes: number, each: number): PlacedDisk[] {
  return Array.from({ length: nodes * each }, (_, at) => ({
    id: at + 1,
    domain: `node ${Math.floor(at / each)}`,
    weight: 1,
  }));
}

function judge(placement: Placement, disks: readonly PlacedDisk[]) {
  const slots = placement.reduce((sum, members) => sum + members.length, 0);
  const tally = new PlacementTally(disks, slots);
  const domainOf = new Map(disks.map(({ id, domain }) => [id, domain]));
  let crowded = 0;
  for (const members of placement) {
    assert.equal(new Set(members).size, members.length, 'a disk twice in one chain');
    tally.addChain(members);
    if (new Set(members.map((disk) => domainOf.get(disk))).size < members.length) crowded++;
  }
  const surpluses = disks.map(({ id }) => tally.surplus(id));
  const heads = disks.map(({ id }) => placement.filter(([head]) => head === id).length);
  return { crowded, off: Math.max(...surpluses.map(Math.abs)), ...tally.spread(), heads };
}

const refused = (error: unknown): boolean => isCoreError(error, 'INVALID_ARGUMENT');

describe('placement', () => {
  for (const [nodes, each, replicas, chains] of [
    [3, 1, 3, 6],
    [5, 1, 3, 10],
    [7, 1, 3, 14],
    [6, 4, 3, 64],
    [13, 1, 4, 26],
    [10, 2, 2, 100],
  ] as const)
    it(`${chains} chains of ${replicas} over ${nodes} × ${each} disks`, (t) => {
      const disks = fleet(nodes, each);
      const result = judge(place(disks, { chains, replicas, seed: 1 }), disks);
      t.diagnostic(
        `most ${result.most}, mean ${result.mean.toFixed(2)}, heads ${result.heads.join()}`,
      );
      assert.equal(result.crowded, 0);
      assert.ok(result.off < 1, `loads are ${result.off} off`);
      assert.ok(result.most <= Math.ceil(result.mean) + 1, 'a pair shares too many chains');
      assert.ok(Math.max(...result.heads) - Math.min(...result.heads) <= 1, 'heads are uneven');
    });

  it('is the same for the same seed', () => {
    const options = { chains: 30, replicas: 3, seed: 5 };
    assert.deepEqual(place(fleet(6, 2), options), place(fleet(6, 2), options));
  });

  it('weights are kept, and few domains are filled evenly', () => {
    const disks = [
      { id: 1, domain: 'a', weight: 2 },
      { id: 2, domain: 'a', weight: 1 },
      { id: 3, domain: 'b', weight: 2 },
      { id: 4, domain: 'b', weight: 1 },
    ];
    const placement = place(disks, { chains: 12, replicas: 2, seed: 1 });
    const { off, crowded } = judge(placement, disks);
    assert.ok(off < 1);
    assert.equal(crowded, 0);
    // Three replicas over two nodes: no node has all of them.
    for (const members of place(disks, { chains: 8, replicas: 3, seed: 1 })) {
      const inA = members.filter((disk) => disk <= 2).length;
      assert.ok(inA === 1 || inA === 2);
    }
  });

  it('a disk that leaves moves only its own replicas, spread over the others', () => {
    const disks = fleet(8, 1);
    const before = place(disks, { chains: 32, replicas: 3, seed: 3 });
    const left = disks.slice(1);
    const moves = replace(before, left, 3);
    assert.equal(moves.length, before.filter((members) => members.includes(1)).length);
    const after = judge(moved(before, moves), left);
    assert.equal(after.crowded, 0);
    assert.ok(after.off < 1.5, `loads are ${after.off} off`);
    assert.ok(after.most <= Math.ceil(after.mean) + 2);
  });

  it('a disk that comes takes its share and nothing else moves', () => {
    const before = place(fleet(8, 1), { chains: 36, replicas: 3, seed: 3 });
    const disks = fleet(9, 1);
    const moves = replace(before, disks, 3);
    assert.equal(moves.length, 12);
    assert.ok(moves.every(({ to }) => to === 9));
    const after = judge(moved(before, moves), disks);
    assert.equal(after.crowded, 0);
    assert.ok(after.off <= 2);
    assert.deepEqual(replace(moved(before, moves), disks, 3), []);
  });

  it('fewer disks than replicas are refused', () => {
    assert.throws(() => place(fleet(2, 1), { chains: 1, replicas: 3, seed: 1 }), refused);
    assert.throws(() => replace([[1, 2, 3]], fleet(2, 1), 1), refused);
  });
});
