// The client's side of aws-chunked, for tests: frames content as signed or unsigned chunks, with or without
// trailers, in the exact form that protocols/s3/aws-chunked-decoder.ts reads.

import { sha256Hex } from '../../../protocols/s3/sign-request.ts';
import { ChunkSignatures } from '../../../protocols/s3/chunk-signatures.ts';
import type { ChunkSigning } from '../../../protocols/s3/verify-signature.ts';

export interface EncodeOptions {
  readonly signing?: ChunkSigning | undefined;
  /** Sizes of the chunks in turn; the rest of the content is the last. */
  readonly chunkBytes?: readonly number[];
  /** Present: the body ends with trailers. */
  readonly trailers?: readonly (readonly [name: string, value: string])[] | undefined;
}

export function encodeAwsChunked(content: Uint8Array, options: EncodeOptions = {}): Buffer {
  const { signing, trailers } = options;
  const chain = signing && new ChunkSignatures(signing);
  const parts: (string | Uint8Array)[] = [];
  const head = (bytes: Uint8Array) => {
    const signature =
      chain === undefined ? '' : `;chunk-signature=${chain.chunk(sha256Hex(bytes))}`;
    parts.push(`${bytes.length.toString(16)}${signature}\r\n`);
  };
  for (const piece of cut(content, options.chunkBytes ?? [])) {
    head(piece);
    parts.push(piece, '\r\n');
  }
  head(new Uint8Array(0));
  if (trailers === undefined) parts.push('\r\n');
  else parts.push(encodeTrailers(trailers, chain));
  return Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)));
}

function encodeTrailers(
  trailers: readonly (readonly [string, string])[],
  chain: ChunkSignatures | undefined,
): string {
  const lines = trailers.map(([name, value]) => `${name}:${value}\r\n`).join('');
  if (chain === undefined) return `${lines}\r\n`;
  const signed = trailers.map(([name, value]) => `${name.toLowerCase()}:${value}\n`).join('');
  return `${lines}x-amz-trailer-signature:${chain.trailer(signed)}\r\n\r\n`;
}

function cut(content: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of [...sizes, content.length]) {
    const piece = content.subarray(at, at + size);
    if (piece.length > 0) pieces.push(piece);
    at += piece.length;
  }
  return pieces;
}
