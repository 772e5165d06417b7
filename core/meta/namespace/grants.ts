// Granted ranges of blob ids: whoever finds a chunk without a blob row asks here whether one may still come.

import { decodeSessionKey, sessionsRange } from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import { SessionGrantRow, decodeRow } from '../rows.ts';
import { pagesOf } from './pages.ts';

export interface IdRange {
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

/** Ranges of live sessions, and of ended ones that the janitor has not been through yet; in order. */
export async function grantedRanges(reader: MetaReader): Promise<IdRange[]> {
  const ranges: IdRange[] = [];
  for await (const rows of pagesOf(reader, sessionsRange('grant'))) {
    for (const [key, value] of rows) {
      const { firstBlob: first } = decodeSessionKey(key);
      ranges.push({ first, end: first + decodeRow(SessionGrantRow, value).count });
    }
  }
  return ranges.toSorted((a, b) => a.first - b.first);
}

/** @param ranges in order, as `grantedRanges` answers them */
export function isGranted(ranges: readonly IdRange[], blob: number): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as IdRange).end <= blob) low = middle + 1;
    else high = middle;
  }
  return low < ranges.length && (ranges[low] as IdRange).first <= blob;
}
