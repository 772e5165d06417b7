// What a request claims about its sender: nothing (anonymous), an Authorization header, or a presigned
// query. Checks everything that needs neither clock nor secret key; verify-signature.ts does the rest, so
// that the gateway looks the access key up in between. Authentication comes before anything is read from
// the body, for every route and every payload mode. Pure.

import { err, ok, type Result } from '../../core/base/result.ts';
import { parseHeaderAuthorization } from './authorization-header.ts';
import { hasQueryAuthorization, parseQueryAuthorization } from './authorization-query.ts';
import type { SignedRequest } from './credential.ts';
import { S3Error } from './errors.ts';
import {
  hasSignedChunks,
  parsePayloadMode,
  payloadMarkers,
  type PayloadMode,
} from './payload-mode.ts';
import type { RawRequest } from './raw-request.ts';

export interface AnonymousRequest {
  readonly kind: 'anonymous';
  readonly payload: PayloadMode;
}

export type ParsedAuthorization = AnonymousRequest | SignedRequest;

/**
 * @returns the claim, or AuthorizationHeaderMalformed, AuthorizationQueryParametersError, AccessDenied (no
 * valid date; headers not signed), InvalidArgument (scheme, payload mode, two authorizations at once) or
 * InvalidRequest (Signature Version 2; no payload hash).
 */
export function parseAuthorization(request: RawRequest): Result<ParsedAuthorization, S3Error> {
  const header = request.header('authorization') ?? '';
  const inQuery = hasQueryAuthorization(request);
  if (header !== '' && inQuery) {
    const message =
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified';
    return err(new S3Error('InvalidArgument', message, { ArgumentName: 'Authorization' }));
  }
  if (inQuery) return parseQueryAuthorization(request);
  return header === '' ? parseAnonymous(request) : parseHeaderAuthorization(request, header);
}

function parseAnonymous(request: RawRequest): Result<AnonymousRequest, S3Error> {
  const stated = request.header('x-amz-content-sha256');
  if (stated === undefined) return ok({ kind: 'anonymous', payload: { kind: 'none' } });
  const payload = parsePayloadMode(stated);
  if (!payload.ok) return payload;
  if (hasSignedChunks(payload.value)) {
    const { unsigned, 'unsigned-trailer': trailer } = payloadMarkers;
    const message = `Anonymous requests don't support this x-amz-content-sha256 value. Please use ${unsigned} or ${trailer}.`;
    return err(new S3Error('InvalidRequest', message));
  }
  return ok({ kind: 'anonymous', payload: payload.value });
}
