// Faults of store processes, under a budget that leaves each chain a replica with everything: at most two of three
// stores are away at a time, and a disk is wiped only while both others are whole.

import { renameSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { limits } from '../../core/base/limits.ts';
import type { Prng } from '../../core/base/prng.ts';
import { processOf, statusOf } from '../tools/admin.ts';

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
        await this.signal('SIGKILL', first);
        return;
      case 'kill-two':
        await this.signal('SIGKILL', first, second);
        return;
      case 'kill-while-filling':
        await this.signal('SIGKILL', first);
        await delay(this.prng.below(1500));
        await this.signal('SIGKILL', second);
        return;
      case 'kill-all':
        await this.signal('SIGKILL', 1, 2, 3);
        return;
      case 'stop':
        await this.stop(first, () => Promise.resolve());
        return;
      case 'stop-and-kill':
        await this.stop(first, () => this.signal('SIGKILL', second));
        return;
      case 'wipe':
        await this.wipe(first);
        return;
      case 'core':
        process.kill(await this.pidOf('core'), 'SIGKILL');
    }
  }

  private async stop(store: number, meanwhile: () => Promise<void>): Promise<void> {
    const pid = await this.pidOf(`store-${store}`);
    process.kill(pid, 'SIGSTOP');
    try {
      await delay(this.prng.below(2000));
      await meanwhile();
      await delay(stopMs);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  /** Its folder is gone in one step, and the process right after. */
  private async wipe(store: number): Promise<void> {
    const { pid, dir } = processOf(await statusOf(this.dataDir), `store-${store}`);
    const away = `${dir}.wiped`;
    renameSync(dir, away);
    process.kill(pid, 'SIGKILL');
    rmSync(away, { recursive: true, force: true });
  }

  private async signal(signal: NodeJS.Signals, ...stores: readonly number[]): Promise<void> {
    const status = await statusOf(this.dataDir);
    for (const store of stores) process.kill(processOf(status, `store-${store}`).pid, signal);
  }

  private async pidOf(name: string): Promise<number> {
    return processOf(await statusOf(this.dataDir), name).pid;
  }
}
