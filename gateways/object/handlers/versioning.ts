// GetBucketVersioning and PutBucketVersioning.

import { versioningDocument } from '../../../protocols/s3/answer-documents.ts';
import { readVersioning } from '../../../protocols/s3/request-documents.ts';
import { type Reply, emptyReply, xmlReply } from '../reply.ts';
import type { S3Call } from '../s3-call.ts';

export async function getBucketVersioning(call: S3Call): Promise<Reply> {
  return xmlReply(
    versioningDocument(await call.objects.getBucketVersioning(call.who, call.bucket)),
  );
}

export async function putBucketVersioning(call: S3Call): Promise<Reply> {
  const versioning = readVersioning(await call.requiredDocument());
  await call.objects.putBucketVersioning(call.who, call.bucket, versioning);
  return emptyReply(200);
}
