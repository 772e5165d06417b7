// Keeps a process told of who serves: asks the manager for something newer, again and again.

import { toCoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { routingFromMessage } from '../chain/chain-messages.ts';
import type { Routing } from '../chain/membership.ts';
import { type StorePlace, placeFromMessage, watchRouting } from '../client/routing-calls.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import type { RpcClient } from '../rpc/call.ts';

export interface RoutingWatchParts {
  /** To the manager. */
  readonly rpc: RpcClient;
  readonly clock: Clock;
  readonly events: Events;
  readonly onStores: (stores: readonly StorePlace[]) => void;
  readonly onRouting: (routing: Routing) => void;
}

/** Before the next question after one that failed. */
const againMs = 250;

export class RoutingWatch {
  private readonly parts: RoutingWatchParts;
  private readonly abort = new AbortController();
  private known = 0;
  private timer: Timer | undefined;

  constructor(parts: RoutingWatchParts) {
    this.parts = parts;
    void this.ask();
  }

  close(): void {
    this.abort.abort();
    this.timer?.cancel();
  }

  private async ask(): Promise<void> {
    const { rpc, events, clock, onStores, onRouting } = this.parts;
    const { signal } = this.abort;
    const deadlineMs = limits.routingPollMs + limits.rpcConnectWaitMs;
    while (!signal.aborted) {
      try {
        const { known } = this;
        // oxlint-disable-next-line no-await-in-loop -- question after question
        const { response } = await rpc.call(watchRouting, { known }, { deadlineMs, signal });
        onStores(response.stores.map(placeFromMessage));
        if (response.routing === undefined) continue;
        const routing = routingFromMessage(response.routing);
        this.known = routing.version;
        onRouting(routing);
      } catch (error) {
        if (signal.aborted) return;
        events.emit('debug', 'routing.not-told', { error: toCoreError(error).message });
        this.timer = clock.after(againMs, () => void this.ask());
        return;
      }
    }
  }
}
