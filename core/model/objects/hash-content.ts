// Digests of stored content, for copies that ask for a checksum the source does not carry. The hashes are
// injected: core computes none but CRC32C.

import { asBuffer } from '../../base/bytes.ts';
import type { ChecksumAlgorithm, ObjectChecksum } from './types.ts';

export interface RunningHash {
  /** The bytes may change after the call. */
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

/** Opens a running hash; digests are big-endian bytes as S3 encodes them. */
export type HashContent = (algorithm: ChecksumAlgorithm | 'MD5') => RunningHash;

const toBase64 = (bytes: Uint8Array): string => asBuffer(bytes).toString('base64');

const toHex = (bytes: Uint8Array): string => asBuffer(bytes).toString('hex');

export async function checksumOfContent(
  hash: HashContent,
  algorithm: ChecksumAlgorithm,
  content: AsyncIterable<Uint8Array>,
): Promise<ObjectChecksum> {
  const running = hash(algorithm);
  for await (const piece of content) running.update(piece);
  return { algorithm, type: 'FULL_OBJECT', value: toBase64(running.digest()) };
}

/** Checksum and MD5 in one pass: what a copied part needs. */
export async function md5OfContent(
  hash: HashContent,
  algorithm: ChecksumAlgorithm,
  content: AsyncIterable<Uint8Array>,
): Promise<{ etag: string; checksum: ObjectChecksum }> {
  const md5 = hash('MD5');
  const running = hash(algorithm);
  for await (const piece of content) {
    md5.update(piece);
    running.update(piece);
  }
  const checksum: ObjectChecksum = {
    algorithm,
    type: 'FULL_OBJECT',
    value: toBase64(running.digest()),
  };
  return { etag: toHex(md5.digest()), checksum };
}
