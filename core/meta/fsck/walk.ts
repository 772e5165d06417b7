// How fsck looks at things. A walk reads rows page by page while the system may change them, so what looks
// wrong there is only a suspicion. It is judged again before it becomes a finding: by the same check inside one
// transaction, whose commit proves that everything it read held at one moment, or by a confirmation of its own
// where a transaction is too small (contents.ts, blobs.ts).

import { Buffer } from 'node:buffer';
import { compareBytes } from '../../base/bytes.ts';
import { CoreError, isCoreError } from '../../base/errors.ts';
import type { ErrorName } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import { mapParallel } from '../../base/parallel.ts';
import type { ChunkInventory } from '../chunk-inventory.ts';
import type { KeyRange, MetaEntry, MetaReader, MetaStore } from '../meta-store.ts';
import { findingTable } from './finding.ts';
import type { Found, Subject } from './finding.ts';
import { whereOf } from './names.ts';
import type { FsckReport } from './report.ts';

/** Reads, judges, changes nothing; may be repeated. */
export type Check = (reader: MetaReader) => Promise<readonly Found[]>;

/** Judges one row by what it reads beside it. */
export type RowCheck = (reader: MetaReader, row: MetaEntry) => Promise<readonly Found[]>;

export type CheckedChunks = Pick<ChunkInventory, 'scan' | 'stat'>;

export interface FsckOptions {
  readonly store: MetaStore;
  /** Absent: chunks are not compared. */
  readonly chunks?: CheckedChunks | undefined;
  readonly report: FsckReport;
  /** Keys whose rows cannot be read, in order: ranges do not get past them. */
  readonly damaged?: readonly Uint8Array[];
  /** Whoever waits for the report has gone: the check ends with CANCELLED. */
  readonly cancelled?: () => boolean;
}

type KeyDecoder = (key: Uint8Array) => unknown;

interface PageOptions {
  /** Rows of a page. */
  readonly rows?: number;
  /** Throws CORRUPT on a key that is none of the keyspace. */
  readonly key?: KeyDecoder;
}

export class Walk {
  readonly store: MetaStore;
  readonly chunks: CheckedChunks | undefined;
  readonly report: FsckReport;
  private readonly damaged: readonly Uint8Array[];
  private readonly cancelled: () => boolean;

  constructor({ store, chunks, report, damaged = [], cancelled = () => false }: FsckOptions) {
    this.store = store;
    this.chunks = chunks;
    this.report = report;
    this.damaged = damaged.toSorted(compareBytes);
    this.cancelled = cancelled;
  }

  // --- pages -------------------------------------------------------------------------------------

  /** The rows of a range in order, but for the damaged ones and those whose keys `key` cannot decode, which
   *  are findings. @throws CANCELLED */
  async *pages(
    range: KeyRange,
    { rows = limits.scanRowsMax, key }: PageOptions = {},
  ): AsyncGenerator<MetaEntry[]> {
    for await (const page of this.unkeyedPages(range, rows)) {
      const kept = key === undefined ? page : await this.withKeys(page, key);
      if (kept.length > 0) yield kept;
    }
  }

  private async withKeys(page: MetaEntry[], decode: KeyDecoder): Promise<MetaEntry[]> {
    const found = await this.judge(page, async (_reader, [key]) => {
      decode(key);
      return [];
    });
    await this.add(found.flat());
    return page.filter((_, at) => found[at]?.length === 0);
  }

  private async *unkeyedPages(range: KeyRange, rowsPerPage: number): AsyncGenerator<MetaEntry[]> {
    let { from } = range;
    for (const key of [...this.damagedIn(range), range.to]) {
      try {
        yield* this.soundPages({ from, to: key }, rowsPerPage);
      } catch (error) {
        // More rows are damaged than the table named.
        if (!isCoreError(error, 'CORRUPT')) throw error;
        const subject: Subject = { kind: 'row', key: from };
        // oxlint-disable-next-line no-await-in-loop
        await this.add([{ kind: 'rows-unchecked', subject, detail: error.message }]);
        return;
      }
      from = Buffer.concat([key, Buffer.of(0)]);
    }
  }

