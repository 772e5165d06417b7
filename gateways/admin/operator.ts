// What the operator asks of the core: state, check, users. The launcher's admin API and `lampyr fsck` call
// it; the composition root gives an implementation over the internal RPC.

import type { IdentityStore } from '../../core/model/identities/types.ts';

export interface TargetStatus {
  readonly id: number;
  readonly store: number;
  readonly state: string;
  /** Why it does not serve; null while it does. */
  readonly reason: string | null;
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
}

export interface FsckReport {
  readonly clean: boolean;
  /** What was looked at, by kind: rows, blobs, chunks… */
  readonly counts: Readonly<Record<string, number>>;
  /** Damage, one line each, for people; a bounded number. */
  readonly problems: readonly string[];
  /** What is left over and harms nothing: a crash leaves some, the janitor removes it. Likewise. */
  readonly leftovers: readonly string[];
}

export interface CoreOperator {
  status(): Promise<CoreStatus>;
  fsck(): Promise<FsckReport>;
  readonly identities: IdentityStore;
  close(): Promise<void>;
}
