// Comparing secrets without telling by time where they differ or how long they are.

import { createHash, timingSafeEqual } from 'node:crypto';

function digest(secret: Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** A lookup of who shows a secret; every entry is compared, whichever matches. */
export function secretTable<T>(
  entries: readonly (readonly [secret: Uint8Array, value: T])[],
): (shown: Uint8Array) => T | undefined {
  const digests = entries.map(([secret, value]) => [digest(secret), value] as const);
  return (shown) => {
    const wanted = digest(shown);
    let found: T | undefined;
    for (const [secret, value] of digests) if (timingSafeEqual(secret, wanted)) found = value;
    return found;
  };
}
