// Why a chain does not serve, or not with all its replicas, and what to do (promise P8): one reason per target,
// stable codes for machines, a sentence for people. Derived from the same facts as the next state.

import type { TargetId } from '../base/ids.ts';
import { type Chain, type ChainTarget, headOf } from './chain.ts';
import type { FactsOf, TargetFacts } from './next-chain.ts';

export type ReasonCode =
  | 'syncing'
  | 'waits-for-turn'
  | 'waits-for-source'
  | 'down'
  | 'last-serving-down'
  | 'last-serving-other-disk'
  | 'last-serving-older-disk';

export interface TargetReason {
  readonly target: TargetId;
  readonly code: ReasonCode;
  readonly text: string;
  /** What an operator can do; empty when nothing has to be done. */
  readonly action: string;
}

/** Reasons of all targets that do not serve; none when the chain is whole. */
export function explainChain(chain: Chain, factsOf: FactsOf): TargetReason[] {
  const serves = headOf(chain) !== undefined;
  return chain.targets
    .filter(({ state }) => state !== 'SERVING')
    .map((target) => ({ target: target.id, ...reasonOf(target, factsOf(target.id), serves) }));
}

type Reason = Omit<TargetReason, 'target'>;

function reasonOf(target: ChainTarget, facts: TargetFacts, serves: boolean): Reason {
  const store = `store ${target.store}`;
  switch (target.state) {
    case 'SERVING':
    case 'SYNCING':
      return { code: 'syncing', text: `being filled by its predecessor`, action: '' };
    case 'WAITING':
      return serves
        ? { code: 'waits-for-turn', text: 'another target is being filled first', action: '' }
        : {
            code: 'waits-for-source',
            text: 'nobody serves who could fill it',
            action: 'bring a LASTSRV target of this chain back',
          };
    case 'OFFLINE':
      return {
        code: 'down',
        text: facts.local === 'OFFLINE' ? `${store} does not answer for it` : 'about to be filled',
        action: facts.local === 'OFFLINE' ? `start ${store}, or replace its disk` : '',
      };
    case 'LASTSRV':
      return lastServing(target, facts, store);
  }
}

/** Data that was acknowledged may be nowhere else: only its own disk will do. */
function lastServing(target: ChainTarget, facts: TargetFacts, store: string): Reason {
  if (facts.identity !== undefined && facts.identity !== target.identity)
    return {
      code: 'last-serving-other-disk',
      text: `${store} has another disk than the one that served last`,
      action: 'put the former disk back; if it is lost, force a replica and lose what only it had',
    };
  if (facts.local !== 'OFFLINE' && facts.noted < target.completeSince)
    return {
      code: 'last-serving-older-disk',
      text: `${store} has an older copy of the disk: noted version ${facts.noted}, needs ${target.completeSince}`,
      action: 'put the former disk back; if it is lost, force a replica and lose what only it had',
    };
  return {
    code: 'last-serving-down',
    text: `${store} served last and does not answer`,
    action: `start ${store}`,
  };
}
