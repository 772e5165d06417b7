// Names of buckets and keys. Rules: S3 user guide, "General purpose bucket naming rules" and "Object key
// naming guidelines".

import { limits } from '../../core/base/limits.ts';
import { S3Error } from './errors.ts';

const letters = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const brokenLabels = /\.\.|\.-|-\./;
const ipAddress = /^\d+\.\d+\.\d+\.\d+$/;
/** Reserved by AWS for access points and other kinds of buckets; clients treat such names specially. */
const reserved =
  /^(?:xn--|sthree-|amzn-s3-demo-)|(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3|-an)$/;

/** Whether a bucket of that name can exist. */
export function isBucketName(name: string): boolean {
  return letters.test(name) && !brokenLabels.test(name) && !ipAddress.test(name);
}

/** @throws S3Error InvalidBucketName for a name that no bucket can have. */
export function checkBucketName(name: string): void {
  if (!isBucketName(name)) throw invalidBucketName(name);
}

/** The narrower rule for new buckets. @throws S3Error InvalidBucketName */
export function checkNewBucketName(name: string): void {
  if (!isBucketName(name) || reserved.test(name)) throw invalidBucketName(name);
}

function invalidBucketName(name: string): S3Error {
  return new S3Error('InvalidBucketName', undefined, { BucketName: name });
}

/** UTF-8 bytes of a key. @throws S3Error KeyTooLongError, InvalidArgument for an empty key */
export function keyBytes(key: string): Buffer {
  if (key === '') throw new S3Error('InvalidArgument', 'The object key must not be empty.');
  const bytes = Buffer.from(key, 'utf8');
  if (bytes.length > limits.objectKeyBytesMax) {
    throw new S3Error('KeyTooLongError', undefined, {
      Size: String(bytes.length),
      MaxSizeAllowed: String(limits.objectKeyBytesMax),
    });
  }
  return bytes;
}
