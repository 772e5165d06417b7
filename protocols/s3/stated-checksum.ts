// What a request says about checksums, over its many headers (docs/internals/s3-body.md has the table):
// x-amz-checksum-<algorithm> with a value, x-amz-trailer naming one that follows the body,
// x-amz-sdk-checksum-algorithm naming it again, x-amz-checksum-algorithm and x-amz-checksum-type of
// multipart uploads. Presigning clients move them into the query. Pure.

import { err, ok, type Result } from '../../core/base/result.ts';
import {
  checksumAlgorithm,
  checksumAlgorithms,
  startChecksum,
  uploadChecksumTypes,
  type ChecksumAlgorithm,
  type ChecksumType,
} from './checksums.ts';
import { notImplemented, S3Error } from './errors.ts';
import type { RawRequest } from './raw-request.ts';

export interface StatedChecksum {
  /** Of the body (of the object, in CompleteMultipartUpload). */
  readonly body:
    | undefined
    | {
        readonly algorithm: ChecksumAlgorithm;
        /** As sent, not checked for form; undefined: it comes as a trailer. */
        readonly value: string | undefined;
      };
  /** x-amz-checksum-algorithm: of the object to be made (CreateMultipartUpload, CopyObject). */
  readonly objectAlgorithm: ChecksumAlgorithm | undefined;
  /** x-amz-checksum-type */
  readonly type: ChecksumType | undefined;
}

/** Headers with the prefix that state no value. */
const settings: ReadonlySet<string> = new Set([
  'x-amz-checksum-algorithm',
  'x-amz-checksum-mode',
  'x-amz-checksum-type',
]);
const prefix = 'x-amz-checksum-';

/** Of the S3 model, but not offered here. */
const laterAlgorithms: ReadonlySet<string> = new Set([
  'MD5',
  'SHA512',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
]);

function invalidRequest(message: string): S3Error {
  return new S3Error('InvalidRequest', message);
}

function invalidValue(header: string): S3Error {
  return invalidRequest(`Value for ${header} header is invalid.`);
}

/** @returns InvalidRequest for contradictions, NotImplemented for an algorithm that is not offered. */
export function parseStatedChecksum(request: RawRequest): Result<StatedChecksum, S3Error> {
  try {
    const body = statedInHeader(request) ?? statedInTrailer(request) ?? statedInQuery(request);
    checkSdkAlgorithm(request.header('x-amz-sdk-checksum-algorithm'), body?.algorithm);
    const objectAlgorithm = setting(request, 'x-amz-checksum-algorithm');
    const type = setting(request, 'x-amz-checksum-type');
    return ok({
      body,
      objectAlgorithm: objectAlgorithm === undefined ? undefined : algorithmNamed(objectAlgorithm),
      type: type === undefined ? undefined : parseType(type),
    });
  } catch (error) {
    if (error instanceof S3Error) return err(error);
    throw error;
  }
}

/** A header, or the same hoisted into the query of a presigned request. */
function setting(request: RawRequest, name: string): string | undefined {
  return (
    request.header(name) ?? request.query.find((pair) => pair.name.toLowerCase() === name)?.value
  );
}

/** @throws S3Error */
function algorithmNamed(name: string): ChecksumAlgorithm {
  const algorithm = checksumAlgorithm(name);
  if (algorithm !== undefined) return algorithm;
  if (laterAlgorithms.has(name.toUpperCase())) {
    throw notImplemented(`The checksum algorithm ${name.toUpperCase()}`);
  }
  const known = checksumAlgorithms.join(', ');
  throw invalidRequest(
    `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${known}]`,
  );
}

function algorithmOfHeader(name: string): ChecksumAlgorithm {
  const suffix = name.slice(prefix.length);
  if (checksumAlgorithm(suffix) === undefined && !laterAlgorithms.has(suffix.toUpperCase())) {
    throw invalidRequest('The algorithm type you specified in x-amz-checksum- header is invalid.');
  }
  return algorithmNamed(suffix);
}

function isValueHeader(name: string): boolean {
  return name.startsWith(prefix) && !settings.has(name);
}

const severalValues =
  'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.';

function statedInHeader(request: RawRequest): StatedChecksum['body'] {
  const names = [...request.headerNames()].filter(isValueHeader);
  const values = names.flatMap((name) => request.headerValues(name));
  if (values.length > 1) throw invalidRequest(severalValues);
  const [name] = names;
  const [value] = values;
  if (name === undefined || value === undefined) return undefined;
  if (request.header('x-amz-trailer') !== undefined) throw invalidRequest(severalValues);
  return { algorithm: algorithmOfHeader(name), value };
}

function statedInTrailer(request: RawRequest): StatedChecksum['body'] {
  const names = trailerNames(request);
  if (names.length === 0) return undefined;
  const [name = ''] = names;
  if (names.length > 1 || !isValueHeader(name)) {
    throw invalidRequest('The value specified in the x-amz-trailer header is not supported');
  }
  return { algorithm: algorithmOfHeader(name), value: undefined };
}

/** Lower-case names of x-amz-trailer. */
export function trailerNames(request: RawRequest): string[] {
  const text = request.header('x-amz-trailer') ?? '';
  return text
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
}

/**
 * Some SDKs presign a PUT without knowing its body and put the checksum of the empty body into the URL; to
 * enforce it would break every upload through such a URL, and AWS does not. Any other value is meant.
 */
function statedInQuery(request: RawRequest): StatedChecksum['body'] {
  const pairs = request.query.filter((pair) => isValueHeader(pair.name.toLowerCase()));
  if (pairs.length > 1) throw invalidRequest(severalValues);
  const [pair] = pairs;
  if (pair === undefined) return undefined;
  const algorithm = algorithmOfHeader(pair.name.toLowerCase());
  const ofNothing = startChecksum(algorithm).digest().toString('base64');
  return pair.value === ofNothing ? undefined : { algorithm, value: pair.value };
}

/** @throws S3Error when x-amz-sdk-checksum-algorithm names another algorithm, or one without a checksum. */
function checkSdkAlgorithm(
  name: string | undefined,
  algorithm: ChecksumAlgorithm | undefined,
): void {
  if (name === undefined) return;
  const named = algorithmNamed(name);
  if (algorithm === undefined) {
    throw invalidRequest(
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  }
  if (named !== algorithm) throw invalidValue('x-amz-sdk-checksum-algorithm');
}

function parseType(text: string): ChecksumType {
  const upper = text.toUpperCase();
  if (upper === 'FULL_OBJECT' || upper === 'COMPOSITE') return upper;
  throw invalidValue('x-amz-checksum-type');
}

/** What CreateMultipartUpload fixes for its parts; undefined: no checksums. */
export function uploadChecksum(
  stated: StatedChecksum,
): Result<{ algorithm: ChecksumAlgorithm; type: ChecksumType } | undefined, S3Error> {
  const { objectAlgorithm: algorithm, type } = stated;
  if (algorithm === undefined) {
    if (type === undefined) return ok(undefined);
    const message =
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.';
    return err(invalidRequest(message));
  }
  const types = uploadChecksumTypes(algorithm);
  if (type !== undefined && !types.includes(type)) {
    const message = `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`;
    return err(invalidRequest(message));
  }
  return ok({ algorithm, type: type ?? (types[0] as ChecksumType) });
}

/** A value as CompleteMultipartUpload may state it: composite ones end in `-N`. */
export function splitCompositeValue(text: string): { value: string; partCount?: number } {
  const match = /^(.*)-(\d{1,5})$/.exec(text);
  if (match === null) return { value: text };
  return { value: match[1] as string, partCount: Number(match[2]) };
}
