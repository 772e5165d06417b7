// Signing keys of Signature Version 4: four HMACs from the secret key, the same all day for one access
// key, region and service. The cache makes verification one HMAC; it is bounded, and an entry serves only
// the secret key that it was derived from, so that a replaced secret never verifies with the old key.

import { Buffer } from 'node:buffer';
import { createHmac, hash } from 'node:crypto';
import { scopeText, type CredentialScope } from './canonical-request.ts';
import { s3Limits } from './limits.ts';

export function deriveSigningKey(secretKey: string, scope: CredentialScope): Buffer {
  const dateKey = hmac(`AWS4${secretKey}`, scope.date);
  const regionKey = hmac(dateKey, scope.region);
  const serviceKey = hmac(regionKey, scope.service);
  return hmac(serviceKey, 'aws4_request');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

const blockBytes = 64;
const digestBytes = 32;
/** Strings to sign have about 200 characters: a region makes one longer. */
const shortTextMax = 1024;
/** What the two hashes of an HMAC go over: a block of the key, then the text or the inner digest. */
const inner = Buffer.alloc(blockBytes + shortTextMax);
const outer = Buffer.alloc(blockBytes + digestBytes);

/** Signature in lower-case hex of an ASCII string to sign: HMAC by its definition (RFC 2104), which takes half
 *  the time of the object that node:crypto makes for one. @param signingKey at most a block */
export function signText(signingKey: Buffer, text: string): string {
  if (text.length > shortTextMax)
    return createHmac('sha256', signingKey).update(text, 'latin1').digest('hex');
  for (let at = 0; at < blockBytes; at++) {
    const byte = signingKey[at] ?? 0;
    inner[at] = byte ^ 0x36;
    outer[at] = byte ^ 0x5c;
  }
  inner.write(text, blockBytes, 'latin1');
  outer.write(
    hash('sha256', inner.subarray(0, blockBytes + text.length), 'hex'),
    blockBytes,
    'hex',
  );
  return hash('sha256', outer, 'hex');
}

interface CachedKey {
  readonly accessKey: string;
  readonly scope: CredentialScope;
  readonly secretKey: string;
  readonly signingKey: Buffer;
}

/** Least recently used keys leave first. */
export class SigningKeyCache {
  private readonly keys = new Map<string, CachedKey>();
  private readonly keysMax: number;
  /** The newest in `keys`: requests come in runs of one client's. */
  private last: CachedKey | undefined;

  constructor(keysMax: number = s3Limits.signingKeysMax) {
    this.keysMax = keysMax;
  }

  get(accessKey: string, secretKey: string, scope: CredentialScope): Buffer {
    const { last } = this;
    if (last !== undefined && isFor(last, accessKey, secretKey, scope)) return last.signingKey;
    const name = `${accessKey}/${scopeText(scope)}`;
    const known = this.keys.get(name);
    const cached =
      known?.secretKey === secretKey
        ? known
        : { accessKey, scope, secretKey, signingKey: deriveSigningKey(secretKey, scope) };
    this.keys.delete(name);
    this.keys.set(name, cached);
    this.last = cached;
    if (this.keys.size > this.keysMax) {
      const oldest = this.keys.keys().next();
      if (oldest.done !== true) this.keys.delete(oldest.value);
    }
    return cached.signingKey;
  }

  get size(): number {
    return this.keys.size;
  }
}

function isFor(
  cached: CachedKey,
  accessKey: string,
  secretKey: string,
  { date, region, service }: CredentialScope,
): boolean {
  const { scope } = cached;
  return (
    cached.accessKey === accessKey &&
    cached.secretKey === secretKey &&
    scope.date === date &&
    scope.region === region &&
    scope.service === service
  );
}
