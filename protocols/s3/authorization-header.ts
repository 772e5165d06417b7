// Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
// ("Authenticating Requests: Using the Authorization Header", AWS S3 API reference.)

import { err, ok, type Result } from '../../core/base/result.ts';
import { formatAmzDate, parseAmzDate } from './amz-date.ts';
import { algorithm } from './canonical-request.ts';
import {
  checkSigned,
  type Credential,
  parseCredential,
  parseSignedHeaders,
  signatureV2Refused,
  type SignedRequest,
} from './credential.ts';
import { S3Error } from './errors.ts';
import { parseHttpDate } from './http-date.ts';
import { parsePayloadMode } from './payload-mode.ts';
import type { RawRequest } from './raw-request.ts';

function malformed(detail: string): S3Error {
  const message = `The authorization header is malformed; ${detail}`;
  return new S3Error('AuthorizationHeaderMalformed', message);
}

/** @param header value of Authorization, not empty. */
export function parseHeaderAuthorization(
  request: RawRequest,
  header: string,
): Result<SignedRequest, S3Error> {
  const claim = parseClaim(header);
  if (!claim.ok) return claim;
  const { credential, signedHeaders, signature } = claim.value;
  const date = requestDate(request);
  if (date === undefined) {
    const message = 'AWS authentication requires a valid Date or x-amz-date header.';
    return err(new S3Error('AccessDenied', message));
  }
  if (!date.amzDate.startsWith(credential.scope.date)) {
    return err(malformed('Invalid credential date. Date is not the same as X-Amz-Date.'));
  }
  const unsigned = checkSigned(request, signedHeaders);
  if (unsigned !== undefined) return err(unsigned);
  const payloadHash = request.header('x-amz-content-sha256');
  if (payloadHash === undefined) {
    const message = 'Missing required header for this request: x-amz-content-sha256';
    return err(new S3Error('InvalidRequest', message));
  }
  const payload = parsePayloadMode(payloadHash);
  if (!payload.ok) return payload;
  return ok({
    kind: 'header',
    accessKey: credential.accessKey,
    scope: credential.scope,
    signedHeaders,
    signature,
    amzDate: date.amzDate,
    signedAtMs: date.signedAtMs,
    expiresSeconds: undefined,
    sessionToken: request.header('x-amz-security-token'),
    payload: payload.value,
    payloadHash,
  });
}

/** x-amz-date; without it Date, in either form. */
function requestDate(request: RawRequest): { amzDate: string; signedAtMs: number } | undefined {
  const amzDate = request.header('x-amz-date') ?? request.header('date') ?? '';
  const signedAtMs = parseAmzDate(amzDate);
  if (signedAtMs !== undefined) return { amzDate, signedAtMs };
  if (request.header('x-amz-date') !== undefined) return undefined;
  const dateMs = parseHttpDate(amzDate);
  return dateMs === undefined ? undefined : { amzDate: formatAmzDate(dateMs), signedAtMs: dateMs };
}

interface Claim {
  readonly credential: Credential;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

const signatureName = 'Signature=';
/** The claim that was parsed last, and its text up to the signature: a client says the same with every request. */
let last: { readonly text: string; readonly claim: Claim } | undefined;

function parseClaim(header: string): Result<Claim, S3Error> {
  const at = header.lastIndexOf(signatureName) + signatureName.length;
  const signature = header.slice(at);
  // A comma begins another component.
  if (last !== undefined && header.startsWith(last.text) && at === last.text.length)
    if (!signature.includes(',')) return ok({ ...last.claim, signature: signature.trim() });
  const components = splitComponents(header);
  if (!components.ok) return components;
  const credential = parseCredential(components.value.credential, malformed);
  if (!credential.ok) return credential;
  const signedHeaders = parseSignedHeaders(components.value.signedHeaders, malformed);
  if (!signedHeaders.ok) return signedHeaders;
  const claim = {
    credential: credential.value,
    signedHeaders: signedHeaders.value,
    signature: components.value.signature,
  };
  if (claim.signature === signature.trim()) last = { text: header.slice(0, at), claim };
  return ok(claim);
}

const oneSpace = "one and only one ' ' (space) required.";

interface Components {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
}

function splitComponents(header: string): Result<Components, S3Error> {
  const at = header.indexOf(' ');
  const scheme = at < 0 ? header : header.slice(0, at);
  if (scheme === 'AWS') return err(signatureV2Refused());
  if (at < 0) return err(invalidArgument(header, `Authorization header is invalid -- ${oneSpace}`));
  if (scheme !== algorithm) return err(invalidArgument(scheme, 'Unsupported Authorization Type'));
  const pieces = header.slice(at + 1).split(',');
  if (pieces.length !== 3) {
    const needed = 'the authorization header requires three components:';
    return err(malformed(`${needed} Credential, SignedHeaders, and Signature.`));
  }
  let credential: string | undefined;
  let signedHeaders: string | undefined;
  let signature: string | undefined;
  for (const piece of pieces) {
    const component = piece.trim();
    if (!component.includes('='))
      return err(malformed(`the authorization component "${component}" is malformed.`));
    credential = valueOf(component, 'Credential=') ?? credential;
    signedHeaders = valueOf(component, 'SignedHeaders=') ?? signedHeaders;
    signature = valueOf(component, 'Signature=') ?? signature;
  }
  if (credential === undefined) return err(malformed('missing Credential.'));
  if (signedHeaders === undefined) return err(malformed('missing SignedHeaders.'));
  if (signature === undefined) return err(malformed('missing Signature.'));
  return ok({ credential, signedHeaders, signature });
}

const valueOf = (component: string, prefix: string): string | undefined =>
  component.startsWith(prefix) ? component.slice(prefix.length) : undefined;

function invalidArgument(value: string, message: string): S3Error {
  const fields = { ArgumentName: 'Authorization', ArgumentValue: value };
  return new S3Error('InvalidArgument', message, fields);
}
