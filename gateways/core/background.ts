// Work that the core does beside requests: small steps of the chunk store's maintenance, paced so that a busy
// store is hardly slowed and an idle one costs nothing. A disk that went offline ends it.

import { isCoreError, toCoreError } from '../../core/base/errors.ts';
import { MiB } from '../../core/base/limits.ts';
import type { Clock, Timer } from '../../core/env/clock.ts';
import type { Events } from '../../core/env/events.ts';
import type { ChunkEngine } from '../../core/store/engine.ts';
import { Maintenance } from '../../core/store/maintenance.ts';

/** Content that one step may rewrite: some tens of milliseconds of the disk. */
const stepBytes = 8 * MiB;
/** Between steps while there is work, and while there is none. */
const busyPauseMs = 100;
const idlePauseMs = 2_000;

export class StoreMaintenance {
  private readonly maintenance: Maintenance;
  private readonly clock: Clock;
  private readonly events: Events;
  private timer: Timer | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(chunks: ChunkEngine, clock: Clock, events: Events) {
    this.maintenance = new Maintenance(chunks);
    this.clock = clock;
    this.events = events;
    this.stepAfter(idlePauseMs);
  }

  /** Waits for the step that runs. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.timer?.cancel();
    await this.running;
  }

  private stepAfter(delayMs: number): void {
    if (this.stopped) return;
    this.timer = this.clock.after(delayMs, () => {
      this.running = this.step();
    });
  }

  private async step(): Promise<void> {
    try {
      const { idle, folded, moved, removedSlabs, bytes } = await this.maintenance.step(stepBytes);
      if (bytes > 0 || removedSlabs > 0)
        this.events.emit('debug', 'store-maintained', { folded, moved, removedSlabs, bytes });
      this.stepAfter(idle ? idlePauseMs : busyPauseMs);
    } catch (error) {
      this.events.emit('warn', 'store-maintenance-failed', { error: toCoreError(error).message });
      if (!isCoreError(error, 'DISK_OFFLINE')) this.stepAfter(idlePauseMs);
    }
  }
}
