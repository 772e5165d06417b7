// ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation.

import { isCoreError } from '../../../core/base/errors.ts';
import { limits } from '../../../core/base/limits.ts';
import { locationDocument } from '../../../protocols/s3/answer-documents.ts';
import { S3Error } from '../../../protocols/s3/errors.ts';
import { listBucketsDocument } from '../../../protocols/s3/listing-documents.ts';
import { countParameter, decodeToken, encodeToken } from '../../../protocols/s3/listing.ts';
import { checkNewBucketName } from '../../../protocols/s3/names.ts';
import { readBucketConfiguration } from '../../../protocols/s3/request-documents.ts';
import { checkTags, tagLimits } from '../../../protocols/s3/tags.ts';
import { type Reply, emptyReply, xmlReply } from '../reply.ts';
import type { S3Call } from '../s3-call.ts';

export async function listBuckets(call: S3Call): Promise<Reply> {
  const { request, who } = call;
  const limit = countParameter(request, 'max-buckets', limits.bucketsPerOwnerMax, 1);
  const prefix = request.queryFirst('prefix');
  const token = request.queryFirst('continuation-token') ?? '';
  const region = request.queryFirst('bucket-region') ?? call.region;
  const page =
    region === call.region
      ? await call.objects.listBuckets(who, {
          ...(prefix === undefined ? {} : { prefix }),
          ...(token === '' ? {} : { after: Buffer.from(decodeToken(token)).toString() }),
          limit,
        })
      : { buckets: [] };
  const { buckets, next } = page;
  return xmlReply(
    listBucketsDocument({
      owner: who,
      buckets,
      ...(next === undefined ? {} : { token: encodeToken(Buffer.from(next)) }),
      ...(prefix === undefined ? {} : { prefix }),
    }),
  );
}

/** Making a bucket again that one owns is no error in us-east-1, and 409 in every other region, as in S3. */
export async function createBucket(call: S3Call): Promise<Reply> {
  const { bucket, region } = call;
  checkNewBucketName(bucket);
  const root = await call.document();
  const { location, tags } =
    root === undefined ? { location: '', tags: [] } : readBucketConfiguration(root);
  if (location !== '' && location !== region) {
    throw new S3Error(
      'InvalidLocationConstraint',
      `The specified location-constraint is not valid: this system is the region ${region}.`,
      { LocationConstraint: location },
    );
  }
  const checkedTags = checkTags(tags, tagLimits.bucketTagsMax);
  try {
    await call.objects.createBucket(call.who, { bucket, region });
  } catch (error) {
    if (!(isCoreError(error, 'BUCKET_OWNED_BY_YOU') && region === 'us-east-1')) throw error;
  }
  if (checkedTags.length > 0) await call.objects.putBucketTags(call.who, bucket, checkedTags);
  return emptyReply(200, ['Location', `/${bucket}`]);
}

export async function headBucket(call: S3Call): Promise<Reply> {
  const { region } = await call.objects.headBucket(call.who, call.bucket);
  return emptyReply(200, ['x-amz-bucket-region', region, 'Content-Type', 'application/xml']);
}

export async function deleteBucket(call: S3Call): Promise<Reply> {
  await call.objects.deleteBucket(call.who, call.bucket);
  return emptyReply(204);
}

export async function getBucketLocation(call: S3Call): Promise<Reply> {
  const { region } = await call.objects.headBucket(call.who, call.bucket);
  return xmlReply(locationDocument(region));
}
