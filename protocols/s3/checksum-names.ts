// Names of the checksum algorithms on the wire: header, XML element, and back. Values stay what they are:
// base64, a composite one with its `-N` suffix.

export const checksumAlgorithms = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface ShownChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** Base64; a composite one without its suffix. */
  readonly value: string;
}

/** A checksum that a client stated in XML. */
export interface StatedValue {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

/** `x-amz-checksum-crc32c`. */
export const checksumHeader = (algorithm: ChecksumAlgorithm): string =>
  `x-amz-checksum-${algorithm.toLowerCase()}`;

/** `ChecksumCRC32C`. */
export const checksumElement = (algorithm: ChecksumAlgorithm): string => `Checksum${algorithm}`;

/** The value as clients see it: a checksum of checksums names the number of parts. Clients skip values with
 *  `-N` when they verify a download, and fail on a composite value without it. */
export function shownValue(checksum: ShownChecksum, partCount: number): string {
  return checksum.type === 'COMPOSITE' ? `${checksum.value}-${partCount}` : checksum.value;
}
