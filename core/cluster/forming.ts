// The chains of a new cluster: made once, when every store has told the identities of its empty targets. Pure.

import type { StoreId, TargetId } from '../base/ids.ts';
import { type Chain, firstChain } from '../chain/chain.ts';
import type { TargetReport } from '../chain/membership.ts';
import type { PlannedChain } from './plan.ts';

/** What a store said last. */
export interface StoreSaid {
  readonly heardMs: number;
  readonly incarnation: number;
  /** Why its disk takes no updates. */
  readonly offline: string | undefined;
  readonly reports: ReadonlyMap<TargetId, TargetReport>;
}

/** @returns why not, for people, when something is missing or strange */
export function formChains(
  plan: readonly PlannedChain[],
  said: ReadonlyMap<StoreId, StoreSaid>,
): readonly Chain[] | string {
  const chains: Chain[] = [];
  for (const { id, targets } of plan) {
    const members: { id: (typeof targets)[number]['id']; store: StoreId; identity: string }[] = [];
    for (const { id: target, store } of targets) {
      const report = said.get(store)?.reports.get(target);
      if (report === undefined) return `store ${store} did not report target ${target} yet`;
      // A target notes 1 when it is made.
      if (report.noted > 1)
        return (
          `target ${target} of store ${store} has served in a chain that the metadata does not know: ` +
          'the metadata was lost, restore DIR/meta from a backup'
        );
      members.push({ id: target, store, identity: report.identity });
    }
    chains.push(firstChain(id, members));
  }
  return chains;
}
