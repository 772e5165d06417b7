// The aws-chunked framing, signed or not, with or without trailers (docs/internals/s3-body.md):
//
//   body    = *chunk last
//   chunk   = size [";chunk-signature=" hex] CRLF content CRLF
//   last    = "0"  [";chunk-signature=" hex] CRLF (CRLF | trailers)
//   trailers = *(name ":" value EOL) ["x-amz-trailer-signature:" hex CRLF] CRLF
//
// Work in JavaScript is per line and per piece, never per content byte: lines are found by native
// indexOf, content is cut by subarray and hashed natively. Only a line that is split over two pushes is
// copied.

import { Buffer } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import { assert } from '../../core/base/assert.ts';
import { asBuffer } from '../../core/base/bytes.ts';
import { entityTooLarge, lengthMismatch } from './body-errors.ts';
import { ChunkSignatures } from './chunk-signatures.ts';
import { equalInConstantTime } from './constant-time.ts';
import { S3Error } from './errors.ts';
import { s3Limits } from './limits.ts';
import type { ChunkSigning } from './verify-signature.ts';

export interface AwsChunkedOptions {
  readonly kind: 'aws-chunked';
  /** Chunks and trailers carry signatures of this chain; undefined: unsigned. */
  readonly signing: ChunkSigning | undefined;
  /** Trailers follow the last chunk: the lower-case names of x-amz-trailer; undefined: none may. */
  readonly trailerNames: readonly string[] | undefined;
  /** x-amz-decoded-content-length, when sent. */
  readonly contentBytes: number | undefined;
  readonly contentBytesMax: number;
  /** Content-Length is 0: some clients send an empty object without any framing. */
  readonly emptyBody?: boolean;
  /** Refuse chunks under 8 KiB other than the last, as AWS does; else any size is accepted. */
  readonly strictChunks?: boolean;
}

type State = 'size' | 'content' | 'content-end' | 'last-end' | 'trailer' | 'done' | 'dead';

const signatureTrailer = 'x-amz-trailer-signature';
const unsignedSize = /^([0-9a-f]{1,16})(?:;[^\r]*)?$/i;
const signedSize = /^([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})$/;

export class AwsChunkedDecoder {
  contentBytes = 0;
  readonly trailers: ReadonlyMap<string, string>;
  private readonly options: AwsChunkedOptions;
  private readonly chain: ChunkSignatures | undefined;
  private readonly found = new Map<string, string>();
  private state: State = 'size';
  /** A line's beginning that came with an earlier push. */
  private partialLine = '';
  private started = false;

  // --- the current chunk
  private chunkIndex = 0;
  private chunkBytes = 0;
  /** Invariant: 0 unless the state is 'content'. */
  private remainingBytes = 0;
  private signature = '';
  private hash: Hash | undefined;

  // --- trailers
  private trailerLines = '';
  private trailerSignature: string | undefined;
  private emptyLine = false;

  constructor(options: AwsChunkedOptions) {
    this.options = options;
    this.trailers = this.found;
    this.chain = options.signing && new ChunkSignatures(options.signing);
  }

  push(bytes: Uint8Array): Uint8Array[] {
    assert(this.state !== 'dead', 'a body decoder was used after its end');
    const input = asBuffer(bytes);
    const pieces: Uint8Array[] = [];
    try {
      let at = 0;
      while (at < input.length) {
        this.started = true;
        if (this.state === 'content') at = this.takeContent(input, at, pieces);
        else if (this.state === 'done') throw malformed('bytes follow the last chunk');
        else at = this.takeLine(input, at);
      }
    } catch (error) {
      this.state = 'dead';
      throw error;
    }
    return pieces;
  }

  end(): void {
    assert(this.state !== 'dead', 'a body decoder was used after its end');
    const { state, options } = this;
    this.state = 'dead';
    if (!this.started && options.emptyBody === true && (options.contentBytes ?? 0) === 0) return;
    if (state !== 'done') throw new S3Error('IncompleteBody');
    if (options.contentBytes !== undefined && this.contentBytes !== options.contentBytes) {
      throw lengthMismatch('x-amz-decoded-content-length');
    }
    for (const name of options.trailerNames ?? []) {
      if (!this.found.has(name)) throw malformedTrailer(`the trailer ${name} is missing`);
    }
  }

  private takeContent(input: Buffer, at: number, pieces: Uint8Array[]): number {
    const end = Math.min(input.length, at + this.remainingBytes);
    const piece = input.subarray(at, end);
    this.hash?.update(piece);
    this.remainingBytes -= piece.length;
    this.contentBytes += piece.length;
    pieces.push(piece);
    if (this.remainingBytes === 0) {
      this.checkChunkSignature();
      this.state = 'content-end';
    }
    return end;
  }

