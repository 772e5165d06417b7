// Which disks hold which chains, so that the replicas of a chain fall into different failure domains, every disk
// holds its share, and the chains of a failed disk spread evenly over all others: a block design, found by a
// greedy start and random exchanges that lower the sum of squares of the chains that two disks share.
//
// Deterministic for the same arguments. Bounded: the exchanges tried are a multiple of the replicas placed.

import { CoreError } from '../base/errors.ts';
import { Prng } from '../base/prng.ts';
import { PlacementTally } from './placement-tally.ts';

export interface PlacedDisk {
  readonly id: number;
  /** Node, rack: what fails together. */
  readonly domain: string;
  /** Share of the replicas, relative to other disks. */
  readonly weight: number;
}

/** Disk ids of each chain, head first. */
export type Placement = readonly (readonly number[])[];

export interface Move {
  /** Index of the chain. */
  readonly chain: number;
  readonly from: number;
  readonly to: number;
}

/** Exchanges tried per replica: enough that the sum no longer falls on the sizes that are tested. */
const exchangesPerReplica = 200;

/** A placement of `chains` chains. @throws CoreError INVALID_ARGUMENT with fewer disks than replicas */
export function place(
  disks: readonly PlacedDisk[],
  { chains, replicas, seed }: { chains: number; replicas: number; seed: number },
): Placement {
  const tally = new PlacementTally(disks, chains * replicas);
  checkDisks(disks, replicas);
  const random = new Prng(seed);
  const placed: number[][] = [];
  for (let chain = 0; chain < chains; chain++) {
    const members: number[] = [];
    while (members.length < replicas) {
      const disk = tally.best(members, random);
      tally.add(disk, members);
      members.push(disk);
    }
    placed.push(members);
  }
  exchange(placed, tally, random);
  return orderHeads(placed);
}

/** Moves that turn `current` into a placement over `disks`: what lay on disks that are gone finds a new place, and
 *  new disks get their share. Nothing else moves; the order within a chain stays, the newcomer stands last.
 *  @throws CoreError INVALID_ARGUMENT with fewer disks than replicas */
export function replace(current: Placement, disks: readonly PlacedDisk[], seed: number): Move[] {
  const slots = current.reduce((sum, members) => sum + members.length, 0);
  checkDisks(disks, Math.max(0, ...current.map((members) => members.length)));
  const tally = new PlacementTally(disks, slots);
  const placed = current.map((members) => members.filter((disk) => tally.has(disk)));
  for (const members of placed) tally.addChain(members);
  const random = new Prng(seed);
  const moves: Move[] = [];
  for (const [chain, members] of current.entries()) {
    const kept = placed[chain] as number[];
    for (const from of members.filter((disk) => !tally.has(disk))) {
      const to = tally.best(kept, random);
      tally.add(to, kept);
      kept.push(to);
      moves.push({ chain, from, to });
    }
  }
  return [...moves, ...level(placed, tally)];
}

/** The placement after the moves. */
export function moved(placement: Placement, moves: readonly Move[]): Placement {
  const placed = placement.map((members) => [...members]);
  for (const { chain, from, to } of moves) {
    const members = placed[chain] as number[];
    members.splice(members.indexOf(from), 1);
    members.push(to);
  }
  return placed;
}

function checkDisks(disks: readonly PlacedDisk[], replicas: number): void {
  if (disks.length < replicas)
    throw new CoreError(
      'INVALID_ARGUMENT',
      `${replicas} replicas need as many disks; there are ${disks.length}`,
    );
}

/** Two chains exchange a disk each wherever that spreads pairs better and breaks no domain. */
function exchange(placed: number[][], tally: PlacementTally, random: Prng): void {
  const replicas = placed[0]?.length ?? 0;
  if (placed.length < 2) return;
  for (let tries = placed.length * replicas * exchangesPerReplica; tries > 0; tries--) {
    const a = random.pick(placed);
    const b = random.pick(placed);
    const [at, bt] = [random.below(replicas), random.below(replicas)];
    const [fromA, fromB] = [a[at] as number, b[bt] as number];
    if (a === b || a.includes(fromB) || b.includes(fromA)) continue;
    const restA = a.filter((disk) => disk !== fromA);
    const restB = b.filter((disk) => disk !== fromB);
    if (!tally.fits(fromB, restA, fromA) || !tally.fits(fromA, restB, fromB)) continue;
    const before = tally.cost;
    tally.remove(fromA, restA);
    tally.remove(fromB, restB);
    tally.add(fromB, restA);
    tally.add(fromA, restB);
    if (tally.cost <= before) {
      a[at] = fromB;
      b[bt] = fromA;
      continue;
    }
    tally.remove(fromB, restA);
    tally.remove(fromA, restB);
    tally.add(fromA, restA);
    tally.add(fromB, restB);
  }
}

