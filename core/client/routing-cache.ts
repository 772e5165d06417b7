// What a client knows of who serves: the newest routing that it was told, and whoever waits for a newer one. A machine;
// its driver (core/cluster/routing-watch.ts) feeds it.

import { CoreError } from '../base/errors.ts';
import type { ChainId, ChunkId } from '../base/ids.ts';
import type { Chain } from '../chain/chain.ts';
import { chainOfChunk, stripeOf } from '../chain/layout.ts';
import type { Routing } from '../chain/membership.ts';
import type { Clock } from '../env/clock.ts';
import type { BlobLayout } from './types.ts';

export class RoutingCache {
  private readonly clock: Clock;
  private chains: ReadonlyMap<ChainId, Chain> = new Map();
  private readonly listeners = new Set<() => void>();
  version = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  update(routing: Routing): void {
    if (routing.version <= this.version) return;
    this.version = routing.version;
    this.chains = new Map(routing.chains.map((chain) => [chain.id, chain]));
    for (const listener of this.listeners) listener();
  }

  get all(): readonly Chain[] {
    return [...this.chains.values()];
  }

  chain(id: ChainId): Chain | undefined {
    return this.chains.get(id);
  }

  /** The chain of a chunk: of the table's chains, in order of their numbers, the stripe that layout and blob choose
   *  (docs/internals/chain-table.md). @throws CoreError UNAVAILABLE before the first routing, CORRUPT */
  chainOf(layout: BlobLayout, { blob, index }: ChunkId): Chain {
    if (this.chains.size === 0) throw new CoreError('UNAVAILABLE', 'nobody told the chains yet');
    if (layout.table !== 1 || layout.tableVersion !== 1)
      throw new CoreError(
        'CORRUPT',
        `blob ${blob} is in chain table ${layout.table}, version ${layout.tableVersion}, which does not exist`,
      );
    const chains = [...this.chains.keys()].toSorted((a, b) => a - b);
    const seed = (layout.seed + blob) % 2 ** 32;
    const stripe = stripeOf({ id: 1, version: 1, chains }, { stripe: layout.stripe, seed });
    return this.chains.get(chainOfChunk(stripe, index)) as Chain;
  }

  /** Calls `listener` at each newer routing, until the answered function is called. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Until something newer comes, but no longer than this. */
  changed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.after(ms, () => end());
      const stop = this.onChange(() => end());
      const end = (): void => {
        timer.cancel();
        stop();
        resolve();
      };
    });
  }
}
