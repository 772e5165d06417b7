// The next state of a chain, from its present one and what the stores say: the one place that decides who
// serves. A pure function, enumerated exhaustively by its test.
//
// The rules are those of the code of 3FS (src/mgmtd/service/updateChain.cc) with three departures of design 4.1:
// targets that die in one judgement and leave nobody become LASTSRV together; a LASTSRV target serves again only
// from the very disk that served last; a changed disk enters as OFFLINE and is filled.

import { assert } from '../base/assert.ts';
import type { ChainVer, TargetId } from '../base/ids.ts';
import {
  type Chain,
  type ChainTarget,
  type LocalState,
  type PublicState,
  assertChain,
  publicStates,
} from './chain.ts';

/** What is known of a target now. Facts reported under another version of the chain must not be given: an
 *  UPTODATE of an earlier SYNCING time says nothing of this one. */
export interface TargetFacts {
  /** OFFLINE when its store is judged dead. */
  readonly local: LocalState;
  /** Identity of its disk space, as hex; undefined while unknown. */
  readonly identity: string | undefined;
  /** Newest chain version that is durably noted on its disk: each one before it is served under, and the one
   *  under which it was filled before it says UPTODATE. */
  readonly noted: ChainVer;
}

export type FactsOf = (target: TargetId) => TargetFacts;

/** A target on its way into the next chain. */
interface Candidate {
  readonly target: ChainTarget;
  readonly facts: TargetFacts;
  readonly alive: boolean;
}

/** What is chosen for a target; undefined while no rule has chosen. */
type Chosen = Map<Candidate, ChainTarget>;

/** @returns the same object when nothing changes, else the chain with its version one higher.
 *  @throws AssertionError when `chain` breaks what `assertChain` says */
export function nextChain(chain: Chain, factsOf: FactsOf): Chain {
  assertChain(chain);
  const candidates = chain.targets.map((target) => candidateOf(target, factsOf(target.id)));
  const chosen: Chosen = new Map();
  const choose = (candidate: Candidate, state: PublicState): void => {
    chosen.set(candidate, inState(candidate.target, state, chain.version));
  };
  for (const candidate of candidates) {
    if (!isChangedDisk(candidate)) continue;
    const identity = candidate.facts.identity as string;
    chosen.set(candidate, { ...inState(candidate.target, 'OFFLINE', chain.version), identity });
  }
  const left = (...states: readonly PublicState[]): Candidate[] =>
    candidates.filter((it) => !chosen.has(it) && states.includes(it.target.state));

  chooseComplete(left('SERVING'), left('LASTSRV'), choose);
  for (const candidate of left('SYNCING'))
    if (candidate.alive && candidate.facts.local === 'UPTODATE') choose(candidate, 'SERVING');
  const serves = [...chosen.values()].some(({ state }) => state === 'SERVING');
  if (serves) {
    for (const [candidate, { state }] of chosen)
      if (state === 'LASTSRV') choose(candidate, 'OFFLINE');
  }
  chooseFilled(left('SYNCING', 'WAITING', 'OFFLINE'), serves, choose);
  return changed(chain, candidates, chosen);
}

function candidateOf(target: ChainTarget, facts: TargetFacts): Candidate {
  return { target, facts, alive: facts.local !== 'OFFLINE' && isSameDisk(target, facts) };
}

function isSameDisk({ identity }: ChainTarget, facts: TargetFacts): boolean {
  return facts.identity !== undefined && facts.identity === identity;
}

/** A disk that is there but not the one that the chain knows: it is taken on, empty, where nothing is owed to
 *  the old one. A target that has the data is owed its disk: it counts as dead until that comes back. */
function isChangedDisk({ target, facts }: Candidate): boolean {
  if (target.state === 'SERVING' || target.state === 'LASTSRV') return false;
  return facts.identity !== undefined && facts.identity !== target.identity;
}

/** Whether the disk has everything that was acknowledged: it noted the version since which it is complete, so
 *  it is no older copy of itself. */
function mayReturn({ target, facts, alive }: Candidate): boolean {
  return alive && facts.noted >= target.completeSince;
}

/** Those that have the data: the living serve. When the last of them die together they stay LASTSRV together,
 *  and the first to return serves alone: whatever any of them committed or showed is persisted on all. */
function chooseComplete(
  serving: readonly Candidate[],
  last: readonly Candidate[],
  choose: (candidate: Candidate, state: PublicState) => void,
): void {
  if (serving.length > 0) {
    const anyAlive = serving.some(({ alive }) => alive);
    for (const candidate of serving) {
      if (candidate.alive) choose(candidate, 'SERVING');
      else choose(candidate, anyAlive ? 'OFFLINE' : 'LASTSRV');
    }
    return;
  }
  const first = last.find(mayReturn);
  for (const candidate of last) {
    if (candidate === first) choose(candidate, 'SERVING');
    else choose(candidate, first === undefined ? 'LASTSRV' : 'OFFLINE');
  }
}

/** Those that have to be filled: one at a time, and only while somebody can fill it. */
function chooseFilled(
  candidates: readonly Candidate[],
  serves: boolean,
  choose: (candidate: Candidate, state: PublicState) => void,
): void {
  const syncing = candidates.find(({ target, alive }) => target.state === 'SYNCING' && alive);
  const next = syncing ?? candidates.find(({ facts, alive }) => alive && facts.local === 'ONLINE');
  for (const candidate of candidates) {
    if (!candidate.alive) choose(candidate, 'OFFLINE');
    else choose(candidate, serves && candidate === next ? 'SYNCING' : 'WAITING');
  }
}

function inState(target: ChainTarget, state: PublicState, version: ChainVer): ChainTarget {
  const keeps = state === 'SERVING' || state === 'LASTSRV';
  // A target that was filled is complete since the version under which it was.
  const since = target.completeSince > 0 ? target.completeSince : version;
  return { ...target, state, completeSince: keeps ? since : (0 as ChainVer) };
}

function changed(chain: Chain, candidates: readonly Candidate[], chosen: Chosen): Chain {
  const all = candidates.map((candidate) => {
    const target = chosen.get(candidate);
    assert(target !== undefined, `chain ${chain.id}: no rule for target ${candidate.target.id}`);
    return target;
  });
  const targets = publicStates.flatMap((state) => all.filter((target) => target.state === state));
  const same = targets.every((target, at) => {
    const before = chain.targets[at] as ChainTarget;
    return (
      target.id === before.id &&
      target.state === before.state &&
      target.identity === before.identity
    );
  });
  if (same) return chain;
  const next = { id: chain.id, version: (chain.version + 1) as ChainVer, targets };
  assertChain(next);
  return next;
}
