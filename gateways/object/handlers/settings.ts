// Reading settings that no bucket or object has: each answer is what S3 says when nothing was configured, and
// so true here. Writing them is not implemented and answers 501. Every call looks the bucket or object up
// first, so that a missing or foreign one is told as such.

import {
  emptyDocument,
  ownerOnlyAclDocument,
  requestPaymentDocument,
} from '../../../protocols/s3/answer-documents.ts';
import { S3Error, type S3ErrorCode } from '../../../protocols/s3/errors.ts';
import { type Reply, xmlReply } from '../reply.ts';
import type { Handler, S3Call } from '../s3-call.ts';

/** A bucket's setting that does not exist. */
function absent(code: S3ErrorCode): Handler {
  return async (call) => {
    await call.objects.headBucket(call.who, call.bucket);
    throw new S3Error(code, undefined, { BucketName: call.bucket });
  };
}

/** A bucket's setting that is empty until it is made. */
function always(document: string): Handler {
  return async (call) => {
    await call.objects.headBucket(call.who, call.bucket);
    return xmlReply(document);
  };
}

async function getBucketAcl(call: S3Call): Promise<Reply> {
  const { owner } = await call.objects.headBucket(call.who, call.bucket);
  return xmlReply(ownerOnlyAclDocument(owner));
}

async function getObjectAcl(call: S3Call): Promise<Reply> {
  const { info } = await headOf(call);
  return xmlReply(ownerOnlyAclDocument(info.owner));
}

async function noObjectLock(call: S3Call): Promise<Reply> {
  await headOf(call);
  throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
}

const headOf = (call: S3Call) =>
  call.objects.head(call.who, {
    bucket: call.bucket,
    key: call.key,
    ...call.version(),
    conditions: {},
  });

export const handlers = {
  GetBucketAccelerateConfiguration: always(emptyDocument('AccelerateConfiguration')),
  GetBucketAcl: getBucketAcl,
  GetBucketCors: absent('NoSuchCORSConfiguration'),
  GetBucketEncryption: absent('ServerSideEncryptionConfigurationNotFoundError'),
  GetBucketLifecycleConfiguration: absent('NoSuchLifecycleConfiguration'),
  GetBucketLogging: always(emptyDocument('BucketLoggingStatus')),
  GetBucketNotificationConfiguration: always(emptyDocument('NotificationConfiguration')),
  GetBucketOwnershipControls: absent('OwnershipControlsNotFoundError'),
  GetBucketPolicy: absent('NoSuchBucketPolicy'),
  GetBucketPolicyStatus: absent('NoSuchBucketPolicy'),
  GetBucketReplication: absent('ReplicationConfigurationNotFoundError'),
  GetBucketRequestPayment: always(requestPaymentDocument()),
  GetBucketWebsite: absent('NoSuchWebsiteConfiguration'),
  GetObjectLockConfiguration: absent('ObjectLockConfigurationNotFoundError'),
  GetPublicAccessBlock: absent('NoSuchPublicAccessBlockConfiguration'),
  GetObjectAcl: getObjectAcl,
  GetObjectLegalHold: noObjectLock,
  GetObjectRetention: noObjectLock,
} satisfies Record<string, Handler>;
