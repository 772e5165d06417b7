// Runs the targets of a store process (core/replica/host.ts): timers, heartbeats to the manager, messages to other
// stores, routing. Rules that only hold if effects happen in order are the machine's; here nothing is decided.
//
// Heartbeats are sent by the same loop that serves. A loop that stands still for half of T therefore fences itself;
// design 4.4 wants them on a thread of their own, so that a busy loop does not end a lease. A turn of the loop is
// far shorter than that (limits.heartbeatMs six times in half of T).

import { toCoreError } from '../base/errors.ts';
import type { ChainVer, ChunkId, StoreId, TargetId } from '../base/ids.ts';
import { ackFromMessage, heartbeatToMessage } from '../chain/chain-messages.ts';
import type { FencingSettings, Routing } from '../chain/membership.ts';
import type { StorePlace } from '../client/routing-calls.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import { type HostedTarget, StoreHost, type TargetEnv } from '../replica/host.ts';
import type { ReplicaMessage, ReplicaSettings } from '../replica/types.ts';
import type { RpcClient } from '../rpc/call.ts';
import { heartbeat } from './cluster-calls.ts';
import { PeerInbox } from './peer-inbox.ts';
import { PeerOutbox } from './peer-outbox.ts';
import type { Envelope } from './replica-messages.ts';
import { RoutingWatch } from './routing-watch.ts';

/** A target as its disk opens it: what a machine needs, but for time and other stores. */
export interface OpenedTarget extends Omit<HostedTarget, 'env'> {
  readonly env: Omit<TargetEnv, 'send' | 'after'>;
  /** Reads what the machine will look up of a chunk into memory. */
  warm?(chunk: ChunkId): Promise<void>;
}

export interface StoreDriverParts {
  readonly store: StoreId;
  /** From the manager: no process of any store had it before. */
  readonly incarnation: number;
  readonly targets: readonly OpenedTarget[];
  readonly fencing: FencingSettings;
  readonly settings: ReplicaSettings;
  /** To the process with the manager. */
  readonly manager: RpcClient;
  readonly peers: {
    learn(stores: readonly StorePlace[]): void;
    to(store: number): RpcClient | undefined;
    onConnected: (store: number) => void;
  };
  /** Why the disk takes no updates. */
  readonly offline: () => string | undefined;
  readonly clock: Clock;
  readonly events: Events;
}

/** Heartbeats on their way: later ones find what an earlier one waits for. */
const beatsInFlightMax = 4;

export class StoreDriver {
  readonly host: StoreHost;
  private readonly parts: StoreDriverParts;
  private readonly outboxes = new Map<number, PeerOutbox>();
  private readonly inboxes = new Map<number, PeerInbox>();
  /** Store of each target of the cluster, from the newest routing. */
  private readonly stores = new Map<TargetId, StoreId>();
  private watch: RoutingWatch | undefined;
  private timer: Timer | undefined;
  private beatsInFlight = 0;
  private beatSoon = false;
  private closed = false;
  private onAcknowledged: () => void = () => undefined;
  /** Resolves when the manager has answered a heartbeat. */
  readonly acknowledged: Promise<void>;

  constructor(parts: StoreDriverParts) {
    this.parts = parts;
    this.acknowledged = new Promise((resolve) => (this.onAcknowledged = resolve));
    const { store, incarnation, fencing, settings, clock, events } = parts;
    parts.peers.onConnected = (peer) => this.outboxes.get(peer)?.restart();
    this.host = new StoreHost({
      store,
      incarnation,
      fencing,
      settings,
      targets: parts.targets.map((target) => this.hosted(target)),
      now: () => clock.now(),
      changed: () => this.changed(),
      failed: (target, reason) => events.emit('error', 'store.target-failed', { target, reason }),
    });
  }

