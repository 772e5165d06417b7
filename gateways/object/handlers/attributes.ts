// GetObjectAttributes: what is asked for by name, parts in pages.

import { limits } from '../../../core/base/limits.ts';
import type { ObjectInfo } from '../../../core/model/objects/types.ts';
import {
  type ObjectAttributesAnswer,
  objectAttributesDocument,
} from '../../../protocols/s3/answer-documents.ts';
import { S3Error, invalidArgument } from '../../../protocols/s3/errors.ts';
import { httpDate } from '../../../protocols/s3/http-date.ts';
import { parseCount } from '../../../protocols/s3/listing.ts';
import type { RawRequest } from '../../../protocols/s3/raw-request.ts';
import { type Reply, xmlReply } from '../reply.ts';
import type { S3Call } from '../s3-call.ts';
import { partMarker } from './listing.ts';
import { addVersion } from './write.ts';

const names = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const;
type AttributeName = (typeof names)[number];

export async function getObjectAttributes(call: S3Call): Promise<Reply> {
  const asked = askedAttributes(call.request);
  const { info, parts } = asked.has('ObjectParts')
    ? await withParts(call)
    : await withoutParts(call);
  const { checksum } = info;
  const document = objectAttributesDocument({
    partCount: info.partCount,
    ...(asked.has('ETag') ? { etag: info.etag } : {}),
    ...(asked.has('Checksum') && checksum !== undefined ? { checksum } : {}),
    ...(parts === undefined ? {} : { parts }),
    ...(asked.has('StorageClass') ? { storageClass: info.storageClass } : {}),
    ...(asked.has('ObjectSize') ? { sizeBytes: info.sizeBytes } : {}),
  });
  const headers = ['Last-Modified', httpDate(info.lastModifiedMs)];
  addVersion(headers, info.versionId);
  return xmlReply(document, headers);
}

/** @throws S3Error InvalidArgument, InvalidRequest */
function askedAttributes(request: RawRequest): ReadonlySet<AttributeName> {
  const header = request.header('x-amz-object-attributes');
  if (header === undefined || header.trim() === '')
    throw new S3Error('InvalidRequest', 'The x-amz-object-attributes header must be given.');
  const asked = header.split(',').map((name) => name.trim());
  for (const name of asked) {
    if (!(names as readonly string[]).includes(name))
      throw invalidArgument('x-amz-object-attributes', name, 'Invalid attribute name specified.');
  }
  return new Set(asked as AttributeName[]);
}

interface Found {
  readonly info: ObjectInfo;
  readonly parts?: ObjectAttributesAnswer['parts'];
}

async function withoutParts(call: S3Call): Promise<Found> {
  const { bucket, key } = call;
  const { info } = await call.objects.head(call.who, {
    bucket,
    key,
    ...call.version(),
    conditions: {},
  });
  return { info };
}

/** An object that was put whole has no parts, and so no such element. */
async function withParts(call: S3Call): Promise<Found> {
  const { bucket, key, request } = call;
  const maxParts = parseCount('max-parts', request.header('x-amz-max-parts'), limits.listKeysMax);
  const marker = partMarker(request.header('x-amz-part-number-marker'));
  const { info, parts, truncated } = await call.objects.objectParts(call.who, {
    bucket,
    key,
    ...call.version(),
    after: marker,
    limit: maxParts,
  });
  return info.partCount === 0
    ? { info }
    : { info, parts: { rows: parts, marker, maxParts, truncated } };
}