  private takeLine(input: Buffer, at: number): number {
    const room = s3Limits.framingLineBytesMax - this.partialLine.length;
    const found = input.indexOf(0x0a, at);
    const end = found < 0 ? input.length : found + 1;
    if (end - at > room) throw malformed('a line of the framing is too long');
    const text = this.partialLine + input.toString('latin1', at, end);
    if (found < 0) {
      this.partialLine = text;
      return end;
    }
    this.partialLine = '';
    const crlf = text.endsWith('\r\n');
    this.onLine(text.slice(0, crlf ? -2 : -1), crlf);
    return end;
  }

  private onLine(line: string, crlf: boolean): void {
    if (this.state === 'trailer') return this.onTrailer(line);
    if (!crlf) throw malformed('a line of the framing does not end with CRLF');
    if (this.state === 'size') return this.onSize(line);
    if (line !== '') throw malformed('a chunk is longer than its size');
    this.state = this.state === 'content-end' ? 'size' : 'done';
  }

  private onSize(line: string): void {
    const match = (this.chain === undefined ? unsignedSize : signedSize).exec(line);
    if (match === null) throw malformed('a chunk header is malformed');
    const [, size = '', signature = ''] = match;
    const previousBytes = this.chunkBytes;
    this.chunkBytes = Number.parseInt(size, 16);
    this.signature = signature;
    this.checkSize(previousBytes);
    this.chunkIndex++;
    this.hash = this.chain === undefined ? undefined : createHash('sha256');
    if (this.chunkBytes > 0) {
      this.remainingBytes = this.chunkBytes;
      this.state = 'content';
      return;
    }
    this.checkChunkSignature();
    this.state = this.options.trailerNames === undefined ? 'last-end' : 'trailer';
  }

  /** Checks the new chunk's size before a byte of it is taken. */
  private checkSize(previousBytes: number): void {
    const { chunkBytes, options } = this;
    const total = this.contentBytes + chunkBytes;
    if (this.chain !== undefined && chunkBytes > s3Limits.signedChunkBytesMax) {
      const max = s3Limits.signedChunkBytesMax;
      const message = `A signed chunk must not be larger than ${max} bytes`;
      throw new S3Error('InvalidChunkSizeError', message, this.badChunk(chunkBytes, 1));
    }
    if (options.contentBytes !== undefined && total > options.contentBytes) {
      throw lengthMismatch('x-amz-decoded-content-length');
    }
    if (total > options.contentBytesMax) throw entityTooLarge(options.contentBytesMax, total);
    const small = this.chunkIndex > 0 && previousBytes < s3Limits.strictChunkBytesMin;
    if (options.strictChunks === true && small && chunkBytes > 0) {
      throw new S3Error('InvalidChunkSizeError', undefined, this.badChunk(previousBytes, 0));
    }
  }

  private badChunk(bytes: number, ahead: number): Record<string, string> {
    return { Chunk: String(this.chunkIndex + ahead), BadChunkSize: String(bytes) };
  }

  private checkChunkSignature(): void {
    if (this.chain === undefined || this.hash === undefined) return;
    const expected = this.chain.chunk(this.hash.digest('hex'));
    if (!equalInConstantTime(expected, this.signature)) {
      throw new S3Error('SignatureDoesNotMatch');
    }
  }

  private onTrailer(line: string): void {
    if (line === '') {
      // AWS's own example and minio-go put one empty line before the signature.
      const early = this.chain !== undefined && this.trailerSignature === undefined;
      if (!early || this.found.size === 0 || this.emptyLine) return this.endTrailers();
      this.emptyLine = true;
      return;
    }
    if (this.trailerSignature !== undefined) {
      throw malformedTrailer('a trailer follows the signature of the trailers');
    }
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (this.chain !== undefined && name === signatureTrailer) {
      this.trailerSignature = value;
      return;
    }
    if (this.options.trailerNames?.includes(name) !== true || this.found.has(name)) {
      throw malformedTrailer('a trailer is not one that x-amz-trailer names');
    }
    this.found.set(name, value);
    this.trailerLines += `${name}:${value}\n`;
  }

  private endTrailers(): void {
    if (this.chain !== undefined) {
      if (this.trailerSignature === undefined) {
        throw malformedTrailer(`${signatureTrailer} is missing`);
      }
      const expected = this.chain.trailer(this.trailerLines);
      if (!equalInConstantTime(expected, this.trailerSignature)) {
        throw new S3Error('SignatureDoesNotMatch');
      }
    }
    this.state = 'done';
  }
}

/** AWS answers broken framing as a body that ended early. */
function malformed(detail: string): S3Error {
  return new S3Error('IncompleteBody', `The request body terminated unexpectedly: ${detail}`);
}

function malformedTrailer(detail: string): S3Error {
  const message = `The request contained trailing data that was not well-formed or did not conform to our published schema: ${detail}`;
  return new S3Error('MalformedTrailerError', message);
}
