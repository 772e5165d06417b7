// PutObject, and what CreateMultipartUpload and CopyObject share with it: attributes from headers.

import { limits } from '../../../core/base/limits.ts';
import type { ObjectAttributes, ObjectChecksum } from '../../../core/model/objects/types.ts';
import { checksumHeader, checksumText } from '../../../protocols/s3/checksums.ts';
import { quotedETag, writeConditions } from '../../../protocols/s3/conditions.ts';
import {
  contentHeaders,
  storageClass,
  userMetadata,
} from '../../../protocols/s3/object-headers.ts';
import type { RawRequest } from '../../../protocols/s3/raw-request.ts';
import { parseTaggingHeader, type Tag } from '../../../protocols/s3/tags.ts';
import { type Reply, emptyReply } from '../reply.ts';
import type { S3Call } from '../s3-call.ts';

export async function putObject(call: S3Call): Promise<Reply> {
  const attributes = attributesOf(call.request);
  const conditions = writeConditions(call.request);
  const body = call.content(limits.objectPutBytesMax);
  await call.precheck(conditions, body.sizeBytes);
  const { bucket, key } = call;
  const result = await call.objects.put(call.who, { bucket, key, attributes, conditions }, body);
  const headers = ['ETag', quotedETag(result.etag)];
  addChecksumHeaders(headers, result.checksum, 0);
  addVersion(headers, result.versionId);
  return emptyReply(200, headers);
}

/** @throws S3Error MetadataTooLarge, InvalidTag, InvalidStorageClass, InvalidArgument */
export function attributesOf(request: RawRequest): ObjectAttributes {
  return {
    headers: contentHeaders(request),
    userMetadata: userMetadata(request),
    tags: tagsOf(request),
    storageClass: storageClass(request) ?? 'STANDARD',
  };
}

const noTags: Tag[] = [];

export function tagsOf(request: RawRequest): Tag[] {
  const header = request.header('x-amz-tagging');
  return header === undefined ? noTags : parseTaggingHeader(header);
}

export function addChecksumHeaders(
  headers: string[],
  checksum: ObjectChecksum | undefined,
  partCount: number,
): void {
  if (checksum === undefined) return;
  headers.push(checksumHeader(checksum.algorithm), checksumText(checksum, partCount));
  headers.push('x-amz-checksum-type', checksum.type);
}

/** Buckets without versioning answer without a version, though the only one is called `null`. */
export function addVersion(
  headers: string[],
  versionId: string | undefined,
  name = 'x-amz-version-id',
): void {
  if (versionId !== undefined && versionId !== 'null') headers.push(name, versionId);
}
