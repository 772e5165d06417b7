// GetObject and HeadObject: conditions, ranges, parts, checksums, header overrides.

import type { ObjectHead, ReadRequest } from '../../../core/model/objects/types.ts';
import { ReadRefused } from '../../../core/model/objects/types.ts';
import { isCoreError } from '../../../core/base/errors.ts';
import { checksumHeader, checksumText } from '../../../protocols/s3/checksums.ts';
import { parseETags, readConditions } from '../../../protocols/s3/conditions.ts';
import { S3Error } from '../../../protocols/s3/errors.ts';
import { parseHttpDate } from '../../../protocols/s3/http-date.ts';
import {
  headerOverrides,
  objectHeaders,
  validatorHeaders,
} from '../../../protocols/s3/object-headers.ts';
import {
  type ByteRange,
  contentRange,
  invalidRange,
  parseRange,
} from '../../../protocols/s3/ranges.ts';
import { type Reply, emptyReply } from '../reply.ts';
import { type S3Call, parsePartNumber } from '../s3-call.ts';

export async function getObject(call: S3Call): Promise<Reply> {
  const overrides = headerOverrides(call.request.query);
  return read(call, async (request) => {
    const content = await call.objects.get(call.who, request);
    const headers = objectHeaders(content.info, overrides);
    describe(call, request, content, headers);
    return { status: statusOf(content), headers, content };
  });
}

export async function headObject(call: S3Call): Promise<Reply> {
  const overrides = headerOverrides(call.request.query);
  return read(call, async (request) => {
    const head = await call.objects.head(call.who, request);
    const headers = objectHeaders(head.info, overrides);
    describe(call, request, head, headers);
    headers.push('Content-Length', String(head.lengthBytes));
    return emptyReply(statusOf(head), headers);
  });
}

/** What a read asks for, and how a refused one is answered. */
async function read(call: S3Call, answer: Answer): Promise<Reply> {
  const { request } = call;
  const rangeHeader = request.header('range');
  const partNumber = request.queryFirst('partNumber');
  if (rangeHeader !== undefined && partNumber !== undefined) {
    throw new S3Error(
      'InvalidRequest',
      'Cannot specify both Range header and partNumber query parameter',
    );
  }
  const range = rangeHeader === undefined ? undefined : parseRange(rangeHeader);
  const whole: ReadRequest = {
    bucket: call.bucket,
    key: call.key,
    ...call.version(),
    conditions: readConditions(request),
  };
  try {
    if (partNumber !== undefined)
      return await answer({ ...whole, partNumber: parsePartNumber(partNumber) });
    if (range === undefined) return await answer(whole);
    const validator = request.header('if-range');
    if (validator === undefined) return await answer({ ...whole, range });
    return await readIfRange(call, { whole, range, validator, answer });
  } catch (error) {
    return refused(error, rangeHeader);
  }
}

type Answer = (request: ReadRequest) => Promise<Reply>;

interface IfRangeRead {
  readonly whole: ReadRequest;
  readonly range: ByteRange;
  readonly validator: string;
  readonly answer: Answer;
}

/** RFC 9110 section 13.1.5: the range of the object that the client knows, or the whole of another one. */
async function readIfRange(
  call: S3Call,
  { whole, range, validator, answer }: IfRangeRead,
): Promise<Reply> {
  const { info } = await call.objects.head(call.who, whole);
  const dateMs = parseHttpDate(validator);
  const known =
    dateMs === undefined
      ? matches(validator, info.etag)
      : Math.floor(info.lastModifiedMs / 1000) * 1000 === dateMs;
  if (!known) return answer(whole);
  try {
    return await answer({ ...whole, range, conditions: { ifMatch: [info.etag] } });
  } catch (error) {
    // Overwritten in between.
    if (isCoreError(error, 'CONDITION_FAILED')) return answer(whole);
    throw error;
  }
}

function matches(validator: string, etag: string): boolean {
  const tags = parseETags(validator);
  return tags !== '*' && tags.length === 1 && tags[0] === etag;
}

/** @throws S3Error InvalidRange, PreconditionFailed, and whatever is no refusal */
function refused(error: unknown, asked: string | undefined): Reply {
  if (!(error instanceof ReadRefused)) throw error;
  if (error.errorName === 'NOT_MODIFIED') return emptyReply(304, validatorHeaders(error.info));
  if (error.errorName === 'RANGE_NOT_SATISFIABLE') throw invalidRange(error.info.sizeBytes, asked);
  throw error;
}

/** No part of nothing can be named in a Content-Range. */
const isPartial = (head: ObjectHead): boolean => head.partial && head.lengthBytes > 0;

const statusOf = (head: ObjectHead): number => (isPartial(head) ? 206 : 200);

/** Headers that depend on what was asked for. */
function describe(call: S3Call, request: ReadRequest, head: ObjectHead, headers: string[]): void {
  const { info, firstByte, lengthBytes } = head;
  if (isPartial(head))
    headers.push('Content-Range', contentRange(firstByte, lengthBytes, info.sizeBytes));
  if (request.partNumber !== undefined && info.partCount > 0)
    headers.push('x-amz-mp-parts-count', String(info.partCount));
  if (wantsChecksum(call)) addChecksum(request, head, headers);
}

function wantsChecksum({ request }: S3Call): boolean {
  const mode = request.header('x-amz-checksum-mode') ?? request.queryFirst('x-amz-checksum-mode');
  return mode?.toUpperCase() === 'ENABLED';
}

/** Clients check what they got against the header: the whole's checksum never goes with a part. */
function addChecksum(request: ReadRequest, head: ObjectHead, headers: string[]): void {
  const { info, partChecksum } = head;
  const { checksum } = info;
  if (request.partNumber !== undefined && info.partCount > 0) {
    if (partChecksum === undefined) return;
    headers.push(checksumHeader(partChecksum.algorithm), partChecksum.value);
    headers.push('x-amz-checksum-type', checksum?.type ?? partChecksum.type);
  } else if (checksum !== undefined && !head.partial) {
    headers.push(checksumHeader(checksum.algorithm), checksumText(checksum, info.partCount));
    headers.push('x-amz-checksum-type', checksum.type);
  }
}
