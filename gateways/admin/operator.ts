// What the operator asks of the core: state, check, users. The launcher's admin API and `lampyr fsck` call
// it; the composition root gives an implementation over the internal RPC.

import type { IdentityStore } from '../../core/model/identities/types.ts';

export interface TargetStatus {
  readonly id: number;
  readonly store: number;
  readonly state: string;
  /** Why it does not serve; null while it does. */
  readonly reason: string | null;
  /** What an operator can do about it; null when nothing, or nothing has to be done. */
  readonly action: string | null;
}

export interface ChainStatus {
  readonly id: number;
  readonly version: number;
  readonly targets: readonly TargetStatus[];
}

/** A part of the core process that is a role of its own in a cluster (design 9). */
export interface CorePartStatus {
  readonly role: 'manager' | 'meta' | 'store';
  readonly state: string;
  readonly dir: string;
}

export interface CoreStatus {
  readonly parts: readonly CorePartStatus[];
  readonly chains: readonly ChainStatus[];
  /** What an operator should know of how the system is set up. */
  readonly notes: readonly string[];
}

export interface FsckFinding {
  /** error: something that was promised is missing or wrong. garbage: space nobody uses. note: worth knowing. */
  readonly severity: 'error' | 'garbage' | 'note';
  /** docs/operations/fsck.md explains each. */
  readonly kind: string;
  /** Bucket and key where they can be told. */
  readonly where: string;
  readonly detail: string;
  /** What to do about it. */
  readonly action: string;
}

export interface FsckReport {
  /** No errors; there may be garbage. */
  readonly clean: boolean;
  /** What was looked at, by kind: rows, blobs, chunks… */
  readonly counts: Readonly<Record<string, number>>;
  /** All that were found, by severity. */
  readonly found: Readonly<Record<FsckFinding['severity'], number>>;
  /** The first of each severity, errors first. */
  readonly findings: readonly FsckFinding[];
}

export interface FsckWish {
  /** Read and verify every stored byte too. */
  readonly scrub: boolean;
  /** Whoever asked has gone: the check ends. */
  readonly signal?: AbortSignal;
}

export interface CoreOperator {
  status(): Promise<CoreStatus>;
  /** @throws CoreError BUSY when a check runs already */
  fsck(wish: FsckWish): Promise<FsckReport>;
  readonly identities: IdentityStore;
  close(): Promise<void>;
}
