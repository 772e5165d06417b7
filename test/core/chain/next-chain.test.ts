// `nextChain` over every chain of one to four targets and everything that stores can say of them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Chain,
  type ChainTarget,
  type LocalState,
  type PublicState,
  assertChain,
  localStates,
  publicStates,
  targetsIn,
} from '../../../core/chain/chain.ts';
import { explainChain } from '../../../core/chain/explain.ts';
import { type FactsOf, type TargetFacts, nextChain } from '../../../core/chain/next-chain.ts';
import { chainOf, factsFrom, summary } from './fixture.ts';

/** What can be true of a disk: the one of the row or another, and whether it noted the version it must have. */
const disks = ['same', 'older', 'other'] as const;
type Disk = (typeof disks)[number];

/** All words over `letters` of a length. */
function* words<T>(letters: readonly T[], length: number): Generator<T[]> {
  if (length === 0) yield [];
  else
    for (const word of words(letters, length - 1))
      for (const letter of letters) yield [...word, letter];
}

function isLegal(states: readonly PublicState[]): boolean {
  try {
    assertChain(chainOf(states));
    return true;
  } catch {
    return false;
  }
}

function factOf(target: ChainTarget, local: LocalState, disk: Disk): TargetFacts {
  const identity = disk === 'other' ? `${target.identity}-new` : target.identity;
  const noted = (
    disk === 'same' ? 9 : Math.max(0, target.completeSince - 1)
  ) as TargetFacts['noted'];
  return { local, identity, noted };
}

function check(chain: Chain, factsOf: FactsOf): void {
  const next = nextChain(chain, factsOf);
  const what = `${summary(chain)} → ${summary(next)}`;
  assertChain(next);
  assert.equal(next.version - chain.version, next === chain ? 0 : 1, what);
  const before = new Map(chain.targets.map((target) => [target.id, target]));
  assert.equal(next.targets.length, before.size, what);
  for (const target of next.targets) {
    const old = before.get(target.id) as ChainTarget;
    const facts = factsOf(target.id);
    const sameDisk = facts.identity === old.identity;
    if (target.state === 'SERVING') {
      assert.ok(facts.local !== 'OFFLINE' && sameDisk, `${what}: the dead serve`);
      // Complete content only: it served, served last, or was filled to the end.
      const complete =
        old.state === 'SERVING' ||
        (old.state === 'LASTSRV' && facts.noted >= old.completeSince) ||
        (old.state === 'SYNCING' && facts.local === 'UPTODATE');
      assert.ok(complete, `${what}: target ${target.id} serves without the data`);
      if (old.state !== 'SYNCING') assert.equal(target.completeSince, old.completeSince, what);
      else assert.equal(target.completeSince, chain.version, what);
    }
    if (target.state === 'LASTSRV')
      assert.ok(old.state === 'SERVING' || old.state === 'LASTSRV', `${what}: new LASTSRV`);
    if (target.identity !== old.identity) {
      assert.equal(target.state, 'OFFLINE', `${what}: a changed disk is not emptied`);
      assert.ok(old.state !== 'SERVING' && old.state !== 'LASTSRV', `${what}: data forgotten`);
    }
  }
  // Nobody who has the data is given up while nobody else has it.
  const served = targetsIn(chain, 'SERVING', 'LASTSRV').map(({ id }) => id);
  if (targetsIn(next, 'SERVING').length === 0)
    assert.deepEqual(
      new Set(targetsIn(next, 'LASTSRV').map(({ id }) => id)),
      new Set(served),
      what,
    );
  // Who serves now goes on while its store lives: no detour loses a replica.
  for (const { id, identity } of targetsIn(chain, 'SERVING')) {
    const facts = factsOf(id);
    const alive = facts.local !== 'OFFLINE' && facts.identity === identity;
    if (alive)
      assert.equal(next.targets.find((target) => target.id === id)?.state, 'SERVING', what);
  }
  // Every target that does not serve has a reason.
  assert.equal(
    explainChain(next, factsOf).length,
    next.targets.length - targetsIn(next, 'SERVING').length,
  );
  settles(next, factsOf, what);
}

/** With unchanging facts the chain comes to rest, and what can be filled is being filled. */
function settles(start: Chain, factsOf: FactsOf, what: string): void {
  let chain = start;
  for (let round = 0; round < 8; round++) {
    const next = nextChain(chain, factsOf);
    if (next === chain) break;
    chain = next;
    assert.ok(round < 7, `${what}: never settles`);
  }
  if (targetsIn(chain, 'SERVING').length === 0) return;
  const fillable = targetsIn(chain, 'WAITING', 'OFFLINE').filter(
    ({ id }) => factsOf(id).local === 'ONLINE',
  );
  if (fillable.length > 0)
    assert.equal(targetsIn(chain, 'SYNCING').length, 1, `${what}: nobody is filled`);
}

