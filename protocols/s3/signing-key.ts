// Signing keys of Signature Version 4: four HMACs from the secret key, the same all day for one access
// key, region and service. The cache makes verification one HMAC; it is bounded, and an entry serves only
// the secret key that it was derived from, so that a replaced secret never verifies with the old key.

import { createHmac } from 'node:crypto';
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

/** Signature in lower-case hex of an ASCII string to sign. */
export function signText(signingKey: Buffer, text: string): string {
  return createHmac('sha256', signingKey).update(text).digest('hex');
}

interface CachedKey {
  readonly secretKey: string;
  readonly signingKey: Buffer;
}

/** Least recently used keys leave first. */
export class SigningKeyCache {
  private readonly keys = new Map<string, CachedKey>();
  private readonly keysMax: number;

  constructor(keysMax: number = s3Limits.signingKeysMax) {
    this.keysMax = keysMax;
  }

  get(accessKey: string, secretKey: string, scope: CredentialScope): Buffer {
    const name = `${accessKey}/${scopeText(scope)}`;
    const known = this.keys.get(name);
    const cached =
      known?.secretKey === secretKey
        ? known
        : { secretKey, signingKey: deriveSigningKey(secretKey, scope) };
    this.keys.delete(name);
    this.keys.set(name, cached);
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
