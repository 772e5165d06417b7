// A range of rows, page after page.

import { Buffer } from 'node:buffer';
import type { KeyRange, MetaEntry, MetaReader } from '../meta-store.ts';

const rowsPerPage = 500;

export async function* pagesOf(reader: MetaReader, range: KeyRange): AsyncGenerator<MetaEntry[]> {
  for (let { from } = range, more = true; more;) {
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const rows = await reader.range({ from, to: range.to, limit: rowsPerPage });
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    more = rows.length === rowsPerPage;
    from = Buffer.concat([last[0], Buffer.of(0)]);
  }
}
