// Work that the core does beside requests, in small steps, paced so that a busy store is hardly slowed and an
// idle one costs nothing: the chunk store's maintenance, and the compaction of tables after many removals. A disk
// that went offline ends it.

import { isCoreError, toCoreError } from '../../core/base/errors.ts';
import { MiB } from '../../core/base/limits.ts';
import type { Clock, Timer } from '../../core/env/clock.ts';
import type { Events } from '../../core/env/events.ts';
import type { ChunkEngine } from '../../core/store/engine.ts';
import { Maintenance } from '../../core/store/maintenance.ts';
import type { JournaledTable } from '../../core/store/table.ts';

/** Content that one step may rewrite: some tens of milliseconds of the disk. */
const stepBytes = 8 * MiB;
/** Between steps while there is work, and while there is none. */
const busyPauseMs = 100;
const idlePauseMs = 2_000;

interface BackgroundOptions {
  /** Of the event when a step fails. */
  readonly failed: string;
  readonly clock: Clock;
  readonly events: Events;
  /** Answers whether nothing is left to do for now. */
  readonly step: () => Promise<boolean>;
}

export class BackgroundWork {
  private readonly options: BackgroundOptions;
  private timer: Timer | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(options: BackgroundOptions) {
    this.options = options;
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
    this.timer = this.options.clock.after(delayMs, () => {
      this.running = this.step();
    });
  }

  private async step(): Promise<void> {
    const { events, failed, step } = this.options;
    try {
      this.stepAfter((await step()) ? idlePauseMs : busyPauseMs);
    } catch (error) {
      events.emit('warn', failed, { error: toCoreError(error).message });
      if (!isCoreError(error, 'DISK_OFFLINE')) this.stepAfter(idlePauseMs);
    }
  }
}

export function maintainStore(chunks: ChunkEngine, clock: Clock, events: Events): BackgroundWork {
  const maintenance = new Maintenance(chunks);
  const step = async (): Promise<boolean> => {
    const { idle, folded, moved, removedSlabs, bytes } = await maintenance.step(stepBytes);
    if (bytes > 0 || removedSlabs > 0)
      events.emit('debug', 'store-maintained', { folded, moved, removedSlabs, bytes });
    return idle;
  };
  return new BackgroundWork({ failed: 'store-maintenance-failed', clock, events, step });
}

/** Each table that was compacted is an event, with counts since the start. */
export function compactTables(
  tables: readonly JournaledTable[],
  clock: Clock,
  events: Events,
): BackgroundWork {
  let compactions = 0;
  const step = async (): Promise<boolean> => {
    for (const table of tables) {
      const startMs = clock.now();
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const report = await table.compactStep();
      if (report === undefined) continue;
      const ms = Math.round(clock.now() - startMs);
      compactions++;
      events.emit('info', 'table-compacted', { table: table.name, ...report, ms, compactions });
      return false;
    }
    return true;
  };
  return new BackgroundWork({ failed: 'table-compaction-failed', clock, events, step });
}
