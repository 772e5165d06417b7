// RPC calls between the processes of a cluster, ids 600–699, but for the routing that clients ask for too
// (core/client/routing-calls.ts). Page: docs/internals/rpc.md, "Cluster".

import { HeartbeatAckMessage, HeartbeatMessage } from '../chain/chain-messages.ts';
import { many, message, nested, optional, string, uint } from '../base/message.ts';
import { defineCall } from '../rpc/call.ts';
import { ReplicaRecord } from './replica-messages.ts';

/** Messages of one store's replicas to those of another, in order. Payload: their bytes, one after another, each with a
 *  checksum in its record. Answered when they were taken, not when they took effect. */
export const replicaMessages = defineCall({
  id: 600,
  name: 'replicaMessages',
  capability: 'store',
  lane: 'write',
  payloadProtected: true,
  request: message('ReplicaMessages', {
    /** Of the sender. */
    store: uint(1),
    incarnation: uint(2),
    /** Grows when a batch may have been lost; numbers begin at 1 in each. */
    stream: uint(3),
    number: uint(4),
    messages: many(nested(5, ReplicaRecord)),
  }),
  response: message('ReplicaMessagesResponse', {}),
});

/** A store process that starts. @throws DISK_REFUSED when the cluster has no such store */
export const joinCluster = defineCall({
  id: 601,
  name: 'joinCluster',
  capability: 'store',
  lane: 'background',
  request: message('JoinRequest', { store: uint(1) }),
  /** A number that no earlier process of any store had. */
  response: message('JoinResponse', { incarnation: uint(1) }),
});

export const heartbeat = defineCall({
  id: 602,
  name: 'heartbeat',
  capability: 'store',
  // Beside nothing that could hold it up.
  lane: 'background',
  request: message('HeartbeatRequest', {
    beat: nested(1, HeartbeatMessage),
    /** Why the store's disk takes no updates; absent while it does. */
    offline: optional(string(2)),
  }),
  /** Absent: the manager may not acknowledge anybody at the moment. */
  response: message('HeartbeatResponse', { ack: optional(nested(1, HeartbeatAckMessage)) }),
});
