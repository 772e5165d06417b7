// Randomness as a dependency: real entropy in core/env/node, a seeded Prng in test/sim.

export interface Rng {
  /** Fresh random bytes, fit for secrets and identities. */
  bytes(count: number): Uint8Array;
}
