// Tags of objects and buckets.

import { taggingDocument } from '../../../protocols/s3/answer-documents.ts';
import { readTagging } from '../../../protocols/s3/request-documents.ts';
import { checkTags, type Tag, tagLimits } from '../../../protocols/s3/tags.ts';
import { type Reply, emptyReply, xmlReply } from '../reply.ts';
import type { S3Call } from '../s3-call.ts';

const objectOf = (call: S3Call) => ({ bucket: call.bucket, key: call.key, ...call.version() });

export async function getObjectTagging(call: S3Call): Promise<Reply> {
  return xmlReply(taggingDocument(await call.objects.getTags(call.who, objectOf(call))));
}

export async function putObjectTagging(call: S3Call): Promise<Reply> {
  const tags = await readTags(call, tagLimits.objectTagsMax);
  await call.objects.putTags(call.who, { ...objectOf(call), tags });
  return emptyReply(200);
}

export async function deleteObjectTagging(call: S3Call): Promise<Reply> {
  await call.objects.putTags(call.who, { ...objectOf(call), tags: [] });
  return emptyReply(204);
}

export async function getBucketTagging(call: S3Call): Promise<Reply> {
  return xmlReply(taggingDocument(await call.objects.getBucketTags(call.who, call.bucket)));
}

export async function putBucketTagging(call: S3Call): Promise<Reply> {
  const tags = await readTags(call, tagLimits.bucketTagsMax);
  await call.objects.putBucketTags(call.who, call.bucket, tags);
  return emptyReply(204);
}

export async function deleteBucketTagging(call: S3Call): Promise<Reply> {
  await call.objects.putBucketTags(call.who, call.bucket, []);
  return emptyReply(204);
}

async function readTags(call: S3Call, countMax: number): Promise<Tag[]> {
  return checkTags(readTagging(await call.requiredDocument()), countMax);
}
