// Presigned requests: the claim in X-Amz-* query parameters.
// ("Authenticating Requests: Using Query Parameters", AWS S3 API reference.)

import { err, ok, type Result } from '../../core/base/result.ts';
import { parseAmzDate } from './amz-date.ts';
import { algorithm } from './canonical-request.ts';
import {
  checkSigned,
  parseCredential,
  parseSignedHeaders,
  signatureV2Refused,
  type SignedRequest,
} from './credential.ts';
import { S3Error } from './errors.ts';
import { s3Limits } from './limits.ts';
import { parsePayloadMode, payloadMarkers, type PayloadMode } from './payload-mode.ts';
import type { RawRequest } from './raw-request.ts';

function malformed(detail: string): S3Error {
  return new S3Error('AuthorizationQueryParametersError', detail);
}

function malformedCredential(detail: string): S3Error {
  return malformed(`Error parsing the X-Amz-Credential parameter; ${detail}`);
}

const required = {
  algorithm: 'X-Amz-Algorithm',
  credential: 'X-Amz-Credential',
  signature: 'X-Amz-Signature',
  date: 'X-Amz-Date',
  signedHeaders: 'X-Amz-SignedHeaders',
  expires: 'X-Amz-Expires',
} as const;

type Parameters = Record<keyof typeof required, string>;

/** Whether the query claims a sender, in Signature Version 4 or 2. */
export function hasQueryAuthorization(request: RawRequest): boolean {
  return request.query.some(
    ({ name }) =>
      name === required.algorithm ||
      name === required.credential ||
      name === required.signature ||
      name === 'AWSAccessKeyId',
  );
}

export function parseQueryAuthorization(request: RawRequest): Result<SignedRequest, S3Error> {
  if (request.hasQuery('AWSAccessKeyId')) return err(signatureV2Refused());
  const parameters = requiredParameters(request);
  if (!parameters.ok) return parameters;
  const { algorithm: stated, credential: text, date, expires, signature } = parameters.value;
  if (stated !== algorithm) {
    return err(malformed(`X-Amz-Algorithm only supports "${algorithm}"`));
  }
  const credential = parseCredential(text, malformedCredential);
  if (!credential.ok) return credential;
  const signedAtMs = parseAmzDate(date);
  if (signedAtMs === undefined) {
    const form = `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`;
    return err(malformed(form));
  }
  const { scope } = credential.value;
  if (!date.startsWith(scope.date)) {
    const day = date.slice(0, 8);
    return err(
      malformed(
        `Invalid credential date "${scope.date}". This date is not the same as X-Amz-Date: "${day}".`,
      ),
    );
  }
  const expiresSeconds = parseExpires(expires);
  if (!expiresSeconds.ok) return expiresSeconds;
  const signedHeaders = parseSignedHeaders(parameters.value.signedHeaders, malformed);
  if (!signedHeaders.ok) return signedHeaders;
  const unsigned = checkSigned(request, signedHeaders.value);
  if (unsigned !== undefined) return err(unsigned);
  const payload = parseQueryPayload(request);
  if (!payload.ok) return payload;
  return ok({
    kind: 'query',
    ...credential.value,
    signedHeaders: signedHeaders.value,
    signature,
    amzDate: date,
    signedAtMs,
    expiresSeconds: expiresSeconds.value,
    sessionToken:
      request.queryFirst('X-Amz-Security-Token') ?? request.header('x-amz-security-token'),
    ...payload.value,
  });
}

function requiredParameters(request: RawRequest): Result<Parameters, S3Error> {
  const found: Partial<Parameters> = {};
  for (const key of Object.keys(required) as (keyof Parameters)[]) {
    const [value, again] = request.queryAll(required[key]);
    if (again !== undefined) return err(malformed(`${required[key]} must be given only once.`));
    if (value === undefined || value === '') {
      return err(
        malformed(
          'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
        ),
      );
    }
    found[key] = value;
  }
  return ok(found as Parameters);
}

/** Outside of 1…604800 the request is not authorized: the public conformance suite pins the 403. */
function parseExpires(text: string): Result<number, S3Error> {
  if (!/^[+-]?\d{1,15}$/.test(text)) return err(malformed('X-Amz-Expires should be a number'));
  const seconds = Number(text);
  if (seconds < 1) return err(new S3Error('AccessDenied', 'Request has expired'));
  const max = s3Limits.presignedSecondsMax;
  if (seconds > max) {
    const message = `X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than ${max} seconds`;
    return err(new S3Error('AccessDenied', message));
  }
  return ok(seconds);
}

/** The payload is unsigned unless the query or a (signed) header states it. */
function parseQueryPayload(
  request: RawRequest,
): Result<{ payload: PayloadMode; payloadHash: string }, S3Error> {
  const payloadHash =
    request.queryFirst('X-Amz-Content-Sha256') ??
    request.queryFirst('X-Amz-Content-SHA256') ??
    request.header('x-amz-content-sha256');
  if (payloadHash === undefined) {
    return ok({ payload: { kind: 'none' }, payloadHash: payloadMarkers.unsigned });
  }
  const payload = parsePayloadMode(payloadHash);
  return payload.ok ? ok({ payload: payload.value, payloadHash }) : payload;
}
