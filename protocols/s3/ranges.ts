// Byte ranges: `Range` of reads (RFC 9110 section 14, as S3 reads it) and `x-amz-copy-source-range`.

import { S3Error, invalidArgument } from './errors.ts';

/** As the object model takes it: from a byte to an inclusive last one, or the last bytes. */
export type ByteRange =
  | { readonly kind: 'from'; readonly first: number; readonly last?: number }
  | { readonly kind: 'suffix'; readonly bytes: number };

const single = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/i;

/** A Range header; undefined for what S3 ignores and answers with the whole: other units, several ranges, a
 *  malformed one, a last byte before the first. */
export function parseRange(value: string): ByteRange | undefined {
  const found = single.exec(value);
  if (found === null) return undefined;
  const [, first = '', last = ''] = found;
  if (first === '') return last === '' ? undefined : { kind: 'suffix', bytes: bounded(last) };
  if (last === '') return { kind: 'from', first: bounded(first) };
  const range = { kind: 'from', first: bounded(first), last: bounded(last) } as const;
  return range.first <= range.last ? range : undefined;
}

/** No object reaches 2^53 bytes, so that larger positions mean the same as the largest. */
function bounded(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
}

/** Both ends must be there. @throws S3Error InvalidArgument */
export function parseCopyRange(value: string): ByteRange {
  const found = /^bytes=(\d+)-(\d+)$/.exec(value);
  const range = found === null ? undefined : parseRange(value);
  if (range === undefined) {
    throw invalidArgument(
      'x-amz-copy-source-range',
      value,
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    );
  }
  return range;
}

/** `Content-Range` of a partial answer. */
export function contentRange(firstByte: number, lengthBytes: number, sizeBytes: number): string {
  return `bytes ${firstByte}-${firstByte + lengthBytes - 1}/${sizeBytes}`;
}

/** 416 with the size that the client should have known. */
export function invalidRange(sizeBytes: number | undefined, asked: string | undefined): S3Error {
  const fields = {
    ...(asked === undefined ? {} : { RangeRequested: asked }),
    ...(sizeBytes === undefined ? {} : { ActualObjectSize: String(sizeBytes) }),
  };
  const headers = sizeBytes === undefined ? {} : { 'Content-Range': `bytes */${sizeBytes}` };
  return new S3Error('InvalidRange', undefined, fields, headers);
}
