// Repeatable random bytes for tests.

import { Prng } from '../../../core/base/prng.ts';
import type { Rng } from '../../../core/env/rng.ts';

export function seededRng(seed: number): Rng {
  const prng = new Prng(seed);
  return {
    bytes(count) {
      const bytes = new Uint8Array(count);
      // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- not an array's fill
      prng.fill(bytes);
      return bytes;
    },
  };
}
