// The client's side of Signature Version 4: signs a request in its header or as a presigned URL. Used by
// the command line, benchmarks and tests; shares the canonical request with the server's side, so tests
// check both against AWS's published examples.

import { createHash } from 'node:crypto';
import { formatAmzDate } from './amz-date.ts';
import {
  algorithm,
  canonicalHeaders,
  canonicalQuery,
  canonicalRequest,
  canonicalUri,
  scopeText,
  stringToSign,
  uriEncode,
  type CredentialScope,
} from './canonical-request.ts';
import { payloadMarkers } from './payload-mode.ts';
import { parseRawTarget, type RawRequest } from './raw-request.ts';
import { deriveSigningKey, signText } from './signing-key.ts';
import type { ChunkSigning } from './verify-signature.ts';

export interface SigningIdentity {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly sessionToken?: string;
}

export interface UnsignedRequest {
  readonly method: string;
  /** Path and query as they go on the wire, escaped. */
  readonly target: string;
  /** Must have `host`; all of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** x-amz-content-sha256: a hash (`sha256Hex`) or a marker. Default: UNSIGNED-PAYLOAD. */
  readonly payloadHash?: string;
}

export interface HeaderSignature {
  /** The given headers and those that signing adds. */
  readonly headers: Record<string, string>;
  /** For a body of signed chunks. */
  readonly chunks: ChunkSigning;
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Adds x-amz-date, x-amz-content-sha256 and Authorization. */
export function signRequest(
  unsigned: UnsignedRequest,
  identity: SigningIdentity,
  nowMs: number,
): HeaderSignature {
  const amzDate = formatAmzDate(nowMs);
  const payloadHash = unsigned.payloadHash ?? payloadMarkers.unsigned;
  const headers: Record<string, string> = {
    ...unsigned.headers,
    'x-amz-date': amzDate,
    'x-amz-content-sha256': payloadHash,
    ...(identity.sessionToken === undefined
      ? {}
      : { 'x-amz-security-token': identity.sessionToken }),
  };
  const request = rawRequest(unsigned.method, unsigned.target, headers);
  const scope = scopeOf(amzDate, identity);
  const signedHeaders = [...request.headerNames()].toSorted();
  const chunks = sign(request, { identity, scope, amzDate, signedHeaders, payloadHash });
  const credential = `${identity.accessKey}/${scopeText(scope)}`;
  headers['authorization'] =
    `${algorithm} Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${chunks.seedSignature}`;
  return { headers, chunks };
}

/** @returns the target with the signature in its query; `expiresSeconds` from now. */
export function presignTarget(
  unsigned: UnsignedRequest,
  identity: SigningIdentity,
  nowMs: number,
  expiresSeconds: number,
): string {
  const amzDate = formatAmzDate(nowMs);
  const scope = scopeOf(amzDate, identity);
  const signedHeaders = Object.keys(unsigned.headers)
    .map((name) => name.toLowerCase())
    .toSorted();
  const parameters: [string, string][] = [
    ['X-Amz-Algorithm', algorithm],
    ['X-Amz-Credential', `${identity.accessKey}/${scopeText(scope)}`],
    ['X-Amz-Date', amzDate],
    ['X-Amz-Expires', String(expiresSeconds)],
    ['X-Amz-SignedHeaders', signedHeaders.join(';')],
  ];
  if (identity.sessionToken !== undefined) {
    parameters.push(['X-Amz-Security-Token', identity.sessionToken]);
  }
  if (unsigned.payloadHash !== undefined) {
    parameters.push(['X-Amz-Content-Sha256', unsigned.payloadHash]);
  }
  const added = parameters.map(([name, value]) => `${name}=${uriEncode(value)}`).join('&');
  const target = `${unsigned.target}${unsigned.target.includes('?') ? '&' : '?'}${added}`;
  const request = rawRequest(unsigned.method, target, unsigned.headers);
  const payloadHash = unsigned.payloadHash ?? payloadMarkers.unsigned;
  const claim = { identity, scope, amzDate, signedHeaders, payloadHash };
  return `${target}&X-Amz-Signature=${sign(request, claim).seedSignature}`;
}

function rawRequest(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>>,
): RawRequest {
  const parsed = parseRawTarget(method, target, Object.entries(headers).flat());
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
}

function scopeOf(amzDate: string, identity: SigningIdentity): CredentialScope {
  return { date: amzDate.slice(0, 8), region: identity.region, service: 's3' };
}

interface Claim {
  readonly identity: SigningIdentity;
  readonly scope: CredentialScope;
  readonly amzDate: string;
  readonly signedHeaders: readonly string[];
  readonly payloadHash: string;
}

function sign(request: RawRequest, claim: Claim): ChunkSigning {
  const { identity, scope, amzDate, signedHeaders, payloadHash } = claim;
  const canonical = canonicalRequest({
    method: request.method,
    uri: canonicalUri(request.rawPath),
    query: canonicalQuery(request.query),
    headers: canonicalHeaders(request, signedHeaders),
    signedHeaders,
    payloadHash,
  });
  const signingKey = deriveSigningKey(identity.secretKey, scope);
  const seedSignature = signText(signingKey, stringToSign(amzDate, scope, canonical));
  return { signingKey, scope, amzDate, seedSignature };
}
