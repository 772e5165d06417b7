// Which bucket and key a request is about: path style (`/bucket/key`), or virtual-host style (`bucket.domain`
// and `/key`) when the Host ends in a configured domain. Host wins where both could be meant. The path is the
// raw one; it is split before it is decoded, so that an escaped slash never separates.

import { S3Error } from './errors.ts';
import { checkBucketName, keyBytes } from './names.ts';
import type { Scope } from './operations.ts';

export interface Address {
  readonly scope: Scope;
  /** '' when the scope is service. */
  readonly bucket: string;
  /** '' unless the scope is object. */
  readonly key: string;
  readonly keyBytes: Uint8Array;
}

const noBytes = new Uint8Array(0);
const service: Address = { scope: 'service', bucket: '', key: '', keyBytes: noBytes };

/**
 * @param rawPath path of the request target, percent-encoded, beginning with `/`.
 * @param host the Host header, with or without a port.
 * @param domains lower-case suffixes below which a label is a bucket; may be empty.
 * @throws S3Error InvalidURI, InvalidBucketName, KeyTooLongError
 */
export function parseAddress(rawPath: string, host: string, domains: readonly string[]): Address {
  const hostBucket = domains.length === 0 ? undefined : bucketOfHost(host, domains);
  if (hostBucket !== undefined) return addressOf(hostBucket, rawPath.slice(1));
  if (rawPath === '/') return service;
  const slash = rawPath.indexOf('/', 1);
  if (slash < 0) return addressOf(decode(rawPath.slice(1)), '');
  return addressOf(decode(rawPath.slice(1, slash)), rawPath.slice(slash + 1));
}

function addressOf(bucket: string, rawKey: string): Address {
  if (bucket === '') throw new S3Error('InvalidURI');
  checkBucketName(bucket);
  if (rawKey === '') return { scope: 'bucket', bucket, key: '', keyBytes: noBytes };
  const key = decode(rawKey);
  return { scope: 'object', bucket, key, keyBytes: keyBytes(key) };
}

function bucketOfHost(host: string, domains: readonly string[]): string | undefined {
  const name = host.replace(/:\d*$/, '').toLowerCase();
  for (const domain of domains) {
    if (name.length > domain.length + 1 && name.endsWith(`.${domain}`))
      return name.slice(0, -domain.length - 1);
  }
  return undefined;
}

function decode(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error('InvalidURI');
  }
}
