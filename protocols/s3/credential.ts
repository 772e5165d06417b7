// What header and query authorization share: the parsed claim, the credential and the list of signed
// headers. The two report the same faults under different codes, hence the `Malformed` parameter.

import { err, ok, type Result } from '../../core/base/result.ts';
import type { CredentialScope } from './canonical-request.ts';
import { S3Error } from './errors.ts';
import { s3Limits } from './limits.ts';
import type { PayloadMode } from './payload-mode.ts';
import type { RawRequest } from './raw-request.ts';

/** The claim of a signed request; nothing in it is proven until `verifySignature`. */
export interface SignedRequest {
  readonly kind: 'header' | 'query';
  readonly accessKey: string;
  readonly scope: CredentialScope;
  /** Lower-case names in the order of the claim. */
  readonly signedHeaders: readonly string[];
  /** As sent. */
  readonly signature: string;
  /** yyyyMMdd'T'HHmmss'Z', and the same in milliseconds. */
  readonly amzDate: string;
  readonly signedAtMs: number;
  /** Life of a presigned request; undefined for a header. */
  readonly expiresSeconds: number | undefined;
  /** Comes with temporary credentials; whoever issued those must check it. */
  readonly sessionToken: string | undefined;
  readonly payload: PayloadMode;
  /** The payload line of the canonical request, as sent. */
  readonly payloadHash: string;
}

/** Makes the error for a malformed claim of one kind. */
export type Malformed = (detail: string, fields?: Record<string, string>) => S3Error;

/** Signature Version 2 (header `AWS …`, query `AWSAccessKeyId`): SHA-1, no region, no day; never accepted. */
export function signatureV2Refused(): S3Error {
  const message =
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256 (in boto3 for presigned URLs: Config(signature_version="s3v4")).';
  return new S3Error('InvalidRequest', message);
}

export interface Credential {
  readonly accessKey: string;
  readonly scope: CredentialScope;
}

/** `<access key>/yyyyMMdd/<region>/s3/aws4_request` */
export function parseCredential(text: string, malformed: Malformed): Result<Credential, S3Error> {
  const parts = text.split('/');
  const [accessKey = '', date = '', region = '', service = '', terminal = ''] = parts;
  if (parts.length !== 5 || accessKey === '' || region === '') {
    return err(
      malformed(
        'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
      ),
    );
  }
  if (service !== 's3') {
    return err(malformed(`incorrect service "${service}". This endpoint belongs to "s3".`));
  }
  if (terminal !== 'aws4_request') {
    return err(malformed(`incorrect terminal "${terminal}". This endpoint uses "aws4_request".`));
  }
  if (!/^\d{8}$/.test(date)) {
    return err(
      malformed(
        `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`,
      ),
    );
  }
  return ok({ accessKey, scope: { date, region, service } });
}

const headerNames = /^[!#$%&'*+\-.^_`|~0-9a-z]+(?:;[!#$%&'*+\-.^_`|~0-9a-z]+)*$/;

/** The list `a;b;c` of lower-case names; `checkSigned` says whether it is enough. */
export function parseSignedHeaders(
  text: string,
  malformed: Malformed,
): Result<readonly string[], S3Error> {
  const names = text.split(';');
  if (names.length > s3Limits.signedHeadersMax || !headerNames.test(text)) {
    return err(
      malformed('SignedHeaders must be a list of lower-case header names separated by ";".'),
    );
  }
  return ok(names);
}

/**
 * `host` must be signed, and every x-amz-* header of the request (else somebody on the way could add one).
 * Content-Type need not be: S3 does not ask for it, browsers and some SDKs add it unsigned.
 * @returns AccessDenied that names what is missing
 */
export function checkSigned(request: RawRequest, names: readonly string[]): S3Error | undefined {
  const missing = names.includes('host') ? [] : ['host'];
  for (const name of request.headerNames()) {
    if (name.startsWith('x-amz-') && !names.includes(name)) missing.push(name);
  }
  if (missing.length === 0) return undefined;
  const message = 'There were headers present in the request which were not signed';
  const fields = { HeadersNotSigned: missing.toSorted().join(', ') };
  return new S3Error('AccessDenied', message, fields);
}
