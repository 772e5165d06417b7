// Reading and trimming outbox topics. Entries are rows in the order of commit numbers; since commits become
// visible in that order, an entry never appears before a position that was already returned.

import { limits } from '../../base/limits.ts';
import type { CommitPosition, MetaReader, OutboxEntry } from '../meta-store.ts';
import { outboxAfter, outboxPosition, outboxThrough } from './keyspace.ts';
import type { OptimisticTransaction } from './transaction.ts';

export interface ReservedRows extends MetaReader {
  begin(): OptimisticTransaction;
}

export async function readOutbox(
  store: MetaReader,
  topic: string,
  after: CommitPosition | undefined,
  limit: number,
): Promise<OutboxEntry[]> {
  const rows = await store.range({ ...outboxAfter(topic, after), limit });
  return rows.map(([key, value]) => ({ position: outboxPosition(key), value }));
}

/** Removes entries up to `through` in bounded transactions: one that fails leaves the newest entries. */
export async function trimOutbox(
  store: ReservedRows,
  topic: string,
  through: CommitPosition,
): Promise<void> {
  const range = { ...outboxThrough(topic, through), limit: limits.metaMutationsMax };
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- each transaction removes what the last one left
    const rows = await store.range(range);
    if (rows.length > 0) {
      const transaction = store.begin();
      transaction.deleteReserved(rows.map(([key]) => key));
      // oxlint-disable-next-line no-await-in-loop
      await transaction.commit();
    }
    if (rows.length < range.limit) return;
  }
}
