// The state of the whole system as `lampyr status --json` prints it. The shape is a promise to scripts.

import { isCoreError } from '../../core/base/errors.ts';
import type { ChainStatus, CoreOperator, CoreStatus } from '../admin/operator.ts';
import type { RoleProcess } from './role-process.ts';

export interface ProcessStatus {
  /** launcher, core, the core's parts (manager, meta, store), stores (store-1…) with several replicas, doors. */
  readonly role: string;
  /** null while the role has no process. */
  readonly pid: number | null;
  readonly state: string;
  /** What the process keeps on disk lies below it. */
  readonly dir: string;
  /** Starts after the first, since the launcher began. */
  readonly restarts: number;
  /** Why the newest process of the role ended by itself; null when none did. */
  readonly reason: string | null;
}

export interface SystemStatus {
  readonly processes: readonly ProcessStatus[];
  readonly chains: readonly ChainStatus[];
  /** What an operator should know of how the system is set up. */
  readonly notes: readonly string[];
}

/** Parts that the core process has; with several replicas the stores are processes of their own. */
const embeddedParts = ['manager', 'meta', 'store'] as const;
const clusterParts = ['manager', 'meta'] as const;

function ofRole(role: RoleProcess): ProcessStatus {
  const { name, pid, state, dir, restarts, reason } = role;
  return { role: name, pid: pid ?? null, state, dir, restarts, reason: reason ?? null };
}

export async function systemStatus(
  launcher: { readonly dir: string; readonly stopping: boolean },
  roles: readonly RoleProcess[],
  core: CoreOperator | undefined,
): Promise<SystemStatus> {
  const { dir } = launcher;
  const coreRole = roles.find(({ role }) => role === 'core');
  const known = coreRole?.state === 'SERVING' ? await ask(core) : undefined;
  // What the core does not report of itself shares the fate of its process.
  const state = coreRole?.state ?? 'STOPPED';
  const partNames = roles.some(({ role }) => role === 'store') ? clusterParts : embeddedParts;
  const parts = partNames.map(
    (role) => known?.parts.find((part) => part.role === role) ?? { role, state, dir },
  );
  return {
    processes: [
      {
        role: 'launcher',
        pid: process.pid,
        state: launcher.stopping ? 'DRAINING' : 'SERVING',
        dir,
        restarts: 0,
        reason: null,
      },
      ...roles.flatMap((role) =>
        role.role !== 'core'
          ? [ofRole(role)]
          : [ofRole(role), ...parts.map((part) => ({ ...ofRole(role), ...part }))],
      ),
    ],
    chains: known?.chains ?? [],
    notes: known?.notes ?? [],
  };
}

/** undefined when the core does not answer: its process state then says what is known. */
async function ask(core: CoreOperator | undefined): Promise<CoreStatus | undefined> {
  try {
    return await core?.status();
  } catch (error) {
    if (isCoreError(error)) return undefined;
    throw error;
  }
}
