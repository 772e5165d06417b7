// Chains, routing and heartbeats on the wire and in rows (docs/internals/rpc.md, "Cluster"). Pure codecs: field
// numbers are for ever, and what does not make sense is refused with PROTOCOL.

import { CoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { ChainId, ChainVer, StoreId, TargetId } from '../base/ids.ts';
import { many, message, nested, optional, string, uint } from '../base/message.ts';
import type { MessageOf } from '../base/message.ts';
import { type Chain, type LocalState, localStates, publicStates } from './chain.ts';
import type { Heartbeat, HeartbeatAck, Routing, TargetReport } from './membership.ts';

// --- chains ----------------------------------------------------------------------------------------

const TargetMessage = message('ChainTarget', {
  id: uint(1),
  store: uint(2),
  state: string(3),
  identity: string(4),
  completeSince: uint(5),
});

export const ChainMessage = message('Chain', {
  id: uint(1),
  version: uint(2),
  targets: many(nested(3, TargetMessage)),
});

export const RoutingMessage = message('Routing', {
  version: uint(1),
  chains: many(nested(2, ChainMessage)),
});

export function chainToMessage(chain: Chain): MessageOf<typeof ChainMessage> {
  return { ...chain, targets: chain.targets.map((target) => ({ ...target })) };
}

/** @throws CoreError PROTOCOL */
export function chainFromMessage(value: MessageOf<typeof ChainMessage>): Chain {
  return {
    id: id<ChainId>(value.id),
    version: id<ChainVer>(value.version),
    targets: value.targets.map((target) => ({
      id: id<TargetId>(target.id),
      store: id<StoreId>(target.store),
      state: oneOf(publicStates, target.state),
      identity: target.identity,
      completeSince: id<ChainVer>(target.completeSince),
    })),
  };
}

export function routingToMessage(routing: Routing): MessageOf<typeof RoutingMessage> {
  return { version: routing.version, chains: routing.chains.map(chainToMessage) };
}

/** @throws CoreError PROTOCOL */
export function routingFromMessage(value: MessageOf<typeof RoutingMessage>): Routing {
  return { version: value.version, chains: value.chains.map(chainFromMessage) };
}

// --- heartbeats ------------------------------------------------------------------------------------

const ReportMessage = message('TargetReport', {
  target: uint(1),
  chainVersion: uint(2),
  local: string(3),
  identity: string(4),
  noted: uint(5),
  reason: string(6),
});

/** Times travel as they are: whole microseconds of the store's own clock, which only the store compares. */
export const HeartbeatMessage = message('Heartbeat', {
  store: uint(1),
  incarnation: uint(2),
  sequence: uint(3),
  sentUs: uint(4),
  routing: uint(5),
  targets: many(nested(6, ReportMessage)),
});

export const HeartbeatAckMessage = message('HeartbeatAck', {
  incarnation: uint(1),
  sentUs: uint(2),
  renewed: many(uint(3)),
  demoted: many(uint(4)),
  routing: optional(nested(5, RoutingMessage)),
});

export function heartbeatToMessage(beat: Heartbeat): MessageOf<typeof HeartbeatMessage> {
  const { sentMs, targets, ...rest } = beat;
  return { ...rest, sentUs: toMicroseconds(sentMs), targets: targets.map((it) => ({ ...it })) };
}

/** @throws CoreError PROTOCOL */
export function heartbeatFromMessage(value: MessageOf<typeof HeartbeatMessage>): Heartbeat {
  const { store, incarnation, sequence, sentUs, routing, targets } = value;
  return {
    store: id<StoreId>(store),
    incarnation,
    sequence,
    sentMs: sentUs / 1000,
    routing,
    targets: targets.map(reportFromMessage),
  };
}

function reportFromMessage(value: MessageOf<typeof ReportMessage>): TargetReport {
  return {
    target: id<TargetId>(value.target),
    chainVersion: id<ChainVer>(value.chainVersion),
    local: oneOf<LocalState>(localStates, value.local),
    identity: value.identity,
    noted: id<ChainVer>(value.noted),
    reason: value.reason,
  };
}

export function ackToMessage(ack: HeartbeatAck): MessageOf<typeof HeartbeatAckMessage> {
  const { incarnation, sentMs, renewed, demoted, routing } = ack;
  return {
    incarnation,
    sentUs: toMicroseconds(sentMs),
    renewed: [...renewed],
    demoted: [...demoted],
    ...(routing === undefined ? {} : { routing: routingToMessage(routing) }),
  };
}

/** @throws CoreError PROTOCOL */
export function ackFromMessage(value: MessageOf<typeof HeartbeatAckMessage>): HeartbeatAck {
  const { incarnation, sentUs, renewed, demoted, routing } = value;
  return {
    incarnation,
    sentMs: sentUs / 1000,
    renewed: renewed.map((target) => id<TargetId>(target)),
    demoted: demoted.map((target) => id<TargetId>(target)),
    ...(routing === undefined ? {} : { routing: routingFromMessage(routing) }),
  };
}

/** Rounded down: a lease is never longer for it. */
function toMicroseconds(ms: number): number {
  return Math.floor(ms * 1000);
}

function oneOf<T extends string>(known: readonly T[], text: string): T {
  const found = known.find((value) => value === text);
  if (found === undefined)
    throw new CoreError('PROTOCOL', `'${text}' is none of ${known.join(', ')}`);
  return found;
}
