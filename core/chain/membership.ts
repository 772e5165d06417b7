// What stores and manager tell each other (design 4.4). Times are of the store's own monotonic clock: the manager
// sends them back, so that a lease is counted from when the heartbeat was *sent*.

import type { ChainVer, StoreId, TargetId } from '../base/ids.ts';
import type { Chain, LocalState } from './chain.ts';

export interface TargetReport {
  readonly target: TargetId;
  /** Chain version that the target acts under; its state is said of that version. */
  readonly chainVersion: ChainVer;
  readonly local: LocalState;
  readonly identity: string;
  readonly noted: ChainVer;
  /** Why it is OFFLINE, for people. */
  readonly reason: string;
}

export interface Heartbeat {
  readonly store: StoreId;
  readonly incarnation: number;
  /** Grows with each heartbeat of an incarnation. */
  readonly sequence: number;
  readonly sentMs: number;
  readonly routing: number;
  readonly targets: readonly TargetReport[];
}

export interface HeartbeatAck {
  readonly incarnation: number;
  readonly sentMs: number;
  /** Targets whose lease is renewed from `sentMs` on. */
  readonly renewed: readonly TargetId[];
  /** Targets that have to leave their chains: they report OFFLINE from now on. */
  readonly demoted: readonly TargetId[];
  /** Present when it is newer than the one that the store knows. */
  readonly routing?: Routing;
}

/** All chains; a version of it is a version of each. */
export interface Routing {
  readonly version: number;
  readonly chains: readonly Chain[];
}

export interface FencingSettings {
  /** T: a store that was not renewed for so long is dead; after half of it, it serves no more by itself. */
  readonly deadMs: number;
  readonly heartbeatMs: number;
  /** The manager's own lease, and how often it renews it. */
  readonly managerLeaseMs: number;
  readonly managerRenewMs: number;
  readonly scanMs: number;
  /** A manager that did not turn for so long knows nothing of the time in between. */
  readonly managerGapMs: number;
}
