// Entropy of the operating system: fit for secrets and identities.

import { randomBytes } from 'node:crypto';
import type { Rng } from '../rng.ts';

export const nodeRng: Rng = {
  bytes: (count) => randomBytes(count),
};