  /** Notes on new targets that they were made, reports, and takes part from then on. */
  async start(): Promise<void> {
    await Promise.all(this.parts.targets.map((target) => noteMade(target)));
    const { manager: rpc, clock, events, peers } = this.parts;
    this.watch = new RoutingWatch({
      rpc,
      clock,
      events,
      onStores: (stores) => peers.learn(stores),
      onRouting: (routing) => this.onRouting(routing),
    });
    this.beatRegularly();
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.watch?.close();
  }

  /** Messages of another store, in the order in which they were sent. */
  receive(
    store: number,
    batch: { incarnation: number; stream: number; number: number; messages: readonly Envelope[] },
  ): void {
    let inbox = this.inboxes.get(store);
    if (inbox === undefined) {
      inbox = new PeerInbox(({ from, to, message }) =>
        this.host.replica(to)?.receive(from, message),
      );
      this.inboxes.set(store, inbox);
    }
    inbox.take(batch);
  }

  private hosted({ id, identity, noted, env }: OpenedTarget): HostedTarget {
    const { clock } = this.parts;
    return {
      id,
      identity,
      noted: Math.max(noted, madeVersion) as ChainVer,
      env: {
        ...env,
        send: (to, message) => this.send(id, to, message),
        after: (ms, fire) =>
          void clock.after(ms, () => {
            if (!this.closed) fire();
          }),
      },
    };
  }

  private send(from: TargetId, to: TargetId, message: ReplicaMessage): void {
    const store = this.stores.get(to);
    if (store === undefined || this.closed) return;
    let outbox = this.outboxes.get(store);
    if (outbox === undefined) {
      const rpc = this.parts.peers.to(store);
      // Not told yet where it is: the message is lost, and said again.
      if (rpc === undefined) return;
      const { incarnation } = this.parts;
      outbox = new PeerOutbox({ rpc, store: this.parts.store, incarnation });
      this.outboxes.set(store, outbox);
    }
    outbox.send(from, to, message);
  }

  private onRouting(routing: Routing): void {
    for (const { targets } of routing.chains)
      for (const { id, store } of targets) this.stores.set(id, store);
    this.host.onRouting(routing);
  }

  // --- heartbeats --------------------------------------------------------------------------------

  private beatRegularly(): void {
    if (this.closed) return;
    void this.beat();
    this.timer = this.parts.clock.after(this.parts.fencing.heartbeatMs, () => this.beatRegularly());
  }

  /** At the end of this turn, in which more may change. */
  private changed(): void {
    if (this.beatSoon) return;
    this.beatSoon = true;
    this.parts.clock.after(0, () => {
      this.beatSoon = false;
      void this.beat();
    });
  }

  private async beat(): Promise<void> {
    if (this.closed || this.beatsInFlight >= beatsInFlightMax) return;
    const { manager, fencing, events, offline } = this.parts;
    const why = offline();
    const request = {
      beat: heartbeatToMessage(this.host.heartbeat()),
      ...(why === undefined ? {} : { offline: why }),
    };
    this.beatsInFlight++;
    try {
      const { response } = await manager.call(heartbeat, request, {
        deadlineMs: fencing.deadMs / 2,
      });
      this.onAcknowledged();
      if (response.ack !== undefined && !this.closed) this.onAck(ackFromMessage(response.ack));
    } catch (error) {
      events.emit('debug', 'store.heartbeat-lost', { error: toCoreError(error).message });
    } finally {
      this.beatsInFlight--;
    }
  }

  private onAck(ack: ReturnType<typeof ackFromMessage>): void {
    if (ack.routing !== undefined) this.onRouting(ack.routing);
    this.host.onAck(ack);
  }
}

/** The version under which chains are made. */
const madeVersion = 1;

/** A new target has noted the version of its first chain, so that it may come back to it. */
function noteMade({ noted, env }: OpenedTarget): Promise<void> {
  if (noted >= madeVersion) return Promise.resolve();
  return new Promise((resolve) =>
    env.persist({ kind: 'note', version: madeVersion as ChainVer }, () => resolve()),
  );
}