/** Replicas go from disks above their share to disks below it, one by one, until nobody is a whole one off. */
function level(placed: readonly number[][], tally: PlacementTally): Move[] {
  const moves: Move[] = [];
  for (;;) {
    const move = bestLevelling(placed, tally);
    if (move === undefined) return moves;
    const { chain, from, to } = move;
    const members = placed[chain] as number[];
    members.splice(members.indexOf(from), 1);
    tally.remove(from, members);
    tally.add(to, members);
    members.push(to);
    moves.push(move);
  }
}

function bestLevelling(placed: readonly number[][], tally: PlacementTally): Move | undefined {
  const to = tally.emptiest();
  let best: { move: Move; gain: number; pairs: number } | undefined;
  for (const [chain, members] of placed.entries()) {
    if (members.includes(to)) continue;
    for (const from of members) {
      const gain = tally.surplus(from) - tally.surplus(to);
      const rest = members.filter((disk) => disk !== from);
      if (gain <= 1 || !tally.fits(to, rest, from)) continue;
      const pairs = tally.sharedWith(to, rest) - tally.sharedWith(from, rest);
      if (best === undefined || gain > best.gain || (gain === best.gain && pairs < best.pairs))
        best = { move: { chain, from, to }, gain, pairs };
    }
  }
  return best?.move;
}

/** Within each chain: heads as even as they can be, since the head does most of the work of a write; then the
 *  member that is tail least often comes last. */
function orderHeads(placed: readonly number[][]): Placement {
  const heads = evenHeads(placed);
  const tails = new Map<number, number>();
  return placed.map((members, chain) => {
    const head = heads[chain] as number;
    const others = members.filter((disk) => disk !== head);
    if (others.length === 0) return members;
    const count = (disk: number): number => tails.get(disk) ?? 0;
    const tail = others.reduce((a, b) => (count(b) < count(a) ? b : a));
    tails.set(tail, count(tail) + 1);
    return [head, ...others.filter((disk) => disk !== tail), tail];
  });
}

/** The head of each chain. A disk with two heads more than another hands one on along the shortest way of chains
 *  that leads there, until there is no such way. */
function evenHeads(placed: readonly number[][]): number[] {
  const heads = placed.map(([first]) => first as number);
  const counts = new Map<number, number>();
  for (const disk of placed.flat()) counts.set(disk, 0);
  for (const head of heads) counts.set(head, (counts.get(head) as number) + 1);
  for (;;) {
    const way = [...counts]
      .toSorted((a, b) => b[1] - a[1])
      .map(([disk, count]) =>
        wayDown(placed, heads, disk, (to) => count - (counts.get(to) as number) >= 2),
      )
      .find((found) => found !== undefined);
    if (way === undefined) return heads;
    for (const { chain, to } of way) {
      const from = heads[chain] as number;
      counts.set(from, (counts.get(from) as number) - 1);
      counts.set(to, (counts.get(to) as number) + 1);
      heads[chain] = to;
    }
  }
}

/** Changes of heads, each taking from the next disk what it gave to the one before, that end at one that `isLow`. */
function wayDown(
  placed: readonly number[][],
  heads: readonly number[],
  start: number,
  isLow: (disk: number) => boolean,
): { chain: number; to: number }[] | undefined {
  const ways = new Map<number, { chain: number; to: number }[]>([[start, []]]);
  for (const [disk, way] of ways) {
    if (isLow(disk)) return way;
    for (const [chain, members] of placed.entries()) {
      if (heads[chain] !== disk) continue;
      for (const to of members) if (!ways.has(to)) ways.set(to, [...way, { chain, to }]);
    }
  }
  return undefined;
}
