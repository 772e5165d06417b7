// The targets of one store process: which chain version each acts under, whether its lease holds, and what is reported
// of it (design 4.1, 4.4). A process that starts reports its targets OFFLINE until no chain counts on them any more:
// what it had in memory is gone, so it comes back through recovery.

import type { ChainVer, StoreId, TargetId } from '../base/ids.ts';
import type { Chain, LocalState } from '../chain/chain.ts';
import type { FencingSettings, Heartbeat, HeartbeatAck, Routing } from '../chain/membership.ts';
import { Replica } from './replica.ts';
import type { ReplicaEnv, ReplicaSettings } from './types.ts';

/** What a target's machine gets from below; leases and reports are the host's. */
export type TargetEnv = Omit<ReplicaEnv, 'leaseHolds' | 'fatal' | 'upToDate'>;

export interface HostedTarget {
  readonly id: TargetId;
  readonly identity: string;
  readonly noted: ChainVer;
  readonly env: TargetEnv;
}

interface Hosted {
  readonly id: TargetId;
  readonly identity: string;
  noted: ChainVer;
  readonly replica: Replica;
  readonly env: TargetEnv;
  /** The newest chain version that was seen, perhaps not acted under yet. */
  seen: ChainVer;
  /** By that version the chain does without it: no reads, no writes. */
  excluded: boolean;
  local: LocalState;
  /** Time at which the newest acknowledged heartbeat that renewed it was sent. */
  renewedMs: number;
  /** Reported OFFLINE until its chains exclude it: it just started, or was asked to leave. */
  leaving: boolean;
  /** Why it serves no more, for good. */
  failure: string | undefined;
}

export interface HostParts {
  readonly store: StoreId;
  readonly incarnation: number;
  readonly targets: readonly HostedTarget[];
  readonly fencing: FencingSettings;
  readonly settings: ReplicaSettings;
  /** Monotonic milliseconds of this process. */
  now(): number;
  /** Something happened that the manager should hear of at once. */
  changed(): void;
  /** A target failed for good. */
  failed(target: TargetId, reason: string): void;
}

export class StoreHost {
  private readonly parts: HostParts;
  private readonly targets = new Map<TargetId, Hosted>();
  private routing = 0;
  private sequence = 0;

  constructor(parts: HostParts) {
    this.parts = parts;
    for (const target of parts.targets) this.targets.set(target.id, this.host(target));
  }

  private host(target: HostedTarget): Hosted {
    const { incarnation, settings } = this.parts;
    const { id, identity, noted, env } = target;
    const hosted: Hosted = {
      id,
      identity,
      noted,
      env,
      seen: 0 as ChainVer,
      excluded: false,
      local: 'OFFLINE',
      renewedMs: -Infinity,
      leaving: true,
      failure: undefined,
      replica: new Replica({
        self: id,
        incarnation,
        settings,
        env: {
          ...env,
          leaseHolds: () => this.leaseHolds(hosted),
          fatal: (reason) => this.fail(hosted, reason),
          upToDate: () => this.report(hosted, 'UPTODATE'),
        },
      }),
    };
    return hosted;
  }

  replica(target: TargetId): Replica | undefined {
    const hosted = this.targets.get(target);
    return hosted === undefined || hosted.failure !== undefined ? undefined : hosted.replica;
  }

  private leaseHolds(hosted: Hosted): boolean {
    const { fencing } = this.parts;
    if (hosted.leaving || hosted.failure !== undefined) return false;
    return this.parts.now() - hosted.renewedMs < fencing.deadMs / 2;
  }

  private fail(hosted: Hosted, reason: string): void {
    if (hosted.failure !== undefined) return;
    hosted.failure = reason;
    hosted.local = 'OFFLINE';
    this.parts.failed(hosted.id, reason);
    this.parts.changed();
  }

  private report(hosted: Hosted, local: LocalState): void {
    if (hosted.failure !== undefined || hosted.leaving || hosted.local === local) return;
    hosted.local = local;
    this.parts.changed();
  }

  // --- heartbeats --------------------------------------------------------------------------------

  heartbeat(): Heartbeat {
    const { store, incarnation } = this.parts;
    return {
      store,
      incarnation,
      sequence: ++this.sequence,
      sentMs: this.parts.now(),
      routing: this.routing,
      targets: [...this.targets.values()].map((hosted) => ({
        target: hosted.id,
        chainVersion: hosted.replica.chainVersion as ChainVer,
        local: hosted.local,
        identity: hosted.identity,
        noted: hosted.noted,
        reason: hosted.failure ?? (hosted.leaving ? 'waits until its chain does without it' : ''),
      })),
    };
  }

  onAck(ack: HeartbeatAck): void {
    if (ack.incarnation !== this.parts.incarnation) return;
    for (const id of ack.demoted) this.leave(id);
    for (const id of ack.renewed) {
      const hosted = this.targets.get(id);
      if (hosted !== undefined) hosted.renewedMs = Math.max(hosted.renewedMs, ack.sentMs);
    }
    if (ack.routing !== undefined) this.onRouting(ack.routing);
  }

  /** Asked to leave its chain: it serves no more from this moment, which its next report acknowledges. Who is out
   *  already has nothing to leave: no later version of the chain would end its leaving. */
  private leave(id: TargetId): void {
    const hosted = this.targets.get(id);
    if (hosted === undefined || hosted.leaving || hosted.failure !== undefined) return;
    if (hosted.excluded) return;
    hosted.leaving = true;
    hosted.local = 'OFFLINE';
    this.parts.changed();
  }

  // --- routing -----------------------------------------------------------------------------------

  onRouting(routing: Routing): void {
    if (routing.version <= this.routing) return;
    this.routing = routing.version;
    for (const chain of routing.chains) {
      for (const { id } of chain.targets) {
        const hosted = this.targets.get(id);
        if (hosted !== undefined && chain.version > hosted.seen) this.onChain(hosted, chain);
      }
    }
  }

  private onChain(hosted: Hosted, chain: Chain): void {
    hosted.seen = chain.version;
    const state = chain.targets.find(({ id }) => id === hosted.id)?.state;
    hosted.excluded = state === undefined || state === 'OFFLINE' || state === 'LASTSRV';
    if (hosted.failure !== undefined || (hosted.leaving && !hosted.excluded)) return;
    hosted.leaving = false;
    if (state !== 'SERVING') {
      hosted.replica.setChain(chain);
      hosted.local = 'ONLINE';
      this.parts.changed();
      return;
    }
    // Design 4.1: the version is durably noted before the target serves under it.
    hosted.env.persist({ kind: 'note', version: chain.version }, () => {
      hosted.noted = chain.version;
      if (hosted.seen !== chain.version || hosted.leaving || hosted.failure !== undefined) return;
      hosted.replica.setChain(chain);
      hosted.local = 'UPTODATE';
      this.parts.changed();
    });
  }
}
