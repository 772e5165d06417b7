// ListObjects (both versions), ListObjectVersions, ListMultipartUploads, ListParts. The model lists in byte
// order and groups by the delimiter; here are the markers and tokens of each call.

import { limits } from '../../../core/base/limits.ts';
import { invalidArgument } from '../../../protocols/s3/errors.ts';
import {
  listObjectsDocument,
  listObjectsV2Document,
  listPartsDocument,
  listUploadsDocument,
  listVersionsDocument,
} from '../../../protocols/s3/listing-documents.ts';
import {
  type ListParameters,
  countParameter,
  decodeToken,
  encodeToken,
  listParameters,
} from '../../../protocols/s3/listing.ts';
import { type Reply, xmlReply } from '../reply.ts';
import type { S3Call } from '../s3-call.ts';

const noBytes = new Uint8Array(0);
const bytes = (text: string): Uint8Array => (text === '' ? noBytes : Buffer.from(text, 'utf8'));

/** A page of at most `maxKeys`; S3 answers a page of none as complete. */
function pageRequest(call: S3Call, parameters: ListParameters, after: Uint8Array) {
  return {
    bucket: call.bucket,
    prefix: bytes(parameters.prefix),
    delimiter: bytes(parameters.delimiter),
    ...(after.length === 0 ? {} : { after }),
    limit: parameters.maxKeys,
  };
}

const emptyPage = { objects: [], commonPrefixes: [] };

async function listPage(call: S3Call, parameters: ListParameters, after: Uint8Array) {
  if (parameters.maxKeys > 0)
    return call.objects.list(call.who, pageRequest(call, parameters, after));
  await call.objects.headBucket(call.who, call.bucket);
  return emptyPage;
}

export async function listObjects(call: S3Call): Promise<Reply> {
  const parameters = listParameters(call.request);
  const marker = call.request.queryFirst('marker') ?? '';
  const page = await listPage(call, parameters, bytes(marker));
  return xmlReply(listObjectsDocument({ bucket: call.bucket, parameters, marker, page }));
}

export async function listObjectsV2(call: S3Call): Promise<Reply> {
  const { request } = call;
  const parameters = listParameters(request);
  const continuationToken = request.queryFirst('continuation-token');
  const startAfter = request.queryFirst('start-after');
  // A token wins over start-after, which the client keeps sending.
  const after =
    continuationToken === undefined || continuationToken === ''
      ? bytes(startAfter ?? '')
      : decodeToken(continuationToken);
  const page = await listPage(call, parameters, after);
  return xmlReply(
    listObjectsV2Document({
      bucket: call.bucket,
      parameters,
      page,
      fetchOwner: request.queryFirst('fetch-owner')?.toLowerCase() === 'true',
      ...(continuationToken === undefined ? {} : { continuationToken }),
      ...(startAfter === undefined || startAfter === '' ? {} : { startAfter }),
      ...('next' in page && page.next !== undefined ? { nextToken: encodeToken(page.next) } : {}),
    }),
  );
}

export async function listObjectVersions(call: S3Call): Promise<Reply> {
  const { request } = call;
  const parameters = listParameters(request);
  const keyMarker = request.queryFirst('key-marker') ?? '';
  const versionIdMarker = request.queryFirst('version-id-marker') ?? '';
  if (versionIdMarker !== '' && keyMarker === '') {
    throw invalidArgument(
      'version-id-marker',
      versionIdMarker,
      'A version-id marker cannot be specified without a key marker.',
    );
  }
  const page =
    parameters.maxKeys === 0
      ? await listPage(call, parameters, noBytes).then(() => emptyPage)
      : await call.objects.listVersions(call.who, {
          ...pageRequest(call, parameters, bytes(keyMarker)),
          ...(versionIdMarker === '' ? {} : { afterVersionId: versionIdMarker }),
        });
  const { bucket } = call;
  return xmlReply(listVersionsDocument({ bucket, parameters, keyMarker, versionIdMarker, page }));
}

export async function listMultipartUploads(call: S3Call): Promise<Reply> {
  const { request } = call;
  const parameters = listParameters(request, 'max-uploads');
  const keyMarker = request.queryFirst('key-marker') ?? '';
  // Without a key marker the upload marker means nothing (S3 API: ListMultipartUploads).
  const uploadIdMarker = keyMarker === '' ? '' : (request.queryFirst('upload-id-marker') ?? '');
  const page =
    parameters.maxKeys === 0
      ? await listPage(call, parameters, noBytes).then(() => ({ uploads: [], commonPrefixes: [] }))
      : await call.objects.listUploads(call.who, {
          ...pageRequest(call, parameters, bytes(keyMarker)),
          ...(uploadIdMarker === '' ? {} : { afterUploadId: uploadIdMarker }),
        });
  const { bucket } = call;
  return xmlReply(listUploadsDocument({ bucket, parameters, keyMarker, uploadIdMarker, ...page }));
}

export async function listParts(call: S3Call): Promise<Reply> {
  const { request, bucket, key, keyText } = call;
  const maxParts = countParameter(request, 'max-parts', limits.listKeysMax);
  const partNumberMarker = partMarker(request.queryFirst('part-number-marker'));
  const uploadId = request.queryFirst('uploadId') ?? '';
  const page = await call.objects.listParts(
    call.who,
    { bucket, key, uploadId },
    { after: partNumberMarker, limit: maxParts },
  );
  return xmlReply(
    listPartsDocument({
      bucket,
      key: keyText,
      upload: page.upload,
      parts: page.parts,
      partNumberMarker,
      maxParts,
      truncated: page.truncated && maxParts > 0,
    }),
  );
}

/** Parts after this number. @throws S3Error InvalidArgument */
export function partMarker(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw invalidArgument(
    'part-number-marker',
    text,
    'Argument part-number-marker must be an integer between 0 and 2147483647',
  );
}
