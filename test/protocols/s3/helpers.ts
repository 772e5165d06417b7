// Shared by the S3 codec tests: requests as a server sees them, the identity of AWS's published examples,
// and bodies framed by the client's side.

import assert from 'node:assert/strict';
import type { Result } from '../../../core/base/result.ts';
import { S3Error, type S3ErrorCode } from '../../../protocols/s3/errors.ts';
import { parseRawTarget, type RawRequest } from '../../../protocols/s3/raw-request.ts';
import type { SigningIdentity } from '../../../protocols/s3/sign-request.ts';

/** Of the examples in "Authenticating Requests (AWS Signature Version 4)", AWS S3 API reference. */
export const exampleIdentity: SigningIdentity = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
/** 20130524T000000Z */
export const exampleMs = Date.UTC(2013, 4, 24);

export function rawRequest(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> | readonly string[],
): RawRequest {
  const raw = Array.isArray(headers) ? (headers as string[]) : Object.entries(headers).flat();
  return value(parseRawTarget(method, target, raw));
}

export function value<T>(result: Result<T, S3Error>): T {
  if (!result.ok) throw result.error;
  return result.value;
}

/** Asserts that a result or a thrown error is the S3 error of the code, and returns it. */
export function s3Error(
  code: S3ErrorCode,
  of: Result<unknown, S3Error> | (() => unknown),
): S3Error {
  const error = typeof of === 'function' ? thrown(of) : of.ok ? undefined : of.error;
  assert.ok(error instanceof S3Error, `expected S3Error ${code}, got ${String(error)}`);
  assert.equal(error.code, code, error.message);
  return error;
}

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
