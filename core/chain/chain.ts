// A chain: ordered targets that hold the same chunks, and a version that grows whenever the order or a state
// changes (design 4.1). The states are those of 3FS; what each allows, and why, is in
// docs/internals/chain-table.md. Pure values: who persists and publishes them is core/manager.

import { assert } from '../base/assert.ts';
import type { ChainId, ChainVer, StoreId, TargetId } from '../base/ids.ts';

/** What the cluster knows of a target, persisted with its chain. The order is the order within a chain.
 *  SERVING reads and writes · LASTSRV down, has everything that was acknowledged · SYNCING writes only, being
 *  filled · WAITING up, to be filled later · OFFLINE down. */
export const publicStates = ['SERVING', 'LASTSRV', 'SYNCING', 'WAITING', 'OFFLINE'] as const;
export type PublicState = (typeof publicStates)[number];

/** What a store says of its target, under the chain's present version. UPTODATE: it has everything that is
 *  acknowledged · ONLINE: it answers · OFFLINE: it does not, or wants to leave. */
export const localStates = ['UPTODATE', 'ONLINE', 'OFFLINE'] as const;
export type LocalState = (typeof localStates)[number];

export interface ChainTarget {
  readonly id: TargetId;
  readonly store: StoreId;
  readonly state: PublicState;
  /** Random identity of the target's disk space, as hex; empty until it was first seen. */
  readonly identity: string;
  /** SERVING and LASTSRV: the chain version under which the target had everything for the first time; since
   *  then no write was acknowledged without it. A disk that noted no such version is not that disk. 0 else. */
  readonly completeSince: ChainVer;
}

export interface Chain {
  readonly id: ChainId;
  readonly version: ChainVer;
  /** Grouped by state in the order of `publicStates`: the first SERVING one is the head, the last one the tail. */
  readonly targets: readonly ChainTarget[];
}

export function targetsIn(chain: Chain, ...states: readonly PublicState[]): ChainTarget[] {
  return chain.targets.filter(({ state }) => states.includes(state));
}

/** First of the targets that serve: it takes writes from clients. */
export function headOf(chain: Chain): ChainTarget | undefined {
  return chain.targets.find(({ state }) => state === 'SERVING');
}

/** Last of the targets that serve, even with a SYNCING successor: it knows what is committed. */
export function tailOf(chain: Chain): ChainTarget | undefined {
  return chain.targets.findLast(({ state }) => state === 'SERVING');
}

/** Whom a writing target passes an update on to: the next one that serves or is being filled. */
export function successorOf(chain: Chain, target: TargetId): ChainTarget | undefined {
  const writing = targetsIn(chain, 'SERVING', 'SYNCING');
  const at = writing.findIndex(({ id }) => id === target);
  return at < 0 ? undefined : writing[at + 1];
}

/** Who passes updates on to the target, and fills it while it is SYNCING. */
export function predecessorOf(chain: Chain, target: TargetId): ChainTarget | undefined {
  const writing = targetsIn(chain, 'SERVING', 'SYNCING');
  const at = writing.findIndex(({ id }) => id === target);
  return at <= 0 ? undefined : writing[at - 1];
}

/** What holds of every chain that is ever persisted. @throws AssertionError */
export function assertChain(chain: Chain): void {
  const { targets, id } = chain;
  const order = targets.map(({ state }) => publicStates.indexOf(state));
  assert(
    order.every((rank, at) => at === 0 || rank >= (order[at - 1] as number)),
    `chain ${id}: targets are not in the order of their states`,
  );
  const serving = targetsIn(chain, 'SERVING').length;
  const last = targetsIn(chain, 'LASTSRV').length;
  assert(targets.length > 0 && serving + last > 0, `chain ${id}: nobody has the data`);
  assert(serving === 0 || last === 0, `chain ${id}: LASTSRV beside SERVING`);
  const syncing = targetsIn(chain, 'SYNCING').length;
  assert(syncing <= 1, `chain ${id}: several targets SYNCING`);
  assert(syncing === 0 || serving > 0, `chain ${id}: SYNCING without a predecessor`);
  for (const { state, completeSince, id: target } of targets) {
    const complete = state === 'SERVING' || state === 'LASTSRV';
    assert(
      complete === completeSince > 0,
      `chain ${id}: target ${target} ${state} since ${completeSince}`,
    );
    assert(completeSince <= chain.version, `chain ${id}: target ${target} is ahead of its chain`);
  }
  assert(
    new Set(targets.map((target) => target.id)).size === targets.length,
    `chain ${id}: a target stands twice`,
  );
}

/** A new chain, whose targets all exist and are empty: they serve at once, in this order. */
export function firstChain(
  id: ChainId,
  targets: readonly { id: TargetId; store: StoreId; identity: string }[],
): Chain {
  const version = 1 as ChainVer;
  const chain: Chain = {
    id,
    version,
    targets: targets.map((target) => ({ ...target, state: 'SERVING', completeSince: version })),
  };
  assertChain(chain);
  return chain;
}
