// A journal on a simulated disk with one user that remembers what was replayed to it.

import { silentEvents } from '../../../core/env/events.ts';
import type { Disk } from '../../../core/env/disk.ts';
import type { Clock } from '../../../core/env/clock.ts';
import { KiB } from '../../../core/base/limits.ts';
import type { RecordNumber } from '../../../core/base/ids.ts';
import type { DiskJournal } from '../../../core/store/journal.ts';
import { openJournal } from '../../../core/store/journal-open.ts';
import type { JournalOptions } from '../../../core/store/journal-open.ts';
import { recordKind } from '../../../core/store/types.ts';
import type { JournalRecord, JournalUser, RecordKind } from '../../../core/store/types.ts';
import { SimClock } from '../../sim/clock.ts';
import { simRng } from '../../sim/rng.ts';

export class RecordingUser implements JournalUser {
  readonly name = 'recording';
  readonly kinds: readonly RecordKind[] = [recordKind.chunk, recordKind.meta];
  readonly replayedRecords: { number: number; text: string }[] = [];
  readonly checkpoints: RecordNumber[] = [];
  readonly checkpointedBelow: RecordNumber[] = [];
  done = false;
  /** What a checkpoint waits for. */
  gate: () => Promise<void> = () => Promise.resolve();

  replay({ number, payload }: JournalRecord): void {
    this.replayedRecords.push({ number, text: Buffer.from(payload).toString('latin1') });
  }

  async replayed(): Promise<void> {
    this.done = true;
    await Promise.resolve();
  }

  async checkpoint(below: RecordNumber): Promise<void> {
    this.checkpoints.push(below);
    await this.gate();
  }

  checkpointed(below: RecordNumber): void {
    this.checkpointedBelow.push(below);
  }

  get texts(): string[] {
    return this.replayedRecords.map(({ text }) => text);
  }
}

export interface Opened {
  readonly journal: DiskJournal;
  readonly user: RecordingUser;
  readonly clock: Clock;
}

/** Small segments, so that few records fill the ring. */
export async function openOn(
  disk: Disk,
  options: Partial<JournalOptions> = {},
  user = new RecordingUser(),
): Promise<Opened> {
  const clock = options.clock ?? new SimClock();
  const journal = await openJournal({
    disk,
    directory: 'journal',
    users: [user],
    events: silentEvents,
    clock,
    rng: simRng('journal'),
    segmentBytes: 64 * KiB,
    segmentsMin: 3,
    segmentsMax: 4,
    ...options,
  });
  return { journal, user, clock };
}

export function textParts(text: string): Uint8Array[] {
  return [Buffer.from(text, 'latin1')];
}
