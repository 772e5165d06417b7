// The part of a file system that new data leaves alone (design 4.6 rule 8). Whoever makes files of the disk asks
// here, so that slabs, journal segments and rows keep the same reserve.

import { limits } from '../base/limits.ts';

/** @returns bytes, of a file system of `totalBytes` */
export function reserveOf(totalBytes: number): number {
  const share = totalBytes / 20;
  const least = Math.min(limits.diskReserveBytesMin, totalBytes / 4);
  return Math.min(limits.diskReserveBytes, Math.max(share, least));
}
