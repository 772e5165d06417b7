// Checksum arithmetic of chunks: one CRC32C per checksum unit of a piece, and one of the chunk's logical
// content. Pure. Content checksums are kept by the linearity of CRC, so that an append or an overwrite never
// reads the rest of the chunk: crc(A‖B) follows from crc(A) and crc(B); replacing equal-length bytes xors
// the shifted difference in.

import { assert } from '../base/assert.ts';
import { crc32c, crc32cCombine } from '../base/crc32c.ts';

/** Checksums of consecutive units of the joined parts; the last may be shorter. One pass over the bytes. */
export function unitChecksums(parts: readonly Uint8Array[], unitBytes: number): number[] {
  return appendUnits([], 0, parts, unitBytes);
}

/** Checksums after `parts` were put behind `length` bytes that have the checksums `before`. */
export function appendUnits(
  before: readonly number[],
  length: number,
  parts: readonly Uint8Array[],
  unitBytes: number,
): number[] {
  assert(before.length === Math.ceil(length / unitBytes), 'one checksum per unit');
  const checksums = before.slice();
  const filled = length % unitBytes;
  // An unfinished unit goes on from its checksum: no byte of it is read again.
  let crc = filled > 0 ? (checksums.pop() as number) : 0;
  let room = unitBytes - filled;
  for (const part of parts) {
    let at = 0;
    while (at < part.length) {
      const take = Math.min(room, part.length - at);
      crc = crc32c(take === part.length ? part : part.subarray(at, at + take), crc);
      at += take;
      room -= take;
      if (room === 0) {
        checksums.push(crc);
        crc = 0;
        room = unitBytes;
      }
    }
  }
  if (room < unitBytes) checksums.push(crc);
  return checksums;
}

/** The checksum of `length` bytes from the checksums of their units. */
export function combineUnits(
  checksums: readonly number[],
  length: number,
  unitBytes: number,
): number {
  const [first] = checksums;
  if (first !== undefined && length <= unitBytes) return first;
  let crc = 0;
  let rest = length;
  for (const unit of checksums) {
    const bytes = Math.min(rest, unitBytes);
    crc = crc32cCombine(crc, unit, bytes);
    rest -= bytes;
  }
  assert(rest === 0, 'units cover the length');
  return crc;
}

/** Content checksum after bytes in its middle changed; `bytesAfter` is what follows the changed region. */
export function replaceInCrc(
  crc: number,
  region: { readonly before: number; readonly after: number; readonly bytesAfter: number },
): number {
  const difference = (region.before ^ region.after) >>> 0;
  return (crc ^ crc32cCombine(difference, 0, region.bytesAfter)) >>> 0;
}
