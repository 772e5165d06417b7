// Seeded bytes in place of entropy.

import { Prng } from '../../core/base/prng.ts';
import type { Rng } from '../../core/env/rng.ts';

export function simRng(seed: number | string): Rng {
  const prng = new Prng(seed);
  return {
    bytes(count) {
      const bytes = new Uint8Array(count);
      // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill, not Array.fill
      prng.fill(bytes);
      return bytes;
    },
  };
}
