// The call by which clients and stores learn who serves which chain, and where stores listen (design 4.4): a long
// poll, answered at once when there is something newer than what the caller knows.

import { RoutingMessage } from '../chain/chain-messages.ts';
import { many, message, nested, optional, string, uint } from '../base/message.ts';
import type { MessageOf } from '../base/message.ts';
import type { Address } from '../env/net.ts';
import { defineCall } from '../rpc/call.ts';

/** A unix socket by its path, else host and port. */
const StoreAddress = message('StoreAddress', {
  store: uint(1),
  path: optional(string(2)),
  host: optional(string(3)),
  port: optional(uint(4)),
});

export const watchRouting = defineCall({
  id: 603,
  name: 'watchRouting',
  capability: 'read',
  lane: 'background',
  request: message('WatchRoutingRequest', {
    /** Version that the caller knows; 0: none. */
    known: uint(1),
  }),
  /** `routing` is absent when there was nothing newer for limits.routingPollMs. */
  response: message('WatchRoutingResponse', {
    routing: optional(nested(1, RoutingMessage)),
    stores: many(nested(2, StoreAddress)),
  }),
});

export interface StorePlace {
  readonly store: number;
  readonly address: Address;
}

export function placeToMessage({ store, address }: StorePlace): MessageOf<typeof StoreAddress> {
  if (address.kind === 'unix') return { store, path: address.path };
  return { store, host: address.host, port: address.port };
}

export function placeFromMessage(value: MessageOf<typeof StoreAddress>): StorePlace {
  const { store, path, host = '', port = 0 } = value;
  const address: Address =
    path === undefined ? { kind: 'tcp', host, port } : { kind: 'unix', path };
  return { store, address };
}
