// A disk whose syncs a test can hold back or break, over any other disk.

import type { DiskFile, OpenMode } from '../../core/env/disk.ts';
import { ForwardingDisk } from '../tools/forwarding-disk.ts';

export class GatedDisk extends ForwardingDisk {
  private gate: Promise<void> = Promise.resolve();
  private broken = false;

  /** Syncs wait until the returned function is called. */
  readonly hold = (): (() => void) => {
    let release: (() => void) | undefined;
    this.gate = new Promise((resolve) => {
      release = resolve;
    });
    return () => release?.();
  };

  /** Every sync from now on fails, those held back included. */
  readonly break = (): void => {
    this.broken = true;
  };

  private async pass(): Promise<void> {
    await this.gate;
    if (this.broken) throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
  }

  override open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.openWith(path, mode, (file) => ({
      sync: async () => {
        await this.pass();
        await file.sync();
      },
    }));
  }
}