const step = (states: readonly PublicState[], locals: readonly LocalState[]): string =>
  summary(
    nextChain(
      chainOf(states),
      factsFrom(chainOf(states), (target, at) => factOf(target, locals[at] as LocalState, 'same')),
    ),
  );

const wiped = (target: ChainTarget): TargetFacts => factOf(target, 'ONLINE', 'other');

describe('nextChain', () => {
  for (const length of [1, 2, 3])
    it(`every chain of ${length} targets, every fact`, (t) => {
      let count = 0;
      for (const states of words(publicStates, length)) {
        if (!isLegal(states)) continue;
        const chain = chainOf(states);
        for (const locals of words(localStates, length)) {
          for (const kinds of words(disks, length)) {
            check(
              chain,
              factsFrom(chain, (target, at) =>
                factOf(target, locals[at] as LocalState, kinds[at] as Disk),
              ),
            );
            count++;
          }
        }
      }
      t.diagnostic(`${count} cases`);
    });

  it('every chain of 4 targets on their own disks', (t) => {
    let count = 0;
    for (const states of words(publicStates, 4)) {
      if (!isLegal(states)) continue;
      const chain = chainOf(states);
      for (const locals of words(localStates, 4)) {
        check(
          chain,
          factsFrom(chain, (target, at) => factOf(target, locals[at] as LocalState, 'same')),
        );
        count++;
      }
    }
    t.diagnostic(`${count} cases`);
  });

  it('tells the stories that operators know', () => {
    const [S, L, Y, W, O] = publicStates;
    const [up, on, off] = localStates;
    assert.equal(step([S, S, S], [off, up, up]), '2 SERVING, 3 SERVING, 1 OFFLINE');
    assert.equal(step([S, S, S], [off, off, up]), '3 SERVING, 1 OFFLINE, 2 OFFLINE');
    assert.equal(step([S, S, S], [off, off, off]), '1 LASTSRV, 2 LASTSRV, 3 LASTSRV');
    assert.equal(step([L, L, L], [off, on, on]), '2 SERVING, 1 OFFLINE, 3 OFFLINE');
    assert.equal(step([S, O, O], [up, on, on]), '1 SERVING, 2 SYNCING, 3 WAITING');
    assert.equal(step([S, Y, W], [up, up, on]), '1 SERVING, 2 SERVING, 3 SYNCING');
    assert.equal(step([S, Y, W], [off, on, on]), '1 LASTSRV, 2 WAITING, 3 WAITING');
    assert.equal(step([S, Y, O], [off, up, off]), '2 SERVING, 1 OFFLINE, 3 OFFLINE');
    assert.equal(step([L, O, O], [off, on, on]), '1 LASTSRV, 2 WAITING, 3 WAITING');
  });

  it('a wiped disk is no last serving replica, and is filled once somebody else serves', () => {
    const chain = chainOf(['LASTSRV', 'LASTSRV']);
    const alone = factsFrom(chain, (target, at) =>
      at === 0 ? wiped(target) : factOf(target, 'OFFLINE', 'same'),
    );
    assert.equal(nextChain(chain, alone), chain);
    assert.deepEqual(
      explainChain(chain, alone).map(({ code }) => code),
      ['last-serving-other-disk', 'last-serving-down'],
    );
    const both = factsFrom(chain, (target, at) =>
      at === 0 ? wiped(target) : factOf(target, 'ONLINE', 'same'),
    );
    const served = nextChain(chain, both);
    assert.equal(summary(served), '2 SERVING, 1 OFFLINE');
    const taken = nextChain(served, both);
    assert.equal(summary(taken), '2 SERVING, 1 OFFLINE');
    assert.notEqual(taken.targets[1]?.identity, served.targets[1]?.identity);
    assert.equal(summary(nextChain(taken, both)), '2 SERVING, 1 SYNCING');
  });

  it('an older copy of the disk that served last does not serve', () => {
    const chain = chainOf(['LASTSRV']);
    const facts = factsFrom(chain, (target) => factOf(target, 'ONLINE', 'older'));
    assert.equal(nextChain(chain, facts), chain);
    assert.equal(explainChain(chain, facts)[0]?.code, 'last-serving-older-disk');
  });
});
