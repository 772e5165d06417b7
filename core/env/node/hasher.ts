// Hasher on node:crypto.

import { createHash } from 'node:crypto';
import type { HashName, Hasher } from '../hasher.ts';

const algorithmOf: Readonly<Record<HashName, string>> = {
  MD5: 'md5',
  SHA1: 'sha1',
  SHA256: 'sha256',
};

export const nodeHasher: Hasher = {
  digest(hash, parts) {
    const state = createHash(algorithmOf[hash]);
    for (const part of parts) state.update(part);
    return state.digest();
  },
};
