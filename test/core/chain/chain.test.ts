import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import type { ChainId, StoreId, TargetId } from '../../../core/base/ids.ts';
import {
  firstChain,
  headOf,
  predecessorOf,
  successorOf,
  tailOf,
} from '../../../core/chain/chain.ts';
import { nextChain } from '../../../core/chain/next-chain.ts';
import {
  addTarget,
  forceLastServing,
  outOfOrder,
  removeTarget,
} from '../../../core/chain/operator.ts';
import { chainOf, factsFrom, summary } from './fixture.ts';

const target = (number: number): TargetId => number as TargetId;
const refused = (error: unknown): boolean => isCoreError(error, 'INVALID_ARGUMENT');

describe('chain', () => {
  it('the tail is the last that serves, the successor may be the one that is filled', () => {
    const chain = chainOf(['SERVING', 'SERVING', 'SYNCING', 'WAITING', 'OFFLINE']);
    assert.equal(headOf(chain)?.id, 1);
    assert.equal(tailOf(chain)?.id, 2);
    assert.equal(successorOf(chain, target(1))?.id, 2);
    assert.equal(successorOf(chain, target(2))?.id, 3);
    assert.equal(successorOf(chain, target(3)), undefined);
    assert.equal(successorOf(chain, target(4)), undefined);
    assert.equal(predecessorOf(chain, target(3))?.id, 2);
    assert.equal(predecessorOf(chain, target(1)), undefined);
  });

  it('a new chain serves with all its targets', () => {
    const parts = [1, 2].map((number) => ({
      id: target(number),
      store: number as StoreId,
      identity: `${number}`,
    }));
    assert.equal(summary(firstChain(1 as ChainId, parts)), '1 SERVING, 2 SERVING');
  });
});

describe('what an operator does', () => {
  it('a forced replica may serve when it returns, with whatever it has', () => {
    const chain = chainOf(['LASTSRV', 'WAITING', 'OFFLINE']);
    const forced = forceLastServing(chain, target(2));
    assert.equal(summary(forced), '2 LASTSRV, 1 OFFLINE, 3 OFFLINE');
    const facts = factsFrom(forced, ({ identity }, at) => ({
      local: at === 0 ? 'ONLINE' : 'OFFLINE',
      identity,
      noted: 1 as never,
    }));
    assert.equal(summary(nextChain(forced, facts)), '2 SERVING, 1 OFFLINE, 3 OFFLINE');
    assert.throws(() => forceLastServing(chainOf(['SERVING', 'OFFLINE']), target(2)), refused);
    assert.throws(() => forceLastServing(chain, target(9)), refused);
  });

  it('replicas are added at the end and removed when they do not serve', () => {
    const chain = chainOf(['SERVING', 'SERVING']);
    const grown = addTarget(chain, { id: target(7), store: 7 as StoreId });
    assert.equal(summary(grown), '1 SERVING, 2 SERVING, 7 OFFLINE');
    assert.throws(() => addTarget(grown, { id: target(7), store: 7 as StoreId }), refused);
    assert.equal(summary(removeTarget(grown, target(7))), summary(chain));
    assert.throws(() => removeTarget(chain, target(1)), refused);
    assert.throws(() => removeTarget(chain, target(9)), refused);
  });

  it('every order is reached by letting one target after another come back at the end', () => {
    const orders = [[1, 2, 3, 4], [4, 3, 2, 1], [2, 4, 1, 3], [3]];
    for (const preferred of orders) {
      let order = [1, 2, 3, 4];
      for (let step = 0; ; step++) {
        const chain = chainOf(['SERVING', 'SERVING', 'SERVING', 'SERVING']);
        const targets = order.map((id, at) => ({ ...chain.targets[at]!, id: target(id) }));
        const leaves = outOfOrder({ ...chain, targets }, preferred.map(target));
        if (leaves === undefined) break;
        order = [...order.filter((id) => id !== leaves), leaves];
        assert.ok(step < 8, `never reaches ${preferred.join()}`);
      }
      assert.deepEqual(order.slice(0, preferred.length), preferred);
    }
    assert.equal(
      outOfOrder(chainOf(['SERVING', 'SERVING', 'OFFLINE']), [2, 1].map(target)),
      undefined,
    );
  });
});
