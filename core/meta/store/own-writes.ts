// Lays a transaction's own writes over a page of stored entries, so that it reads what it wrote. Pure.

import { byteKey } from '../../base/sorted-map.ts';
import type { KvMutation } from '../../env/kv.ts';
import type { MetaEntry, RangeRead } from '../meta-store.ts';

/** `stored` is a page of the range with room for every own write to hide an entry; `own` lies in the range. */
export function mergeOwnWrites(
  stored: readonly MetaEntry[],
  own: readonly (readonly [string, KvMutation])[],
  range: RangeRead,
): MetaEntry[] {
  const sign = range.reverse === true ? -1 : 1;
  const before = (a: string, b: string): boolean => (sign > 0 ? a < b : a > b);
  const writes = own.toSorted(([a], [b]) => (a === b ? 0 : before(a, b) ? -1 : 1));
  const page: MetaEntry[] = [];
  let next = 0;
  const takeWrite = (): void => {
    const [, { key, value }] = writes[next++] as (typeof writes)[number];
    if (value !== undefined) page.push([key, value]);
  };
  for (const entry of stored) {
    const key = byteKey(entry[0]);
    while (next < writes.length && before((writes[next] as (typeof writes)[number])[0], key)) {
      takeWrite();
    }
    if (next < writes.length && (writes[next] as (typeof writes)[number])[0] === key) takeWrite();
    else page.push(entry);
  }
  while (next < writes.length) takeWrite();
  return page.slice(0, range.limit);
}
