// OPTIONS: what a browser asks before a request of another origin. No bucket has CORS rules, so the answer is
// always no; it needs no signature and tells nothing about the bucket.

import { S3Error } from '../../../protocols/s3/errors.ts';
import type { RawRequest } from '../../../protocols/s3/raw-request.ts';

/** @throws S3Error BadRequest, AccessForbidden */
export function preflight(request: RawRequest): never {
  if (request.header('origin') === undefined) {
    throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.');
  }
  const method = request.header('access-control-request-method');
  if (method === undefined)
    throw new S3Error('BadRequest', 'Invalid Access-Control-Request-Method: null');
  throw new S3Error('AccessForbidden', undefined, { Method: method, ResourceType: 'OBJECT' });
}
