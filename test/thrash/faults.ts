// Faults of store processes, under a budget that leaves each chain a replica with everything: at most two of three
// stores are away at a time, and a disk is wiped only while both others are whole.

import { renameSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { limits } from '../../core/base/limits.ts';
import type { Prng } from '../../core/base/prng.ts';
import type { SystemStatus } from '../../gateways/launcher/status.ts';
import { mainFile } from '../tools/lampyr.ts';

export const faultKinds = [
  'kill',
  'kill-two',
  'kill-while-filling',
  'kill-all',
  'stop',
  'stop-and-kill',
  'wipe',
  'core',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** A stopped store is past its lease, and judged dead, when it goes on. */
const stopMs = limits.storeDeadMs + 2_000;

export function statusOf(dataDir: string): SystemStatus {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [mainFile, 'status', '--data', dataDir, '--json'],
    { encoding: 'utf8', timeout: 60_000 },
  );
  if (status !== 0) throw new Error(`status exited ${status}: ${stderr}`);
  return JSON.parse(stdout) as SystemStatus;
}

export function isWhole({ chains }: SystemStatus): boolean {
  return (
    chains.length > 0 &&
    chains.every(({ targets }) => targets.every(({ state }) => state === 'SERVING'))
  );
}

export class Faults {
  private readonly dataDir: string;
  private readonly prng: Prng;

  constructor(dataDir: string, prng: Prng) {
    this.dataDir = dataDir;
    this.prng = prng;
  }

  /** Resolves when the fault is over, as far as it lasts: the system may still heal. */
  async inject(kind: FaultKind): Promise<void> {
    const first = 1 + this.prng.below(3);
    const second = 1 + ((first + this.prng.below(2)) % 3);
    switch (kind) {
      case 'kill':
        this.signal('SIGKILL', first);
        return;
      case 'kill-two':
        this.signal('SIGKILL', first, second);
        return;
      case 'kill-while-filling':
        this.signal('SIGKILL', first);
        await delay(this.prng.below(1500));
        this.signal('SIGKILL', second);
        return;
      case 'kill-all':
        this.signal('SIGKILL', 1, 2, 3);
        return;
      case 'stop':
        await this.stop(first, () => undefined);
        return;
      case 'stop-and-kill':
        await this.stop(first, () => this.signal('SIGKILL', second));
        return;
      case 'wipe':
        this.wipe(first);
        return;
      case 'core':
        process.kill(this.pidOf('core'), 'SIGKILL');
    }
  }

  private async stop(store: number, meanwhile: () => void): Promise<void> {
    const pid = this.pidOf(`store-${store}`);
    process.kill(pid, 'SIGSTOP');
    try {
      await delay(this.prng.below(2000));
      meanwhile();
      await delay(stopMs);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  /** Its folder is gone in one step, and the process right after. */
  private wipe(store: number): void {
    const { pid, dir } = this.processOf(`store-${store}`);
    const away = `${dir}.wiped`;
    renameSync(dir, away);
    process.kill(pid, 'SIGKILL');
    rmSync(away, { recursive: true, force: true });
  }

  private signal(signal: NodeJS.Signals, ...stores: readonly number[]): void {
    for (const pid of stores.map((store) => this.pidOf(`store-${store}`)))
      process.kill(pid, signal);
  }

  private pidOf(name: string): number {
    return this.processOf(name).pid;
  }

  private processOf(name: string): { readonly pid: number; readonly dir: string } {
    const found = statusOf(this.dataDir).processes.find(({ role }) => role === name);
    if (found?.pid === undefined || found.pid === null) throw new Error(`${name} does not run`);
    return { pid: found.pid, dir: found.dir };
  }
}
