// Connections to stores, made when first needed, by the addresses that the manager tells.

import type { Clock } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import type { Address, Net } from '../env/net.ts';
import type { StorePlace } from '../client/routing-calls.ts';
import type { RpcClient } from '../rpc/call.ts';
import { ReconnectingClient } from '../rpc/client.ts';

export interface StorePeersParts {
  readonly net: Net;
  readonly clock: Clock;
  readonly events: Events;
  /** Name of this process, for the stores' logs. */
  readonly role: string;
  readonly token: Uint8Array;
}

export class StorePeers {
  private readonly parts: StorePeersParts;
  private readonly places = new Map<number, Address>();
  private readonly clients = new Map<number, ReconnectingClient>();
  /** A connection to a store is new: what it knew of this process may be gone. */
  onConnected: (store: number) => void = () => undefined;

  constructor(parts: StorePeersParts) {
    this.parts = parts;
  }

  learn(stores: readonly StorePlace[]): void {
    for (const { store, address } of stores) this.places.set(store, address);
  }

  /** undefined while nobody told where the store is. */
  to(store: number): RpcClient | undefined {
    const known = this.clients.get(store);
    if (known !== undefined) return known;
    const address = this.places.get(store);
    if (address === undefined) return undefined;
    const client = new ReconnectingClient({
      ...this.parts,
      address,
      onConnected: () => this.onConnected(store),
    });
    this.clients.set(store, client);
    return client;
  }

  close(): void {
    for (const client of this.clients.values()) client.close();
  }
}
