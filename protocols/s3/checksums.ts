// The checksum algorithms of S3 that are offered: names, sizes, incremental computation, and the
// arithmetic of multipart uploads (CRCs of parts combine to the object's, hashes are hashed again).
// Source: S3 API reference, "Checking object integrity". Work per byte is native or WebAssembly.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { crc32, crc32Combine } from '../../core/base/crc32.ts';
import { crc32c, crc32cCombine } from '../../core/base/crc32c.ts';
import { crc64nvme, crc64nvmeCombine } from '../../core/base/crc64nvme.ts';
import { DeferredHash, type Hasher } from './deferred-hash.ts';

export const checksumAlgorithms = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];
/** FULL_OBJECT: over the content. COMPOSITE: over the checksums of the parts. */
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Base64, without the `-N` of composite ones. */
  readonly value: string;
}

interface AlgorithmRow {
  readonly digestBytes: number;
  /** Types that a multipart upload may ask for; the first is the default. */
  readonly uploadTypes: readonly ChecksumType[];
  start(): Hasher;
  /** Checksum of A followed by B; absent for hashes. */
  readonly combine?: (a: Buffer, b: Buffer, bytesB: number) => Buffer;
}

type U32Crc = (bytes: Uint8Array, seed: number) => number;

class Crc32Hasher implements Hasher {
  private crc = 0;
  private readonly next: U32Crc;

  constructor(next: U32Crc) {
    this.next = next;
  }

  update(bytes: Uint8Array): void {
    this.crc = this.next(bytes, this.crc);
  }

  digest(): Buffer {
    return u32Bytes(this.crc);
  }
}

class Crc64Hasher implements Hasher {
  private crc = 0n;

  update(bytes: Uint8Array): void {
    this.crc = crc64nvme(bytes, this.crc);
  }

  digest(): Buffer {
    return u64Bytes(this.crc);
  }
}

function u32Bytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64Bytes(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

const either: readonly ChecksumType[] = ['COMPOSITE', 'FULL_OBJECT'];

const table: Record<ChecksumAlgorithm, AlgorithmRow> = {
  CRC32: {
    digestBytes: 4,
    uploadTypes: either,
    start: () => new Crc32Hasher(crc32),
    combine: (a, b, bytesB) => u32Bytes(crc32Combine(a.readUInt32BE(), b.readUInt32BE(), bytesB)),
  },
  CRC32C: {
    digestBytes: 4,
    uploadTypes: either,
    start: () => new Crc32Hasher(crc32c),
    combine: (a, b, bytesB) => u32Bytes(crc32cCombine(a.readUInt32BE(), b.readUInt32BE(), bytesB)),
  },
  CRC64NVME: {
    digestBytes: 8,
    uploadTypes: ['FULL_OBJECT'],
    start: () => new Crc64Hasher(),
    combine: (a, b, bytesB) =>
      u64Bytes(crc64nvmeCombine(a.readBigUInt64BE(), b.readBigUInt64BE(), bytesB)),
  },
  SHA1: { digestBytes: 20, uploadTypes: ['COMPOSITE'], start: () => new DeferredHash('sha1') },
  SHA256: { digestBytes: 32, uploadTypes: ['COMPOSITE'], start: () => new DeferredHash('sha256') },
};

/** In any case of letters; undefined when it is not offered. */
export function checksumAlgorithm(name: string): ChecksumAlgorithm | undefined {
  const upper = name.toUpperCase();
  return checksumAlgorithms.find((algorithm) => algorithm === upper);
}

/** `x-amz-checksum-crc32` and its kin: header, trailer and query parameter. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** `ChecksumCRC32`: element of documents. */
export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm}`;
}

export function startChecksum(algorithm: ChecksumAlgorithm): Hasher {
  return table[algorithm].start();
}

export function checksumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): string {
  const hasher = startChecksum(algorithm);
  hasher.update(bytes);
  return hasher.digest().toString('base64');
}

/** Types that a multipart upload with the algorithm may have; the first is the default. */
export function uploadChecksumTypes(algorithm: ChecksumAlgorithm): readonly ChecksumType[] {
  return table[algorithm].uploadTypes;
}

/** The bytes of a base64 checksum; undefined when it is not one of the algorithm. */
export function decodeChecksum(algorithm: ChecksumAlgorithm, value: string): Buffer | undefined {
  return decodeBase64(value, table[algorithm].digestBytes);
}

/** Exactly `bytes` bytes in padded standard base64. */
export function decodeBase64(text: string, bytes: number): Buffer | undefined {
  const decoded = Buffer.from(text, 'base64');
  return decoded.length === bytes && decoded.toString('base64') === text ? decoded : undefined;
}

// --- multipart

export interface PartChecksum {
  /** Base64. */
  readonly value: string;
  readonly sizeBytes: number;
}

/**
 * FULL_OBJECT checksum of the object that the parts make, in order.
 * @returns base64; undefined for an algorithm that does not combine, or a malformed value.
 */
export function combineChecksums(
  algorithm: ChecksumAlgorithm,
  parts: readonly PartChecksum[],
): string | undefined {
  const { combine } = table[algorithm];
  let whole = table[algorithm].start().digest();
  for (const part of parts) {
    const value = decodeChecksum(algorithm, part.value);
    if (combine === undefined || value === undefined) return undefined;
    whole = combine(whole, value, part.sizeBytes);
  }
  return whole.toString('base64');
}

/**
 * COMPOSITE checksum of the parts, in order: over their binary checksums.
 * @returns base64 without `-N`; undefined for a malformed value.
 */
export function compositeChecksum(
  algorithm: ChecksumAlgorithm,
  values: readonly string[],
): string | undefined {
  const hasher = startChecksum(algorithm);
  for (const text of values) {
    const value = decodeChecksum(algorithm, text);
    if (value === undefined) return undefined;
    hasher.update(value);
  }
  return hasher.digest().toString('base64');
}

/** ETag of a multipart object: MD5 over the parts' MD5s (hex, without quotes), then `-N`. */
export function multipartEtag(partMd5s: readonly string[]): string {
  const md5 = createHash('md5');
  for (const part of partMd5s) md5.update(part, 'hex');
  return `${md5.digest('hex')}-${partMd5s.length}`;
}

/** As S3 shows it: composite values end in `-N`; clients treat one without as the content's own. */
export function checksumText(checksum: Checksum, partCount: number): string {
  return checksum.type === 'COMPOSITE' ? `${checksum.value}-${partCount}` : checksum.value;
}
