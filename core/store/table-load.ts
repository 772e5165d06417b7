// Single reads of a Kv, gathered: what is asked for while reads are in flight goes out together when one
// returns. A trip through the thread pool costs ten times the lookup, so many callers share it.

import type { Kv } from '../env/kv.ts';

/** Trips at once: one is read while the answers of the other are worked on. */
const inFlightMax = 2;
const keysPerTripMax = 256;

interface Waiting {
  readonly key: Uint8Array;
  resolve(row: Uint8Array | undefined): void;
  reject(error: unknown): void;
}

export class RowLoader {
  private readonly kv: Kv;
  private waiting: Waiting[] = [];
  private inFlight = 0;

  constructor(kv: Kv) {
    this.kv = kv;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ key, resolve, reject });
      if (this.inFlight < inFlightMax) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.inFlight++;
    // Whatever else this turn asks for goes along.
    await Promise.resolve();
    for (;;) {
      const trip = this.waiting.splice(0, keysPerTripMax);
      if (trip.length === 0) break;
      // oxlint-disable-next-line no-await-in-loop -- the next trip takes what came meanwhile
      await this.load(trip);
    }
    this.inFlight--;
  }

  private async load(trip: readonly Waiting[]): Promise<void> {
    try {
      const [only] = trip;
      if (only !== undefined && trip.length === 1) {
        only.resolve(await this.kv.get(only.key));
        return;
      }
      const rows = await this.kv.getMany(trip.map(({ key }) => key));
      for (const [index, each] of trip.entries()) each.resolve(rows[index]);
    } catch (error) {
      for (const each of trip) each.reject(error);
    }
  }
}
