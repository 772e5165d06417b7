// Chains with targets 1, 2, … in given states, and facts about them.

import type { ChainId, ChainVer, StoreId, TargetId } from '../../../core/base/ids.ts';
import type { Chain, ChainTarget, PublicState } from '../../../core/chain/chain.ts';
import type { FactsOf, TargetFacts } from '../../../core/chain/next-chain.ts';

const version = 5 as ChainVer;

export function chainOf(states: readonly PublicState[]): Chain {
  const targets = states.map((state, at): ChainTarget => {
    const complete = state === 'SERVING' || state === 'LASTSRV';
    return {
      id: (at + 1) as TargetId,
      store: (at + 11) as StoreId,
      state,
      identity: `disk-${at + 1}`,
      completeSince: (complete ? 3 : 0) as ChainVer,
    };
  });
  return { id: 1 as ChainId, version, targets };
}

export function factsFrom(
  chain: Chain,
  factOf: (target: ChainTarget, at: number) => TargetFacts,
): FactsOf {
  const facts = new Map(chain.targets.map((target, at) => [target.id, factOf(target, at)]));
  return (target) => facts.get(target) as TargetFacts;
}

export function summary({ targets }: Chain): string {
  return targets.map(({ id, state }) => `${id} ${state}`).join(', ');
}
