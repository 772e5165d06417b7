// Multipart uploads: create, upload a part, complete, abort. Uploads are the model's: any gateway may go on
// with one, also after a restart.

import { limits } from '../../../core/base/limits.ts';
import type { CompleteRequest, UploadInfo } from '../../../core/model/objects/types.ts';
import {
  completeUploadDocument,
  createUploadDocument,
} from '../../../protocols/s3/answer-documents.ts';
import { quotedETag, writeConditions } from '../../../protocols/s3/conditions.ts';
import { S3Error, invalidArgument } from '../../../protocols/s3/errors.ts';
import type { RawRequest } from '../../../protocols/s3/raw-request.ts';
import { type CompletePart, readComplete } from '../../../protocols/s3/request-documents.ts';
import {
  parseStatedChecksum,
  splitCompositeValue,
  type StatedChecksum,
  uploadChecksum,
} from '../../../protocols/s3/stated-checksum.ts';
import { type Finished, lateReply } from '../late-reply.ts';
import { type Reply, emptyReply, xmlReply } from '../reply.ts';
import { type S3Call, parsePartNumber } from '../s3-call.ts';
import { addChecksumHeaders, addVersion, attributesOf } from './write.ts';

export async function createMultipartUpload(call: S3Call): Promise<Reply> {
  const { request, bucket, key, keyText } = call;
  const attributes = attributesOf(request);
  const planned = uploadChecksum(statedChecksum(request));
  if (!planned.ok) throw planned.error;
  const checksum = planned.value;
  const { uploadId } = await call.objects.createUpload(call.who, {
    bucket,
    key,
    attributes,
    ...(checksum === undefined
      ? {}
      : { checksumAlgorithm: checksum.algorithm, checksumType: checksum.type }),
  });
  const headers =
    checksum === undefined
      ? []
      : ['x-amz-checksum-algorithm', checksum.algorithm, 'x-amz-checksum-type', checksum.type];
  return xmlReply(createUploadDocument(bucket, keyText, uploadId), headers);
}

function statedChecksum(request: RawRequest): StatedChecksum {
  const stated = parseStatedChecksum(request);
  if (!stated.ok) throw stated.error;
  return stated.value;
}

function uploadOf(call: S3Call): { bucket: string; key: Uint8Array; uploadId: string } {
  const { bucket, key, request } = call;
  return { bucket, key, uploadId: request.queryFirst('uploadId') ?? '' };
}

export async function uploadPart(call: S3Call): Promise<Reply> {
  const partNumber = parsePartNumber(call.request.queryFirst('partNumber'));
  const stated = statedChecksum(call.request);
  const upload = uploadOf(call);
  // Before the body: the upload says which checksum its parts need.
  const info = await call.objects.uploadInfo(call.who, upload);
  checkAlgorithm(info, stated);
  const { checksumAlgorithm } = info;
  const body = call.content(
    limits.partBytesMax,
    checksumAlgorithm === undefined ? {} : { checksumAlgorithm },
  );
  const part = await call.objects.putPart(call.who, { ...upload, partNumber }, body);
  const headers = ['ETag', quotedETag(part.etag)];
  const { checksum } = part;
  if (checksum !== undefined)
    headers.push(`x-amz-checksum-${checksum.algorithm.toLowerCase()}`, checksum.value);
  return emptyReply(200, headers);
}

/** An upload with checksums takes no parts with others: Complete could not combine them. */
function checkAlgorithm({ checksumAlgorithm }: UploadInfo, { body }: StatedChecksum): void {
  if (checksumAlgorithm === undefined || body === undefined) return;
  if (body.algorithm === checksumAlgorithm) return;
  const expected = checksumAlgorithm.toLowerCase();
  throw new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${body.algorithm.toLowerCase()}`,
  );
}

export async function completeMultipartUpload(call: S3Call): Promise<Reply> {
  const { request } = call;
  const conditions = writeConditions(request);
  const stated = statedChecksum(request);
  const parts = readComplete(await call.requiredDocument({ checksumOfObject: true }));
  const asked: CompleteRequest = {
    ...uploadOf(call),
    parts,
    conditions,
    ...statedSize(request),
    ...(stated.type === undefined ? {} : { checksumType: stated.type }),
    ...statedObjectChecksum(stated, parts),
  };
  return lateReply(call, complete(call, asked));
}

async function complete(call: S3Call, asked: CompleteRequest): Promise<Finished> {
  const result = await call.objects.completeUpload(call.who, asked);
  const headers: string[] = [];
  addVersion(headers, result.versionId);
  const partCount = asked.parts.length;
  const document = completeUploadDocument({
    location: call.location,
    bucket: call.bucket,
    key: call.keyText,
    etag: result.etag,
    partCount,
    ...(result.checksum === undefined ? {} : { checksum: result.checksum }),
  });
  addChecksumHeaders(headers, result.checksum, partCount);
  return { document, headers };
}

/** `x-amz-mp-object-size`. @throws S3Error InvalidArgument */
function statedSize(request: RawRequest): { sizeBytes?: number } {
  const text = request.header('x-amz-mp-object-size');
  if (text === undefined) return {};
  if (/^\d{1,15}$/.test(text)) return { sizeBytes: Number(text) };
  throw invalidArgument('x-amz-mp-object-size', text, 'The object size is not valid.');
}

/** The object's checksum as the client computed it; a composite one names the number of its parts.
 *  @throws S3Error BadDigest */
function statedObjectChecksum(
  { body }: StatedChecksum,
  parts: readonly CompletePart[],
): Pick<CompleteRequest, 'checksum'> {
  if (body?.value === undefined) return {};
  const { value, partCount } = splitCompositeValue(body.value);
  if (partCount !== undefined && partCount !== parts.length) {
    throw new S3Error(
      'BadDigest',
      `The ${body.algorithm} you specified did not match the calculated checksum.`,
    );
  }
  return { checksum: { algorithm: body.algorithm, value } };
}

export async function abortMultipartUpload(call: S3Call): Promise<Reply> {
  await call.objects.abortUpload(call.who, uploadOf(call));
  return emptyReply(204);
}
