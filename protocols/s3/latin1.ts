// Latin1 strings as bytes: header values and request targets reach us as one character a byte.

import { Buffer } from 'node:buffer';

// oxlint-disable-next-line no-control-regex -- ASCII is what is asked
const ascii = /^[\u0000-\u007f]*$/;

/** What to hash for a latin1 string: ASCII as it is (native code is fastest on it), other text as bytes. */
export function asLatin1Bytes(text: string): string | Buffer {
  return ascii.test(text) ? text : Buffer.from(text, 'latin1');
}
