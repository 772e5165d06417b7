// Answers what stores and clients ask of the manager (cluster-calls.ts, core/client/routing-calls.ts).

import { CoreError } from '../base/errors.ts';
import { ackToMessage, heartbeatFromMessage, routingToMessage } from '../chain/chain-messages.ts';
import { type StorePlace, placeToMessage, watchRouting } from '../client/routing-calls.ts';
import type { RpcRegistry } from '../rpc/call.ts';
import { heartbeat, joinCluster } from './cluster-calls.ts';
import type { ManagerDriver } from './manager-driver.ts';

export function registerManagerService(
  registry: RpcRegistry,
  driver: ManagerDriver,
  places: readonly StorePlace[],
): void {
  const known = new Set(places.map(({ store }) => store));
  const stores = places.map(placeToMessage);
  registry.register(joinCluster, async ({ store }) => {
    if (!known.has(store))
      throw new CoreError('DISK_REFUSED', `this cluster has no store ${store}`);
    return { response: { incarnation: await driver.nextProcess() } };
  });
  registry.register(heartbeat, async ({ beat, offline }) => {
    if (!known.has(beat.store))
      throw new CoreError('INVALID_ARGUMENT', `this cluster has no store ${beat.store}`);
    const ack = driver.heartbeat(heartbeatFromMessage(beat), offline);
    return { response: ack === undefined ? {} : { ack: ackToMessage(ack) } };
  });
  registry.register(watchRouting, async ({ known: version }) => {
    const routing = await driver.newer(version);
    const told = routing === undefined ? {} : { routing: routingToMessage(routing) };
    return { response: { ...told, stores } };
  });
}
