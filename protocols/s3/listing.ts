// Query parameters of the listing calls, the encoding of names in their answers, and continuation tokens.

import { crc32c } from '../../core/base/crc32c.ts';
import { limits } from '../../core/base/limits.ts';
import { type S3Error, invalidArgument } from './errors.ts';

/** The part of RawRequest that listings look at. */
export interface QuerySource {
  /** First value of a query name. */
  queryFirst(name: string): string | undefined;
}

export interface ListParameters {
  readonly prefix: string;
  /** '' for none. */
  readonly delimiter: string;
  readonly maxKeys: number;
  readonly urlEncoding: boolean;
}

const countMax = 2 ** 31 - 1;

/** @throws S3Error InvalidArgument */
export function listParameters(query: QuerySource, maxName = 'max-keys'): ListParameters {
  const delimiter = query.queryFirst('delimiter') ?? '';
  const encoding = query.queryFirst('encoding-type') ?? '';
  if (encoding !== '' && encoding.toLowerCase() !== 'url')
    throw invalidArgument(
      'encoding-type',
      encoding,
      'Invalid Encoding Method specified in Request',
    );
  if (delimiter !== '' && query.queryFirst('allow-unordered')?.toLowerCase() === 'true') {
    throw invalidArgument(
      'allow-unordered',
      'true',
      'An unordered listing cannot be grouped by a delimiter.',
    );
  }
  return {
    prefix: query.queryFirst('prefix') ?? '',
    delimiter,
    maxKeys: countParameter(query, maxName, limits.listKeysMax),
    urlEncoding: encoding !== '',
  };
}

/** A count, at most and by default `most`. @throws S3Error InvalidArgument */
export function countParameter(query: QuerySource, name: string, most: number, least = 0): number {
  return parseCount(name, query.queryFirst(name), most, least);
}

/** The same for a value from anywhere, such as `x-amz-max-parts`. @throws S3Error InvalidArgument */
export function parseCount(
  name: string,
  text: string | undefined,
  most: number,
  least = 0,
): number {
  if (text === undefined || text === '') return most;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  // NaN fails both comparisons.
  if (!(value >= least && value <= countMax)) {
    throw invalidArgument(
      name,
      text,
      `Argument ${name} must be an integer between ${least} and ${countMax}`,
    );
  }
  return Math.min(value, most);
}

const plain = /^[A-Za-z0-9\-_.~/]*$/;

/** Names in answers under `encoding-type=url`: UTF-8 bytes percent-encoded, but for unreserved ones and `/`. */
export function urlEncode(text: string): string {
  if (plain.test(text)) return text;
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

// A token is base64url of: version byte, bytes to continue after, CRC32C of both. The checksum tells a token of
// ours from anything else; it is no secret and needs none, since the bytes could be given as `start-after`.
const tokenVersion = 1;
const tokenBytesMax = limits.objectKeyBytesMax + 5;

export function encodeToken(after: Uint8Array): string {
  const bytes = Buffer.allocUnsafe(after.length + 5);
  bytes[0] = tokenVersion;
  bytes.set(after, 1);
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, -4)), after.length + 1);
  return bytes.toString('base64url');
}

/** @throws S3Error InvalidArgument for what `encodeToken` did not make */
export function decodeToken(token: string): Uint8Array {
  const bytes = Buffer.from(token, 'base64url');
  if (
    bytes.length < 5 ||
    bytes.length > tokenBytesMax ||
    bytes[0] !== tokenVersion ||
    bytes.readUInt32BE(bytes.length - 4) !== crc32c(bytes.subarray(0, -4)) ||
    bytes.toString('base64url') !== token
  )
    throw invalidToken(token);
  return bytes.subarray(1, -4);
}

function invalidToken(token: string): S3Error {
  return invalidArgument(
    'continuation-token',
    token,
    'The continuation token provided is incorrect',
  );
}