  damagedIn({ from, to }: KeyRange): readonly Uint8Array[] {
    return this.damaged.filter((key) => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0);
  }

  private async *soundPages(range: KeyRange, limit: number): AsyncGenerator<MetaEntry[]> {
    for (let { from } = range; compareBytes(from, range.to) < 0;) {
      if (this.cancelled()) throw new CoreError('CANCELLED', 'the check was given up');
      // oxlint-disable-next-line no-await-in-loop -- page after page
      const page = await this.store.range({ from, to: range.to, limit });
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (last === undefined || page.length < limit) return;
      from = Buffer.concat([last[0], Buffer.of(0)]);
    }
  }

  // --- judging -----------------------------------------------------------------------------------

  /** Judges every row of a range, and what is suspicious once more in a transaction. `see` is shown each row
   *  that can be read. */
  async rows(
    name: string,
    range: KeyRange,
    check: RowCheck,
    see?: (row: MetaEntry) => void,
  ): Promise<void> {
    this.report.count(name, 0);
    for await (const page of this.pages(range)) {
      this.report.count(name, page.length);
      const found = await this.judge(page, check);
      for (const [at, row] of page.entries())
        if (!found[at]?.some(({ kind }) => kind === 'row-unreadable')) see?.(row);
      for (const [key] of page.filter((_, at) => (found[at]?.length ?? 0) > 0))
        // oxlint-disable-next-line no-await-in-loop -- rare
        await this.confirm({ kind: 'row', key }, rowAgain(key, check));
    }
  }

  judge(page: readonly MetaEntry[], check: RowCheck): Promise<(readonly Found[])[]> {
    return mapParallel(page, limits.fsckParallel, (row) =>
      readable({ kind: 'row', key: row[0] }, () => check(this.store, row)),
    );
  }

  /** Runs a check in one transaction; what it finds there is a finding. */
  async confirm(subject: Subject, check: Check): Promise<void> {
    mark('fsck.confirm');
    try {
      await this.add(
        await this.store.transact((transaction) => readable(subject, () => check(transaction))),
      );
    } catch (error) {
      if (!isCoreError(error) || !unsettled.has(error.errorName)) throw error;
      await this.add([{ kind: 'undecided', subject, detail: error.message }]);
    }
  }

  async add(found: readonly Found[]): Promise<void> {
    for (const { kind, subject, detail } of found) {
      const { severity, action } = findingTable[kind];
      if (!this.report.keeps(severity)) {
        this.report.addUnkept(severity);
        continue;
      }
      // oxlint-disable-next-line no-await-in-loop -- bounded by what a report keeps
      const where = await whereOf(this.store, subject);
      this.report.add({ severity, kind, where, detail, action });
    }
  }
}

/** What it looked at changed at every attempt, or is too much for one transaction. */
const unsettled: ReadonlySet<ErrorName> = new Set([
  'CONFLICT',
  'TRANSACTION_TOO_OLD',
  'TRANSACTION_TOO_LARGE',
  'BUSY',
]);

/** The row as it is then; a row that is gone is nobody's. */
export function rowAgain(key: Uint8Array, check: RowCheck): Check {
  return async (reader) => {
    const value = await reader.get(key);
    return value === undefined ? [] : check(reader, [key, value]);
  };
}

/** A row that does not decode is a finding too, whoever read it. */
export async function readable(
  subject: Subject,
  check: () => Promise<readonly Found[]>,
): Promise<readonly Found[]> {
  try {
    return await check();
  } catch (error) {
    if (!isCoreError(error, 'CORRUPT') && !isCoreError(error, 'VERSION_UNSUPPORTED')) throw error;
    return [{ kind: 'row-unreadable', subject, detail: error.message }];
  }
}

/** True when the range holds a row. */
export async function holds(reader: MetaReader, range: KeyRange): Promise<boolean> {
  return (await reader.range({ ...range, limit: 1 })).length > 0;
}
