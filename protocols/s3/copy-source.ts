// `x-amz-copy-source: [/]bucket/key[?versionId=ID]`, percent-encoded by most clients. The version is split off
// before decoding, so that a key may hold `?versionId` itself. A `+` is a plus: this is a path, not a form.

import { S3Error, invalidArgument, notImplemented } from './errors.ts';
import { checkBucketName, keyBytes } from './names.ts';

export interface CopySource {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly versionId?: string;
}

const header = 'x-amz-copy-source';
const versionMark = '?versionId=';

/** @throws S3Error InvalidArgument, InvalidBucketName, KeyTooLongError, NotImplemented for ARNs */
export function parseCopySource(value: string): CopySource {
  if (value.startsWith('arn:')) throw notImplemented('Copying from an access point');
  const mark = value.indexOf(versionMark);
  const versionId = mark < 0 ? undefined : value.slice(mark + versionMark.length);
  const path = decode(mark < 0 ? value : value.slice(0, mark), value);
  const start = path.startsWith('/') ? 1 : 0;
  const slash = path.indexOf('/', start);
  if (slash < 0 || slash === path.length - 1 || versionId === '') throw invalid(value);
  const bucket = path.slice(start, slash);
  checkBucketName(bucket);
  const key = keyBytes(path.slice(slash + 1));
  return versionId === undefined ? { bucket, key } : { bucket, key, versionId };
}

/** Header values come as latin1; a client that did not encode sent UTF-8 bytes. */
function decode(text: string, value: string): string {
  const utf8 = Buffer.from(text, 'latin1').toString('utf8');
  try {
    return utf8.includes('%') ? decodeURIComponent(utf8) : utf8;
  } catch {
    throw invalid(value);
  }
}

function invalid(value: string): S3Error {
  return invalidArgument(
    header,
    value,
    'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
  );
}
