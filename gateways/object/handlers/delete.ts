// DeleteObject and DeleteObjects.

import type { DeleteConditions } from '../../../core/model/objects/types.ts';
import { type DeletedItem, deleteObjectsDocument } from '../../../protocols/s3/answer-documents.ts';
import { parseETags } from '../../../protocols/s3/conditions.ts';
import { invalidArgument } from '../../../protocols/s3/errors.ts';
import { parseHttpDate } from '../../../protocols/s3/http-date.ts';
import { type DeleteItem, readDelete } from '../../../protocols/s3/request-documents.ts';
import type { RawRequest } from '../../../protocols/s3/raw-request.ts';
import { toS3Error } from '../core-errors.ts';
import { type Reply, emptyReply, xmlReply } from '../reply.ts';
import type { S3Call } from '../s3-call.ts';

/** Removing what does not exist succeeds. */
export async function deleteObject(call: S3Call): Promise<Reply> {
  const { bucket, key } = call;
  const conditions = deleteConditions(call.request);
  const result = await call.objects.delete(call.who, {
    bucket,
    key,
    ...call.version(),
    conditions,
  });
  // Unlike other answers this one names a null version, too: a delete that names none tells what it did.
  const headers = result.versionId === undefined ? [] : ['x-amz-version-id', result.versionId];
  if (result.deleteMarker) headers.push('x-amz-delete-marker', 'true');
  return emptyReply(204, headers);
}

/** @throws S3Error InvalidArgument */
function deleteConditions(request: RawRequest): DeleteConditions {
  const match = request.header('if-match');
  const modified = request.header('x-amz-if-match-last-modified-time');
  const size = request.header('x-amz-if-match-size');
  return {
    ...(match === undefined ? {} : { ifMatch: parseETags(match) }),
    ...(modified === undefined ? {} : { lastModifiedMs: dateOf(modified) }),
    ...(size === undefined ? {} : { sizeBytes: sizeOf(size) }),
  };
}

/** A condition that cannot be read must not be dropped: the delete would lose what it protects. */
function dateOf(text: string): number {
  const ms = parseHttpDate(text);
  if (ms !== undefined) return ms;
  throw invalidArgument('x-amz-if-match-last-modified-time', text, 'The date is not valid.');
}

function sizeOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalidArgument('x-amz-if-match-size', text, 'The size is not valid.');
}

export async function deleteObjects(call: S3Call): Promise<Reply> {
  const { quiet, items } = readDelete(await call.requiredDocument());
  const results = await call.objects.deleteMany(call.who, call.bucket, items);
  const shown = items.map((item, at) => shownResult(call, item, results[at]));
  return xmlReply(deleteObjectsDocument(shown, quiet));
}

type Result = Awaited<ReturnType<S3Call['objects']['deleteMany']>>[number];

function shownResult(call: S3Call, item: DeleteItem, result: Result | undefined): DeletedItem {
  const { key, versionId } = item;
  const named = versionId === undefined ? { key } : { key, versionId };
  if (result === undefined || result instanceof Error) {
    const subject = { bucket: call.bucket, key: Buffer.from(key).toString() };
    return { ...named, error: toS3Error(result, subject) };
  }
  const marker =
    result.deleteMarker && result.versionId !== undefined ? result.versionId : undefined;
  return {
    ...named,
    deleteMarker: result.deleteMarker,
    ...(marker === undefined ? {} : { deleteMarkerVersionId: marker }),
  };
}
