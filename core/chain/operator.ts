// What an operator may do to a chain, as pure changes (design 4.4). Taking a serving target out is not among
// them: it is asked to leave, acknowledges, reports itself OFFLINE, and `nextChain` does the rest.

import { CoreError } from '../base/errors.ts';
import type { ChainVer, StoreId, TargetId } from '../base/ids.ts';
import { type Chain, type ChainTarget, assertChain, targetsIn } from './chain.ts';

/** Takes a target as the one that has the data, whatever it lacks: **acknowledged writes that it does not have
 *  are lost**. For a chain whose LASTSRV targets are gone for good.
 *  @throws CoreError INVALID_ARGUMENT when somebody serves or the target is not of the chain */
export function forceLastServing(chain: Chain, target: TargetId): Chain {
  find(chain, target);
  if (targetsIn(chain, 'SERVING').length > 0)
    throw invalid(`chain ${chain.id} serves: there is nothing to force`);
  const first = 1 as ChainVer;
  return changed(chain, [
    // Complete since the first version: every disk that was ever of the chain may return.
    ...chain.targets
      .filter(({ id }) => id === target)
      .map((it) => ({ ...it, state: 'LASTSRV' as const, completeSince: first })),
    ...chain.targets.filter(({ id }) => id !== target).map(offline),
  ]);
}

/** A further replica, which the chain fills as soon as it reports. @throws CoreError INVALID_ARGUMENT */
export function addTarget(
  chain: Chain,
  added: { readonly id: TargetId; readonly store: StoreId },
): Chain {
  if (chain.targets.some(({ id }) => id === added.id))
    throw invalid(`target ${added.id} is of chain ${chain.id} already`);
  const state = 'OFFLINE';
  const target: ChainTarget = { ...added, state, identity: '', completeSince: 0 as ChainVer };
  return changed(chain, [...chain.targets, target]);
}

/** Drops a replica that neither serves nor may be needed. @throws CoreError INVALID_ARGUMENT */
export function removeTarget(chain: Chain, target: TargetId): Chain {
  const { state } = find(chain, target);
  if (state !== 'OFFLINE' && state !== 'WAITING')
    throw invalid(`target ${target} of chain ${chain.id} is ${state}: take it offline first`);
  return changed(
    chain,
    chain.targets.filter(({ id }) => id !== target),
  );
}

/** Which serving target has to leave and come back at the end, next, so that the order becomes the preferred
 *  one; undefined when it is, or while a replica is missing. Each step brings one more target into its place. */
export function outOfOrder(chain: Chain, preferred: readonly TargetId[]): TargetId | undefined {
  const serving = targetsIn(chain, 'SERVING').map(({ id }) => id);
  if (serving.length < 2 || serving.length < chain.targets.length) return undefined;
  const wanted = preferred.filter((id) => serving.includes(id));
  const order = [...wanted, ...serving.filter((id) => !wanted.includes(id))];
  return serving.find((id, at) => id !== order[at]);
}

function find(chain: Chain, target: TargetId): ChainTarget {
  const found = chain.targets.find(({ id }) => id === target);
  if (found === undefined) throw invalid(`target ${target} is not of chain ${chain.id}`);
  return found;
}

function offline(target: ChainTarget): ChainTarget {
  return { ...target, state: 'OFFLINE', completeSince: 0 as ChainVer };
}

function changed(chain: Chain, targets: readonly ChainTarget[]): Chain {
  const next = { id: chain.id, version: (chain.version + 1) as ChainVer, targets };
  assertChain(next);
  return next;
}

function invalid(message: string): CoreError {
  return new CoreError('INVALID_ARGUMENT', message);
}
