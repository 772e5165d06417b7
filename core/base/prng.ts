// Seeded pseudo-random numbers (xoshiro128**, Blackman and Vigna) for the simulator, property tests and
// shuffles that are part of a format. Never for secrets: those come from Rng of core/env/node.

import { assert } from './assert.ts';

export class Prng {
  private readonly state = new Uint32Array(4);

  constructor(seed: number | string) {
    // splitmix32 over a hash of the seed: no seed gives the all-zero state.
    let mixed = typeof seed === 'number' ? seed >>> 0 : fnv1a(seed);
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let word = mixed;
      word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
      word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
      this.state[i] = (word ^ (word >>> 16)) >>> 0;
    }
  }

  /** A child generator named `name`: adding an actor does not shift the numbers of the others. */
  fork(name: string): Prng {
    return new Prng(`${this.state.join(',')}/${name}`);
  }

  u32(): number {
    const s = this.state;
    const [s0, s1, s2, s3] = [s[0] as number, s[1] as number, s[2] as number, s[3] as number];
    const scrambled = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
    s[2] = s2 ^ s0;
    s[3] = s3 ^ s1;
    s[1] = s1 ^ (s2 ^ s0);
    s[0] = s0 ^ (s3 ^ s1);
    s[2] = s2 ^ s0 ^ (s1 << 9);
    s[3] = rotate(s3 ^ s1, 11);
    return scrambled;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return (this.u32() * 0x200000 + (this.u32() >>> 11)) / 2 ** 53;
  }

  /** Uniform whole number in [0, below). */
  below(below: number): number {
    assert(below > 0, 'Prng.below needs a positive bound');
    return Math.floor(this.unit() * below);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  fill(into: Uint8Array): void {
    let at = 0;
    while (at < into.length) {
      let word = this.u32();
      for (let i = 0; i < 4 && at < into.length; i++, word >>>= 8) into[at++] = word & 0xff;
    }
  }
}

function rotate(word: number, bits: number): number {
  return ((word << bits) | (word >>> (32 - bits))) >>> 0;
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
