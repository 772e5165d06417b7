// What a placement is judged by, kept while replicas come and go: how many each disk has against its share, and how
// many chains each pair of disks has in common.

import { assert } from '../base/assert.ts';
import type { Prng } from '../base/prng.ts';
import type { PlacedDisk } from './placement.ts';

export class PlacementTally {
  private readonly disks = new Map<number, PlacedDisk>();
  /** Replicas that a disk should have. */
  private readonly shares = new Map<number, number>();
  private readonly loads = new Map<number, number>();
  private readonly pairs = new Map<string, number>();
  private readonly domains: number;
  /** Sum over all pairs of disks of the square of what they share. */
  cost = 0;

  constructor(disks: readonly PlacedDisk[], replicas: number) {
    const total = disks.reduce((sum, { weight }) => sum + weight, 0);
    for (const disk of disks) {
      assert(disk.weight > 0 && !this.disks.has(disk.id), `disk ${disk.id}: weight or id`);
      this.disks.set(disk.id, disk);
      this.shares.set(disk.id, (replicas * disk.weight) / total);
      this.loads.set(disk.id, 0);
    }
    this.domains = new Set(disks.map(({ domain }) => domain)).size;
  }

  has(disk: number): boolean {
    return this.disks.has(disk);
  }

  load(disk: number): number {
    return this.loads.get(disk) ?? 0;
  }

  /** Replicas above the disk's share. */
  surplus(disk: number): number {
    return this.load(disk) - (this.shares.get(disk) ?? 0);
  }

  shared(a: number, b: number): number {
    return this.pairs.get(pairKey(a, b)) ?? 0;
  }

  sharedWith(disk: number, members: readonly number[]): number {
    return members.reduce((sum, member) => sum + this.shared(disk, member), 0);
  }

  addChain(members: readonly number[]): void {
    for (const [at, disk] of members.entries()) this.add(disk, members.slice(0, at));
  }

  /** `disk` joins a chain that has `members`. */
  add(disk: number, members: readonly number[]): void {
    this.loads.set(disk, this.load(disk) + 1);
    for (const member of members) this.share(disk, member, 1);
  }

  /** `disk` leaves a chain whose other members are `members`. */
  remove(disk: number, members: readonly number[]): void {
    this.loads.set(disk, this.load(disk) - 1);
    for (const member of members) this.share(disk, member, -1);
  }

  private share(a: number, b: number, change: number): void {
    const before = this.shared(a, b);
    this.pairs.set(pairKey(a, b), before + change);
    this.cost += (before + change) ** 2 - before ** 2;
  }

  emptiest(): number {
    return [...this.disks.keys()].reduce((a, b) => (this.surplus(b) < this.surplus(a) ? b : a));
  }

  /** Whether `disk` may stand beside `members`: in a domain of its own while there are enough, and in any case in no
   *  fuller one than that of `instead`, whose place it takes. */
  fits(disk: number, members: readonly number[], instead?: number): boolean {
    const mine = this.crowd(disk, members);
    return mine === 0 || (instead !== undefined && mine <= this.crowd(instead, members));
  }

  /** Members in the domain of `disk`. */
  private crowd(disk: number, members: readonly number[]): number {
    const domain = this.disks.get(disk)?.domain;
    return members.filter((member) => this.disks.get(member)?.domain === domain).length;
  }

  /** The disk that a chain of `members` takes next: least crowded domain, then furthest below its share, then
   *  fewest chains shared; equals at random. */
  best(members: readonly number[], random: Prng): number {
    let best: { disk: number; rank: readonly number[] } | undefined;
    for (const disk of this.disks.keys()) {
      if (members.includes(disk)) continue;
      const rank = [
        this.crowd(disk, members),
        Math.round(this.surplus(disk)),
        this.sharedWith(disk, members),
        random.unit(),
      ];
      if (best === undefined || isLower(rank, best.rank)) best = { disk, rank };
    }
    assert(best !== undefined, 'fewer disks than replicas');
    return best.disk;
  }

  /** Largest and mean number of chains that a pair in different domains shares. */
  spread(): { readonly most: number; readonly mean: number } {
    const ids = [...this.disks.keys()];
    let [most, sum, count] = [0, 0, 0];
    for (const [at, a] of ids.entries()) {
      for (const b of ids.slice(at + 1)) {
        if (this.domains > 1 && this.disks.get(a)?.domain === this.disks.get(b)?.domain) continue;
        most = Math.max(most, this.shared(a, b));
        sum += this.shared(a, b);
        count++;
      }
    }
    return { most, mean: count === 0 ? 0 : sum / count };
  }
}

function pairKey(a: number, b: number): string {
  return a < b ? `${a},${b}` : `${b},${a}`;
}

function isLower(a: readonly number[], b: readonly number[]): boolean {
  for (const [at, rank] of a.entries()) {
    const other = b[at] as number;
    if (rank !== other) return rank < other;
  }
  return false;
}
