// First pages of several directories by few reads. Directories that were made one after another lie side by side
// in the store, and one read over all of them costs far less than one each. What such a read brings is used as
// far as it goes; the rest is read directory by directory.

import { compareBytes } from '../../base/bytes.ts';
import { mark } from '../../base/mark.ts';
import type { MetaEntry, MetaReader, RangeRead } from '../meta-store.ts';

export interface SideBySide {
  /** Of each range its first `limit` entries. */
  readonly pages: readonly (readonly MetaEntry[])[];
  /** Most of what was read lay between the ranges: not worth another attempt. */
  readonly scattered: boolean;
}

/** Reads disjoint ranges, `rowsMax` entries in one read at most. */
export async function readSideBySide(
  reader: MetaReader,
  ranges: readonly RangeRead[],
  rowsMax: number,
): Promise<SideBySide> {
  const order = ranges.map((range, index) => ({ range, index, page: [] as MetaEntry[] }));
  order.sort((a, b) => compareBytes(a.range.from, b.range.from));
  const [first, last] = [order[0], order.at(-1)];
  if (first === undefined || last === undefined) return { pages: [], scattered: false };
  const { from } = first.range;
  const rows = await reader.range({ from, to: last.range.to, limit: rowsMax });
  const reached = rows.length < rowsMax ? undefined : rows.at(-1)?.[0];
  let at = 0;
  let used = 0;
  const missing: typeof order = [];
  for (const each of order) {
    const { range, page } = each;
    while (at < rows.length && compareBytes((rows[at] as MetaEntry)[0], range.from) < 0) at++;
    for (; at < rows.length && page.length < range.limit; at++) {
      const row = rows[at] as MetaEntry;
      if (compareBytes(row[0], range.to) >= 0) break;
      page.push(row);
    }
    used += page.length;
    const whole = reached === undefined || compareBytes(range.to, reached) <= 0;
    if (!whole && page.length < range.limit) missing.push(each);
  }
  if (missing.length > 0) {
    mark('list.apart');
    const pages = await reader.rangeMany(missing.map(({ range }) => range));
    for (const [index, each] of missing.entries()) each.page = pages[index] as MetaEntry[];
  }
  const pages = ranges.map((): readonly MetaEntry[] => []);
  for (const { index, page } of order) pages[index] = page;
  return { pages, scattered: used * 2 < rows.length };
}
