// Ages of commit tokens. Their time is the wall clock of the start carried on by the monotonic clock, so that
// a jump of the wall clock cannot drop a token while a client still retries.

import { limits } from '../../base/limits.ts';
import type { Clock } from '../../env/clock.ts';
import { tokenRange, tokenTimeMs } from './keyspace.ts';
import type { ReservedRows } from './outbox.ts';

/** Rows looked at in one step: tokens are random, so that the steps pass evenly over all of them. */
const rowsPerStep = 1000;

export class TokenKeeper {
  private readonly clock: Clock;
  private readonly originMs: number;
  /** Where the next step begins. */
  private from: Uint8Array = tokenRange().from;

  constructor(clock: Clock) {
    this.clock = clock;
    this.originMs = clock.wallMs() - clock.now();
  }

  wallMs(): number {
    return this.originMs + this.clock.now();
  }

  /** One step of housekeeping: removes tokens older than limits.commitTokenKeptMs among the next rows. */
  async prune(store: ReservedRows): Promise<void> {
    const { from: start, to } = tokenRange();
    const rows = await store.range({ from: this.from, to, limit: rowsPerStep });
    const oldestMs = this.wallMs() - limits.commitTokenKeptMs;
    const old = rows.filter(([, value]) => tokenTimeMs(value) < oldestMs).map(([key]) => key);
    for (let at = 0; at < old.length; at += limits.metaMutationsMax) {
      const transaction = store.begin();
      transaction.deleteReserved(old.slice(at, at + limits.metaMutationsMax));
      // oxlint-disable-next-line no-await-in-loop -- one after another: housekeeping takes no share of a group
      await transaction.commit();
    }
    const last = rows.at(-1);
    this.from = rows.length < rowsPerStep || last === undefined ? start : last[0];
  }
}
