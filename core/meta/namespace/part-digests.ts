// ETag and checksum of a multipart object from those of its parts, without its bytes (reference: S3's "Checking
// object integrity"): the MD5 of the parts' MD5s; a composite checksum is the checksum of the parts' binary
// checksums; a CRC of the whole follows from the parts' CRCs and lengths.

import { Buffer } from 'node:buffer';
import { crc32, crc32Combine } from '../../base/crc32.ts';
import { crc32c, crc32cCombine } from '../../base/crc32c.ts';
import { crc64nvmeCombine } from '../../base/crc64nvme.ts';
import { CoreError } from '../../base/errors.ts';
import type { Hasher } from '../../env/hasher.ts';
import type { Checksum } from '../messages.ts';

export interface DigestedPart {
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly checksum?: Checksum | undefined;
}

const digestBytes: Readonly<Record<string, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

/** @throws INVALID_ARGUMENT for an unknown algorithm or a value of a wrong length */
export function checkDigest({ algorithm, value }: Checksum): void {
  if (Buffer.from(value, 'base64').length === digestBytes[algorithm]) return;
  throw new CoreError('INVALID_ARGUMENT', `not a ${algorithm} checksum`);
}

export function etagOfParts(hasher: Hasher, parts: readonly Pick<DigestedPart, 'etag'>[]): string {
  // Every part's ETag is hex of 16 bytes: the client's MD5, or an opaque one of that form.
  const digest = hasher.digest(
    'MD5',
    parts.map(({ etag }) => Buffer.from(etag, 'hex')),
  );
  return `${Buffer.from(digest).toString('hex')}-${parts.length}`;
}

/** @throws PART_INVALID when a part lacks a checksum of the algorithm */
export function checksumOfParts(
  hasher: Hasher,
  algorithm: string,
  type: string,
  parts: readonly DigestedPart[],
): Checksum {
  const values = parts.map((part) => binaryChecksum(algorithm, part));
  const value =
    type === 'FULL_OBJECT'
      ? combined(algorithm, values, parts)
      : digestOf(hasher, algorithm, Buffer.concat(values));
  return { algorithm, type, value: value.toString('base64') };
}

function binaryChecksum(algorithm: string, { checksum, partNumber }: DigestedPart): Buffer {
  if (checksum?.algorithm === algorithm) return Buffer.from(checksum.value, 'base64');
  throw new CoreError('PART_INVALID', `part ${partNumber} has no ${algorithm} checksum`);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function digestOf(hasher: Hasher, algorithm: string, bytes: Buffer): Buffer {
  switch (algorithm) {
    case 'CRC32':
      return u32(crc32(bytes));
    case 'CRC32C':
      return u32(crc32c(bytes));
    case 'SHA1':
    case 'SHA256':
      return Buffer.from(hasher.digest(algorithm, [bytes]));
    default:
      throw new CoreError('INVALID_ARGUMENT', `${algorithm} has no composite checksum`);
  }
}

function combined(
  algorithm: string,
  values: readonly Buffer[],
  parts: readonly DigestedPart[],
): Buffer {
  const sizeAt = (at: number): number => (parts[at] as DigestedPart).sizeBytes;
  if (algorithm === 'CRC64NVME') {
    let crc = 0n;
    for (const [at, value] of values.entries()) {
      crc = crc64nvmeCombine(crc, value.readBigUInt64BE(), sizeAt(at));
    }
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(crc);
    return bytes;
  }
  if (algorithm !== 'CRC32' && algorithm !== 'CRC32C') {
    throw new CoreError('INVALID_ARGUMENT', `${algorithm} cannot be combined`);
  }
  const combine = algorithm === 'CRC32' ? crc32Combine : crc32cCombine;
  let crc = 0;
  for (const [at, value] of values.entries()) crc = combine(crc, value.readUInt32BE(), sizeAt(at));
  return u32(crc);
}
