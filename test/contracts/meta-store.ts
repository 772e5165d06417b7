// The contract of MetaStore, run on every adapter (test/contracts/meta-store.test.ts).

import { describe, it } from 'node:test';
import { Prng } from '../../core/base/prng.ts';
import { ownWrites, readsAndWrites, sizeLimits } from './meta-store/basics.ts';
import { conflicts } from './meta-store/conflicts.ts';
import { outbox, tokens, watches } from './meta-store/feeds.ts';
import type { MetaStoreHarness, OpenedMetaStore, Test } from './meta-store/harness.ts';
import { randomHistory } from './meta-store/history.ts';
import { failures, retries, visibility } from './meta-store/visibility.ts';
import { ringWorkload, transferWorkload } from './meta-store/workloads.ts';

export function metaStoreContract(harness: MetaStoreHarness): void {
  const test = (name: string, body: (opened: OpenedMetaStore) => Promise<void>): void => {
    it(name, async () => {
      const opened = await harness.open();
      try {
        await body(opened);
      } finally {
        await opened.close();
      }
    });
  };

  describe(`MetaStore contract: ${harness.name}`, () => {
    describe('reads and writes', () => readsAndWrites(test));
    describe('own writes', () => ownWrites(test));
    describe('limits', () => sizeLimits(test));
    describe('conflicts', () => conflicts(test));
    describe('visibility', () => visibility(test));
    describe('transact', () => retries(test));
    describe('outbox', () => outbox(test));
    describe('watch', () => watches(test));
    describe('tokens', () => tokens(test));
    describe('failure and end', () => failures(test));
    describe('serializability', () => serializability(test));
  });
}

function serializability(test: Test): void {
  for (const seed of [1, 2, 3]) {
    test(`random transactions equal their commit order, seed ${seed}`, async ({ store }) => {
      await randomHistory(store, new Prng(seed));
    });
  }

  test('transfers keep the sum', async ({ store }) => {
    await transferWorkload(store, new Prng(11));
  });

  test('swaps in a ring keep it one ring', async ({ store }) => {
    await ringWorkload(store, new Prng(12));
  });
}
