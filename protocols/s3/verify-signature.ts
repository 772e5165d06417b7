// Proves a claim: clock, region, and the signature over the request as it was sent. The only secret input
// is the secret key; MACs are compared in constant time, and an unknown access key costs the same work as
// a known one. The clock is the caller's. Rules as in authorization.ts.

import type { Buffer } from 'node:buffer';
import { err, ok, type Result } from '../../core/base/result.ts';
import {
  canonicalHeaders,
  canonicalQuery,
  canonicalRequest,
  canonicalUri,
  stringToSign,
  type CredentialScope,
} from './canonical-request.ts';
import { equalInConstantTime } from './constant-time.ts';
import type { SignedRequest } from './credential.ts';
import { S3Error } from './errors.ts';
import { s3Limits } from './limits.ts';
import type { RawRequest } from './raw-request.ts';
import { signText, type SigningKeyCache } from './signing-key.ts';

export interface VerifyOptions {
  readonly request: RawRequest;
  readonly parsed: SignedRequest;
  /** undefined: no such access key; the same work is done, then InvalidAccessKeyId. */
  readonly secretKey: string | undefined;
  readonly nowMs: number;
  /** Accepted in the credential scope; the first is named in errors. Usually the own one and us-east-1. */
  readonly regions: readonly string[];
  readonly keys: SigningKeyCache;
}

/** What signed chunks are verified with: the chain starts at the request's own signature. */
export interface ChunkSigning {
  readonly signingKey: Buffer;
  readonly scope: CredentialScope;
  readonly amzDate: string;
  readonly seedSignature: string;
}

/**
 * @returns what signed chunks need, or RequestTimeTooSkewed, AccessDenied (presigned request expired or not
 * yet valid), AuthorizationHeaderMalformed / AuthorizationQueryParametersError (region),
 * InvalidAccessKeyId, SignatureDoesNotMatch.
 */
export function verifySignature(options: VerifyOptions): Result<ChunkSigning, S3Error> {
  const { request, parsed, keys, secretKey = 'an unknown access key' } = options;
  const untimely = checkTime(parsed, options.nowMs) ?? checkRegion(parsed, options.regions);
  if (untimely !== undefined) return err(untimely);
  const { scope, amzDate } = parsed;
  const signingKey = keys.get(parsed.accessKey, secretKey, scope);
  const signs = (canonical: string): boolean =>
    equalInConstantTime(
      signText(signingKey, stringToSign(amzDate, scope, canonical)),
      parsed.signature,
    );
  const canonical = canonicalOf(request, parsed, canonicalUri(request.rawPath));
  const matches = signs(canonical) || signsSentPath(request, parsed, signs);
  if (options.secretKey === undefined) {
    return err(new S3Error('InvalidAccessKeyId', undefined, { AWSAccessKeyId: parsed.accessKey }));
  }
  if (!matches) {
    const fields = {
      AWSAccessKeyId: parsed.accessKey,
      StringToSign: stringToSign(amzDate, scope, canonical),
      SignatureProvided: parsed.signature,
      CanonicalRequest: canonical,
    };
    return err(new S3Error('SignatureDoesNotMatch', undefined, fields));
  }
  return ok({ signingKey, scope, amzDate, seedSignature: parsed.signature });
}

/** A client that escapes its path unlike AWS does may have signed the path as it was sent. Both name the same
 *  object, so that accepting either weakens nothing. */
function signsSentPath(
  request: RawRequest,
  parsed: SignedRequest,
  signs: (canonical: string) => boolean,
): boolean {
  const { rawPath } = request;
  return canonicalUri(rawPath) !== rawPath && signs(canonicalOf(request, parsed, rawPath));
}

function canonicalOf(request: RawRequest, parsed: SignedRequest, uri: string): string {
  const { signedHeaders, payloadHash } = parsed;
  const query =
    parsed.kind === 'query'
      ? request.query.filter((pair) => pair.name !== 'X-Amz-Signature')
      : request.query;
  return canonicalRequest({
    method: request.method,
    uri,
    query: canonicalQuery(query),
    headers: canonicalHeaders(request, signedHeaders),
    signedHeaders,
    payloadHash,
  });
}

function checkTime(parsed: SignedRequest, nowMs: number): S3Error | undefined {
  const skewMsMax = s3Limits.clockSkewMsMax;
  const { signedAtMs, expiresSeconds } = parsed;
  if (expiresSeconds === undefined) {
    if (Math.abs(nowMs - signedAtMs) <= skewMsMax) return undefined;
    return new S3Error('RequestTimeTooSkewed', undefined, {
      RequestTime: parsed.amzDate,
      ServerTime: isoTime(nowMs),
      MaxAllowedSkewMilliseconds: String(skewMsMax),
    });
  }
  if (signedAtMs > nowMs + skewMsMax) {
    return new S3Error('AccessDenied', 'Request is not valid yet', { ServerTime: isoTime(nowMs) });
  }
  const expiresAtMs = signedAtMs + expiresSeconds * 1000;
  if (nowMs <= expiresAtMs) return undefined;
  return new S3Error('AccessDenied', 'Request has expired', {
    'X-Amz-Expires': String(expiresSeconds),
    Expires: isoTime(expiresAtMs),
    ServerTime: isoTime(nowMs),
  });
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function checkRegion(parsed: SignedRequest, regions: readonly string[]): S3Error | undefined {
  const { region } = parsed.scope;
  if (regions.includes(region)) return undefined;
  const [expected = ''] = regions;
  const detail = `the region "${region}" is wrong; expecting "${expected}"`;
  return parsed.kind === 'query'
    ? new S3Error(
        'AuthorizationQueryParametersError',
        `Error parsing the X-Amz-Credential parameter; ${detail}`,
        { Region: expected },
      )
    : new S3Error(
        'AuthorizationHeaderMalformed',
        `The authorization header is malformed; ${detail}`,
        { Region: expected },
      );
}
