// Every offered operation and its handler. The type makes the registry total: an operation that the table
// calls implemented or truthful does not compile without one, and none can be registered that it does not.

import { notImplemented } from '../../../protocols/s3/errors.ts';
import type { OfferedName } from '../../../protocols/s3/operations.ts';
import type { RoutedOperation } from '../../../protocols/s3/router.ts';
import type { Handler } from '../s3-call.ts';
import * as attributes from './attributes.ts';
import * as buckets from './buckets.ts';
import * as copy from './copy.ts';
import * as deletes from './delete.ts';
import * as listing from './listing.ts';
import * as multipart from './multipart.ts';
import * as read from './read.ts';
import * as settings from './settings.ts';
import * as tagging from './tagging.ts';
import * as versioning from './versioning.ts';
import * as write from './write.ts';

/** Preflights come without a signature and so never reach a handler (preflight.ts). */
type HandledName = Exclude<OfferedName, 'PreflightBucket' | 'PreflightObject'>;

const handlers: Record<HandledName, Handler> = {
  ListBuckets: buckets.listBuckets,
  CreateBucket: buckets.createBucket,
  HeadBucket: buckets.headBucket,
  DeleteBucket: buckets.deleteBucket,
  GetBucketLocation: buckets.getBucketLocation,

  ListObjects: listing.listObjects,
  ListObjectsV2: listing.listObjectsV2,
  ListObjectVersions: listing.listObjectVersions,
  ListMultipartUploads: listing.listMultipartUploads,
  ListParts: listing.listParts,

  GetObject: read.getObject,
  HeadObject: read.headObject,
  GetObjectAttributes: attributes.getObjectAttributes,
  PutObject: write.putObject,
  CopyObject: copy.copyObject,
  DeleteObject: deletes.deleteObject,
  DeleteObjects: deletes.deleteObjects,

  CreateMultipartUpload: multipart.createMultipartUpload,
  UploadPart: multipart.uploadPart,
  UploadPartCopy: copy.uploadPartCopy,
  CompleteMultipartUpload: multipart.completeMultipartUpload,
  AbortMultipartUpload: multipart.abortMultipartUpload,

  GetObjectTagging: tagging.getObjectTagging,
  PutObjectTagging: tagging.putObjectTagging,
  DeleteObjectTagging: tagging.deleteObjectTagging,
  GetBucketTagging: tagging.getBucketTagging,
  PutBucketTagging: tagging.putBucketTagging,
  DeleteBucketTagging: tagging.deleteBucketTagging,

  GetBucketVersioning: versioning.getBucketVersioning,
  PutBucketVersioning: versioning.putBucketVersioning,

  ...settings.handlers,
};

/** @throws S3Error NotImplemented */
export function handlerOf(operation: RoutedOperation): Handler {
  const handler = (handlers as Partial<Record<string, Handler>>)[operation.name];
  if (handler === undefined) throw notImplemented(`The operation ${operation.name}`);
  return handler;
}
