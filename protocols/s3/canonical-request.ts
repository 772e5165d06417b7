// The canonical request and string to sign of Signature Version 4 for S3 ("Authenticating Requests", AWS
// S3 API reference): what both sides hash. S3 differs from other services: the path is encoded once and
// never normalised. Everything here is a latin1 string, one character a byte.

import { hash } from 'node:crypto';
import { latin1Bytes } from './latin1.ts';
import { decodeEscapes, type QueryPair, type RawRequest } from './raw-request.ts';

export const algorithm = 'AWS4-HMAC-SHA256';

/** AWS's UriEncode: everything but unreserved characters (RFC 3986), upper-case hex. */
export function uriEncode(text: string): string {
  if (unreserved.test(text)) return text;
  return encodeURIComponent(text).replace(/[!'()*]/g, encodeMark);
}

const unreserved = /^[A-Za-z0-9\-._~]*$/;

function encodeMark(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** UriEncode of a path: slashes stay. */
export function uriEncodePath(path: string): string {
  return uriEncode(path).replaceAll('%2F', '/');
}

const plainPath = /^[A-Za-z0-9\-._~/]*$/;

/** The canonical URI of a raw path: decoded once, encoded once. The path must decode. */
export function canonicalUri(rawPath: string): string {
  if (plainPath.test(rawPath)) return rawPath;
  return uriEncodePath(decodeEscapes(rawPath) as string);
}

/** Pairs encoded, sorted by name and then by value (both encoded); a name without value gets its `=`. */
export function canonicalQuery(pairs: readonly QueryPair[]): string {
  if (pairs.length === 0) return '';
  return pairs
    .map((pair): readonly [string, string] => [uriEncode(pair.name), uriEncode(pair.value)])
    .toSorted((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

// Encoded text is ASCII, so that UTF-16 order is byte order.
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `name:value` lines of the signed headers: trimmed, inner blanks collapsed, repeats joined by `,`. */
export function canonicalHeaders(request: RawRequest, signedHeaders: readonly string[]): string {
  let lines = '';
  for (const name of signedHeaders) {
    const values = request.headerValues(name);
    const [only = ''] = values;
    const text = values.length > 1 ? values.map(collapseBlanks).join(',') : collapseBlanks(only);
    lines += `${name}:${text}\n`;
  }
  return lines;
}

// Only blank and tab: JavaScript's \s and trim() would eat byte 0xa0, the end of UTF-8 `à`.
const blanks = /[ \t]+/g;
const outerBlanks = /^[ \t]+|[ \t]+$/g;
const uneven = /^ | $| {2}|\t/;

function collapseBlanks(value: string): string {
  return uneven.test(value) ? value.replace(outerBlanks, '').replace(blanks, ' ') : value;
}

export interface CanonicalParts {
  readonly method: string;
  readonly uri: string;
  readonly query: string;
  readonly headers: string;
  readonly signedHeaders: readonly string[];
  /** The value of x-amz-content-sha256, whatever its kind. */
  readonly payloadHash: string;
}

export function canonicalRequest(parts: CanonicalParts): string {
  const { method, uri, query, headers, signedHeaders, payloadHash } = parts;
  return `${method}\n${uri}\n${query}\n${headers}\n${signedHeaders.join(';')}\n${payloadHash}`;
}

export interface CredentialScope {
  /** yyyyMMdd */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export function scopeText(scope: CredentialScope): string {
  return `${scope.date}/${scope.region}/${scope.service}/aws4_request`;
}

/** @param amzDate yyyyMMdd'T'HHmmss'Z' */
export function stringToSign(amzDate: string, scope: CredentialScope, canonical: string): string {
  const digest = hash('sha256', latin1Bytes(canonical), 'hex');
  return `${algorithm}\n${amzDate}\n${scopeText(scope)}\n${digest}`;
}
