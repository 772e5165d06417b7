// Numbers that are never reused (inodes, contents, uploads, sessions): taken from counter rows in ranges, so
// that an operation rarely needs a transaction for them. What a process took and did not use is lost.

import { id } from '../../base/ids.ts';
import type { ContentId, InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { counterKey } from '../keys.ts';
import type { CounterName } from '../keys.ts';
import type { MetaStore, MetaTransaction } from '../meta-store.ts';
import { CounterRow, decodeRow, encodeRow } from '../rows.ts';

/** Below are numbers with a meaning of their own: 0 is none, 1 the root. */
const firstNumber = 16;

/** Takes `count` numbers from a counter inside `transaction`; answers the first. */
export async function takeNumbers(
  transaction: MetaTransaction,
  name: CounterName,
  count: number,
): Promise<number> {
  const key = counterKey(name);
  const row = await transaction.get(key);
  const first = row === undefined ? firstNumber : decodeRow(CounterRow, row).next;
  transaction.set(key, encodeRow(CounterRow, { next: first + count }));
  return first;
}

interface Range {
  next: number;
  end: number;
  /** The refill under way, shared by all who wait. */
  refill: Promise<void> | undefined;
}

export class Numbers {
  private readonly store: MetaStore;
  private readonly ranges = new Map<CounterName, Range>();

  constructor(store: MetaStore) {
    this.store = store;
  }

  async inode(): Promise<InodeId> {
    return id<InodeId>(await this.take('inode'));
  }

  async content(): Promise<ContentId> {
    return id<ContentId>(await this.take('content'));
  }

  async take(name: CounterName): Promise<number> {
    const range = this.rangeOf(name);
    while (range.next === range.end) {
      range.refill ??= this.refill(name, range);
      // oxlint-disable-next-line no-await-in-loop -- others may have used the range up meanwhile
      await range.refill;
    }
    return range.next++;
  }

  private rangeOf(name: CounterName): Range {
    let range = this.ranges.get(name);
    if (range === undefined) {
      range = { next: 0, end: 0, refill: undefined };
      this.ranges.set(name, range);
    }
    return range;
  }

  private async refill(name: CounterName, range: Range): Promise<void> {
    try {
      const first = await this.store.transact((transaction) =>
        takeNumbers(transaction, name, limits.numbersPerRange),
      );
      range.next = first;
      range.end = first + limits.numbersPerRange;
    } finally {
      range.refill = undefined;
    }
  }
}
