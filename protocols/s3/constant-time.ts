// Comparison of MACs without telling by time how far they agree.

import { Buffer } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';

/** Lengths may show, contents not. */
export function equalInConstantTime(expected: string, given: string): boolean {
  const a = Buffer.from(expected, 'latin1');
  const b = Buffer.from(given, 'latin1');
  return a.length === b.length && timingSafeEqual(a, b);
}
