// CopyObject and UploadPartCopy. The model copies metadata only, whatever the size; it reads content where a
// checksum is asked for that the source does not carry, and so may take long.

import type { CopyRequest } from '../../../core/model/objects/types.ts';
import { copyObjectDocument, copyPartDocument } from '../../../protocols/s3/answer-documents.ts';
import { parseStatedChecksum } from '../../../protocols/s3/stated-checksum.ts';
import { readConditions, writeConditions } from '../../../protocols/s3/conditions.ts';
import { type CopySource, parseCopySource } from '../../../protocols/s3/copy-source.ts';
import { S3Error, invalidArgument } from '../../../protocols/s3/errors.ts';
import {
  contentHeaders,
  storageClass,
  userMetadata,
} from '../../../protocols/s3/object-headers.ts';
import { parseCopyRange } from '../../../protocols/s3/ranges.ts';
import type { RawRequest } from '../../../protocols/s3/raw-request.ts';
import { equalBytes } from '../../../core/base/bytes.ts';
import { asSourceCondition } from '../core-errors.ts';
import { type Finished, lateReply } from '../late-reply.ts';
import type { Reply } from '../reply.ts';
import { type S3Call, parsePartNumber } from '../s3-call.ts';
import { addVersion, tagsOf } from './write.ts';

const sourcePrefix = 'x-amz-copy-source-';

export async function copyObject(call: S3Call): Promise<Reply> {
  const source = await sourceOf(call);
  const request = copyRequest(call, source);
  return lateReply(call, copy(call, request));
}

async function copy(call: S3Call, request: CopyRequest): Promise<Finished> {
  const result = await call.objects.copy(call.who, request).catch((error: unknown) => {
    throw asSourceCondition(error);
  });
  const headers: string[] = [];
  addVersion(headers, result.versionId);
  addVersion(headers, result.sourceVersionId, 'x-amz-copy-source-version-id');
  return { document: copyObjectDocument(result, partCountOf(result.etag)), headers };
}

/** A copied multipart object keeps its ETag, whose suffix is the number of parts. */
function partCountOf(etag: string): number {
  return Number(/-(\d+)$/.exec(etag)?.[1] ?? 0);
}

/** @throws S3Error InvalidRequest, InvalidArgument and those of the headers */
function copyRequest(call: S3Call, source: CopySource): CopyRequest {
  const { request, bucket, key } = call;
  const replace = directive(request, 'x-amz-metadata-directive') === 'REPLACE';
  const replaceTags = directive(request, 'x-amz-tagging-directive') === 'REPLACE';
  const named = storageClass(request);
  const headers = replace
    ? { headers: contentHeaders(request), userMetadata: userMetadata(request) }
    : undefined;
  const ontoItself =
    source.bucket === bucket && source.versionId === undefined && equalBytes(source.key, key);
  const redirects = request.header('x-amz-website-redirect-location') !== undefined;
  if (ontoItself && !replace && named === undefined && !redirects) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const stated = parseStatedChecksum(request);
  if (!stated.ok) throw stated.error;
  const { objectAlgorithm } = stated.value;
  return {
    source,
    sourceConditions: readConditions(request, sourcePrefix),
    bucket,
    key,
    conditions: writeConditions(request),
    ...(headers === undefined ? {} : { headers }),
    ...(replaceTags ? { tags: tagsOf(request) } : {}),
    ...(named === undefined ? {} : { storageClass: named }),
    ...(objectAlgorithm === undefined ? {} : { checksumAlgorithm: objectAlgorithm }),
  };
}

function directive(request: RawRequest, name: string): 'COPY' | 'REPLACE' {
  const value = request.header(name) ?? 'COPY';
  if (value === 'COPY' || value === 'REPLACE') return value;
  throw invalidArgument(name, value, `Unknown ${name.slice('x-amz-'.length)}.`);
}

/** The named source, whose bucket's owner may be stated. @throws S3Error AccessDenied */
async function sourceOf(call: S3Call): Promise<CopySource> {
  const source = parseCopySource(call.request.header('x-amz-copy-source') ?? '');
  const expected = call.request.header('x-amz-source-expected-bucket-owner');
  if (expected !== undefined) {
    const { owner } = await call.objects.headBucket(call.who, source.bucket);
    if (owner.id !== expected) throw new S3Error('AccessDenied');
  }
  return source;
}

export async function uploadPartCopy(call: S3Call): Promise<Reply> {
  const { request, bucket, key } = call;
  const partNumber = parsePartNumber(request.queryFirst('partNumber'));
  const uploadId = request.queryFirst('uploadId') ?? '';
  const source = await sourceOf(call);
  const range = request.header(`${sourcePrefix}range`);
  const asked = {
    source,
    sourceConditions: readConditions(request, sourcePrefix),
    ...(range === undefined ? {} : { range: parseCopyRange(range) }),
  };
  return lateReply(call, copyPart(call, { bucket, key, uploadId, partNumber }, asked));
}

async function copyPart(
  call: S3Call,
  part: Parameters<S3Call['objects']['copyPart']>[1],
  asked: Parameters<S3Call['objects']['copyPart']>[2],
): Promise<Finished> {
  const result = await call.objects.copyPart(call.who, part, asked).catch((error: unknown) => {
    throw asSourceCondition(error);
  });
  const headers: string[] = [];
  addVersion(headers, result.sourceVersionId, 'x-amz-copy-source-version-id');
  return { document: copyPartDocument(result), headers };
}
