// What names and keys of identities may look like, and how new ones are made. Pure but for the Rng.

import { Buffer } from 'node:buffer';
import { CoreError } from '../../base/errors.ts';
import type { Rng } from '../../env/rng.ts';

// Letters and digits only: safe in shells, URLs and credential scopes without quoting.
const upperDigits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const lettersDigits = `${upperDigits}abcdefghijklmnopqrstuvwxyz`;

interface Rule {
  readonly pattern: RegExp;
  readonly meaning: string;
}

export const rules = {
  /** IAM's rule for user names (UserName of CreateUser). */
  name: { pattern: /^[\w+=,.@-]{1,64}$/, meaning: '1 to 64 letters, digits or _+=,.@-' },
  displayName: { pattern: /^[^\p{Cc}\p{Cs}]{1,128}$/u, meaning: '1 to 128 printable characters' },
  /** No `/`, `,` or `=`: it stands in the credential scope of signatures. */
  accessKey: { pattern: /^[\w.-]{3,128}$/, meaning: '3 to 128 letters, digits or _.-' },
  secretKey: { pattern: /^[\x21-\x7e]{8,128}$/, meaning: '8 to 128 visible ASCII characters' },
  id: { pattern: /^[0-9a-f]{64}$/, meaning: '64 lower-case hex digits' },
} as const satisfies Record<string, Rule>;

/** The value again. @throws CoreError INVALID_ARGUMENT; the message never shows a secret. */
export function checked(field: keyof typeof rules, value: string): string {
  const { pattern, meaning } = rules[field];
  if (pattern.test(value)) return value;
  throw new CoreError('INVALID_ARGUMENT', `the ${field} of an identity has ${meaning}`);
}

export function newAccessKey(rng: Rng): string {
  return randomText(rng, upperDigits, 20);
}

export function newSecretKey(rng: Rng): string {
  return randomText(rng, lettersDigits, 40);
}

export function newId(rng: Rng): string {
  return Buffer.from(rng.bytes(32)).toString('hex');
}

/** Every character equally likely: bytes that would favour the first ones are drawn again. */
function randomText(rng: Rng, alphabet: string, length: number): string {
  const fair = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < length) {
    for (const byte of rng.bytes(length)) {
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
