// A role is the part of Lampyr that runs in one child process of the launcher (design 9): `core` holds the
// metadata and, alone on its machine, the chunk store; `store` holds the replicas of one disk (once per disk, with
// --replicas above 1); `object` is the S3 door. A role is started with everything it may use in a
// RoleContext and reaches nothing else of its process, so that tests and embedders run several roles in one
// process. Roles never call `process.exit` and install no signal handlers: that is runner.ts.

import type { Registry } from 'prom-client';
import type { Address } from '../../core/env/net.ts';
import type { Events } from '../../core/env/events.ts';
import type { Capability } from '../../core/rpc/call.ts';
import type { ListenTarget } from './listen.ts';

/** In the order of starting; draining goes backwards, so that a door still has its core while it finishes. */
export const roleNames = ['core', 'store', 'object'] as const;
export type RoleName = (typeof roleNames)[number];

/** A token of the internal RPC and what its bearer may do; made anew at every start (design 10). */
export interface RoleToken {
  readonly token: string;
  /** Name of the bearer, for logs: a role, or `operator`. */
  readonly peer: string;
  readonly capability: Capability;
}

/** Who owns the system. Kept outside the metadata, so that nobody can lock the operator out. */
export interface RootIdentity {
  /** 64 hex digits, derived from the cluster id: stable whatever the keys are. */
  readonly id: string;
  readonly name: string;
  readonly displayName: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** The stores of a system with several replicas; the same for all roles. */
export interface ClusterConfig {
  readonly replicas: number;
  readonly stores: readonly {
    /** From 1. */
    readonly store: number;
    /** Absolute. */
    readonly dir: string;
    readonly address: Address;
  }[];
}

/** What a role is told at birth: plain data, sent over the launcher's channel and never in argv or environment. */
export interface RoleConfig {
  readonly role: RoleName;
  /** Of this process: the role, or `store-2`. */
  readonly name: string;
  /** Absolute. */
  readonly dataDir: string;
  /** 32 hex digits, from DIR/lampyr.json. */
  readonly clusterId: string;
  readonly region: string;
  /** Below these, `bucket.domain` names a bucket of the S3 door. */
  readonly s3Domains: readonly string[];
  readonly root: RootIdentity;
  /** Absent: one replica, in the core itself. */
  readonly cluster?: ClusterConfig;
  /** Of a store: which one. */
  readonly store?: number;
  /** Where the core serves the internal RPC. */
  readonly coreAddress: Address;
  /** What this role shows to its peers. */
  readonly token: string;
  /** What the core and the stores accept; empty for other roles. */
  readonly tokens: readonly RoleToken[];
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export const logFormats = ['json', 'text'] as const;
export type LogFormat = (typeof logFormats)[number];

export interface RoleContext {
  readonly config: RoleConfig;
  readonly events: Events;
  /** Counters of this role; the launcher adds the label `role`. Names start with `lampyr_`. */
  readonly metrics: Registry;
  /** Where each door of the role listens, by door name ('s3'). Give it to `listenOn`. */
  readonly listen: Readonly<Record<string, ListenTarget>>;
  /** The role cannot go on (a disk failed, an invariant broke): ends the process with the error as reason. */
  fail(error: unknown): void;
}

export interface RunningRole {
  /** Closes the listening sockets in the calling turn, finishes the work in flight, releases everything.
   *  Called once; whoever calls bounds the wait. */
  drain(): Promise<void>;
  /** True when no other role is connected. A role whose launcher is gone stays for those that still finish
   *  (bounded), then drains; without this it drains at once. */
  unused?(): boolean;
}

/** Resolves when the role serves. @throws CoreError DISK_REFUSED, VERSION_UNSUPPORTED, CORRUPT with the file and
 *  what to do, which ends the start of the whole system. */
export type StartRole = (context: RoleContext) => Promise<RunningRole>;
