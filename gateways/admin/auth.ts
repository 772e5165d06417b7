// Who may use the operator's part of the admin API. Compares digests in constant time, so that neither
// content nor length of a secret shows in the time of a refusal.

import { createHash, timingSafeEqual } from 'node:crypto';

export interface OperatorKeys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** A check of an Authorization header: `Bearer TOKEN`, or `Basic` with the root's keys. */
export function operatorCheck(
  token: string,
  root: OperatorKeys,
): (authorization: string | undefined) => boolean {
  const bearer = digest(token);
  const basic = digest(`${root.accessKey}:${root.secretKey}`);
  return (authorization) => {
    const [scheme = '', value = ''] = (authorization ?? '').split(' ', 2);
    switch (scheme.toLowerCase()) {
      case 'bearer':
        return timingSafeEqual(digest(value), bearer);
      case 'basic':
        return timingSafeEqual(digest(Buffer.from(value, 'base64')), basic);
      default:
        return false;
    }
  };
}

function digest(value: string | Buffer): Buffer {
  return createHash('sha256').update(value).digest();
}
