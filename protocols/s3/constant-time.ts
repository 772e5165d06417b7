// Comparison of MACs without telling by time how far they agree.

import { Buffer } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';

/** SHA-256 in hex: every MAC of Signature Version 4. */
const macLength = 64;
const expectedMac = Buffer.alloc(macLength);
const givenMac = Buffer.alloc(macLength);

/** Lengths may show, contents not. */
export function equalInConstantTime(expected: string, given: string): boolean {
  if (expected.length !== given.length) return false;
  if (given.length !== macLength)
    return timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(given, 'latin1'));
  expectedMac.write(expected, 'latin1');
  givenMac.write(given, 'latin1');
  return timingSafeEqual(expectedMac, givenMac);
}
