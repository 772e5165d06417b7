// Core errors to S3 errors: one total table, so that a new core error does not compile until this door has an
// answer for it. Details of core errors stay inside, but where they tell the client what to do.

import { CoreError, type ErrorName, isCoreError, toCoreError } from '../../core/base/errors.ts';
import { DeleteMarkerFound } from '../../core/model/objects/types.ts';
import { S3Error, type S3ErrorCode } from '../../protocols/s3/errors.ts';
import { httpDate } from '../../protocols/s3/http-date.ts';

const codes = {
  INTERNAL: 'InternalError',
  INVALID_ARGUMENT: 'InvalidArgument',
  LIMIT_EXCEEDED: 'InvalidRequest',
  BUSY: 'SlowDown',
  CANCELLED: 'RequestTimeout',
  NOT_IMPLEMENTED: 'NotImplemented',

  CHUNK_NOT_FOUND: 'InternalError',
  CORRUPT: 'InternalError',
  DISK_OFFLINE: 'ServiceUnavailable',
  DISK_FULL: 'InsufficientStorage',
  DISK_REFUSED: 'InternalError',
  CHECKSUM_MISMATCH: 'InternalError',
  CHUNK_SEALED: 'InternalError',
  CHUNK_VERSION_MISMATCH: 'InternalError',

  // Met after the core's own retries: the key is contended; nothing was written.
  CONFLICT: 'SlowDown',
  COMMIT_UNKNOWN: 'InternalError',
  TRANSACTION_TOO_LARGE: 'InternalError',
  TRANSACTION_TOO_OLD: 'SlowDown',
  BUCKET_NOT_FOUND: 'NoSuchBucket',
  BUCKET_EXISTS: 'BucketAlreadyExists',
  BUCKET_OWNED_BY_YOU: 'BucketAlreadyOwnedByYou',
  BUCKET_NOT_EMPTY: 'BucketNotEmpty',
  TOO_MANY_BUCKETS: 'TooManyBuckets',
  KEY_NOT_FOUND: 'NoSuchKey',
  VERSION_NOT_FOUND: 'NoSuchVersion',
  DELETE_MARKER: 'MethodNotAllowed',
  UPLOAD_NOT_FOUND: 'NoSuchUpload',
  PART_INVALID: 'InvalidPart',
  PART_ORDER_INVALID: 'InvalidPartOrder',
  PART_TOO_SMALL: 'EntityTooSmall',
  UPLOAD_SIZE_MISMATCH: 'InvalidRequest',
  // s3-tests multipart_get_part wants 400 InvalidPart.
  PART_NUMBER_INVALID: 'InvalidPart',
  CONDITION_FAILED: 'PreconditionFailed',
  CONDITION_CONFLICT: 'ConditionalRequestConflict',
  NOT_MODIFIED: 'NotModified',
  RANGE_NOT_SATISFIABLE: 'InvalidRange',
  DIGEST_MISMATCH: 'BadDigest',
  BODY_INCOMPLETE: 'IncompleteBody',
  NO_TAGS: 'NoSuchTagSet',
  IDENTITY_EXISTS: 'InternalError',
  IDENTITY_NOT_FOUND: 'InternalError',

  UNAVAILABLE: 'ServiceUnavailable',
  // The outcome is unknown; S3's clients repeat after 500 and 503 alike.
  DEADLINE_EXCEEDED: 'InternalError',
  PROTOCOL: 'InternalError',
  ACCESS_DENIED: 'AccessDenied',
  SESSION_ENDED: 'ServiceUnavailable',
  VERSION_UNSUPPORTED: 'InternalError',
} as const satisfies Record<ErrorName, S3ErrorCode>;

/** Errors whose detail is written for the client. */
const tellDetail: ReadonlySet<ErrorName> = new Set([
  'INVALID_ARGUMENT',
  'LIMIT_EXCEEDED',
  'UPLOAD_SIZE_MISMATCH',
]);

/** What the request was about, for the elements that S3 adds to some errors. */
export interface ErrorSubject {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId?: string | undefined;
}

/** Anything thrown, as the error to answer with. */
export function toS3Error(error: unknown, subject: ErrorSubject): S3Error {
  if (error instanceof S3Error) return error;
  const { errorName, message } = toCoreError(error);
  const code = codes[errorName];
  return new S3Error(
    code,
    tellDetail.has(errorName) ? message : undefined,
    subjectFields[code]?.(subject),
    error instanceof DeleteMarkerFound ? markerHeaders(error) : retryOf(code),
  );
}

/** Elements that S3 adds to these errors. */
const subjectFields: Partial<
  Record<S3ErrorCode, (subject: ErrorSubject) => Record<string, string>>
> = {
  NoSuchBucket: ({ bucket }) => ({ BucketName: bucket }),
  BucketNotEmpty: ({ bucket }) => ({ BucketName: bucket }),
  BucketAlreadyExists: ({ bucket }) => ({ BucketName: bucket }),
  BucketAlreadyOwnedByYou: ({ bucket }) => ({ BucketName: bucket }),
  NoSuchTagSet: ({ bucket }) => ({ BucketName: bucket }),
  NoSuchKey: ({ key }) => ({ Key: key }),
  NoSuchVersion: ({ key }) => ({ Key: key }),
  NoSuchUpload: ({ uploadId }) => (uploadId === undefined ? {} : { UploadId: uploadId }),
};

const retryOf = (code: S3ErrorCode): Record<string, string> =>
  code === 'SlowDown' || code === 'ServiceUnavailable' ? { 'Retry-After': '1' } : {};

/** S3: a named marker has nothing to read; it can only be deleted. */
function markerHeaders(marker: DeleteMarkerFound): Record<string, string> {
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker.versionId };
  if (marker.errorName !== 'DELETE_MARKER') return headers;
  return { ...headers, Allow: 'DELETE', 'Last-Modified': httpDate(marker.lastModifiedMs) };
}

/** Whether an error says that something is wrong on this side, and so belongs into the log. */
export function isFault(error: unknown): boolean {
  if (error instanceof S3Error) return error.status === 500;
  return !(error instanceof CoreError) || codes[error.errorName] === 'InternalError';
}

/** A read condition that fails for the source of a copy is a 412 whatever its kind; a delete marker is no source. */
export function asSourceCondition(error: unknown): unknown {
  if (isCoreError(error, 'DELETE_MARKER')) {
    return new S3Error(
      'InvalidRequest',
      'The source of a copy request may not specifically refer to a delete marker by version id.',
    );
  }
  return isCoreError(error, 'NOT_MODIFIED') ? new S3Error('PreconditionFailed') : error;
}
