// A request's body from first byte to digests: what its headers say decides the framing and the digests,
// then pieces go through decoder and digester. The gateway pushes what the socket gives, stores the
// returned views, and commits only after `end` returned: until then nothing about the body is proven.

import { assert } from '../../core/base/assert.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import { makeBodyDecoder, type BodyDecoder, type BodyFraming } from './body-decoder.ts';
import {
  checksumHeader,
  decodeBase64,
  decodeChecksum,
  type ChecksumAlgorithm,
} from './checksums.ts';
import {
  badChecksum,
  ContentDigester,
  type ContentDigests,
  type DigestPlan,
  type PlannedChecksum,
} from './content-digester.ts';
import { S3Error, notImplemented } from './errors.ts';
import { hasSignedChunks, hasTrailer, type PayloadMode } from './payload-mode.ts';
import type { RawRequest } from './raw-request.ts';
import { parseStatedChecksum, trailerNames, type StatedChecksum } from './stated-checksum.ts';
import type { ChunkSigning } from './verify-signature.ts';

export interface ReceiveOptions {
  readonly request: RawRequest;
  /** Of the parsed authorization. */
  readonly payload: PayloadMode;
  /** Of the verified signature; undefined for anonymous requests. */
  readonly signing: ChunkSigning | undefined;
  /** Largest acceptable content. */
  readonly contentBytesMax: number;
  /** A body without Content-Length and Transfer-Encoding is refused, not taken as empty. */
  readonly lengthRequired?: boolean;
  /** ETag to answer with; without it the MD5 of the content is computed. */
  readonly etag?: string;
  /** Computed when the client states no checksum: the algorithm of the upload that a part belongs to. */
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  /** The stated checksum is that of an object, not of this body (CompleteMultipartUpload): not checked here. */
  readonly checksumOfObject?: boolean;
  /** Refuse interior chunks under 8 KiB, as AWS does. */
  readonly strictChunks?: boolean;
}

/** @returns the receiver, or the error that the headers alone already are (before a byte of the body). */
export function receiveBody(options: ReceiveOptions): Result<BodyReceiver, S3Error> {
  try {
    const framing = planFraming(options);
    const stated = parseStatedChecksum(options.request);
    if (!stated.ok) return stated;
    return ok(new BodyReceiver(framing, planDigests(options, stated.value)));
  } catch (error) {
    if (error instanceof S3Error) return err(error);
    throw error;
  }
}

export class BodyReceiver {
  /** Length of the content when the headers tell it. */
  readonly sizeBytes: number | undefined;
  private readonly decoder: BodyDecoder;
  private readonly digester: ContentDigester;

  /** @throws S3Error EntityTooLarge */
  constructor(framing: BodyFraming, plan: DigestPlan) {
    this.sizeBytes = framing.contentBytes;
    this.decoder = makeBodyDecoder(framing);
    this.digester = new ContentDigester(plan);
  }

  get receivedBytes(): number {
    return this.decoder.contentBytes;
  }

  /** Content in `bytes`, as views of it; neither may change before `end`.
   *  @throws S3Error; the receiver is dead then. */
  push(bytes: Uint8Array): Uint8Array[] {
    const pieces = this.decoder.push(bytes);
    for (const piece of pieces) this.digester.update(piece);
    return pieces;
  }

  /** The body ended: proves length, signatures, hashes and checksums. Once. @throws S3Error */
  end(): ContentDigests {
    this.decoder.end();
    return this.digester.finish(this.decoder.trailers);
  }
}

/** @throws S3Error MissingContentLength, InvalidRequest, NotImplemented */
function planFraming(options: ReceiveOptions): BodyFraming {
  const { request, payload, contentBytesMax, strictChunks = false } = options;
  const length = lengthHeader(request, 'content-length');
  const chunkedTransfer = isChunked(request);
  if (options.lengthRequired === true && length === undefined && !chunkedTransfer) {
    throw new S3Error('MissingContentLength');
  }
  const signed = hasSignedChunks(payload);
  const trailer = hasTrailer(payload);
  if (!trailer && request.header('x-amz-trailer') !== undefined) {
    throw new S3Error(
      'InvalidRequest',
      'x-amz-trailer needs an x-amz-content-sha256 with trailer.',
    );
  }
  if (!signed && !trailer) {
    const contentBytes = length ?? (chunkedTransfer ? undefined : 0);
    return { kind: 'plain', contentBytes, contentBytesMax };
  }
  const contentBytes = lengthHeader(request, 'x-amz-decoded-content-length');
  if (signed && contentBytes === undefined) throw new S3Error('MissingContentLength');
  assert(!signed || options.signing !== undefined, 'signed chunks need a verified signature');
  return {
    kind: 'aws-chunked',
    signing: signed ? options.signing : undefined,
    trailerNames: trailer ? trailerNames(request) : undefined,
    contentBytes,
    contentBytesMax,
    emptyBody: length === 0,
    strictChunks,
  };
}

/** Of the transfer codings only `chunked` is undone; a body stored in another one would not be the object.
 *  @throws S3Error NotImplemented */
function isChunked(request: RawRequest): boolean {
  const codings = request.headerValues('transfer-encoding').join(',').trim();
  if (codings === '') return false;
  if (codings.toLowerCase() === 'chunked') return true;
  throw notImplemented(`The transfer coding ${JSON.stringify(codings)}`);
}

/** @throws S3Error MissingContentLength for what is no length */
function lengthHeader(request: RawRequest, name: string): number | undefined {
  const text = request.header(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,20}$/.test(text)) throw new S3Error('MissingContentLength');
  // Beyond any object, so that larger ones mean the same as the largest.
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

/** @throws S3Error InvalidDigest, BadDigest (a value that cannot be one of its algorithm) */
function planDigests(options: ReceiveOptions, stated: StatedChecksum): DigestPlan {
  const { request, payload } = options;
  return {
    etag: options.etag,
    payloadSha256: payload.kind === 'sha256' ? payload.hex : undefined,
    contentMd5: parseContentMd5(request.header('content-md5')),
    checksum:
      options.checksumOfObject === true
        ? undefined
        : planChecksum(stated, options.checksumAlgorithm),
  };
}

function planChecksum(
  { body }: StatedChecksum,
  asked: ChecksumAlgorithm | undefined,
): PlannedChecksum | undefined {
  if (body === undefined) {
    if (asked === undefined) return undefined;
    return { algorithm: asked, expected: undefined, header: checksumHeader(asked) };
  }
  const { algorithm, value } = body;
  const header = checksumHeader(algorithm);
  if (value === undefined) return { algorithm, expected: 'trailer', header };
  const expected = decodeChecksum(algorithm, value);
  if (expected === undefined) throw badChecksum(algorithm);
  return { algorithm, expected, header };
}

function parseContentMd5(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  const md5 = decodeBase64(text, 16);
  if (md5 === undefined) {
    throw new S3Error('InvalidDigest', undefined, { 'Content-MD5': text });
  }
  return md5;
}
