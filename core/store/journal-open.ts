// Opening a journal: make it when the directory is new, else recover it (design 4.6 rules 5–7): sync all
// files, verify the whole chain, replay it into the users, and start a fresh segment.

import { assert } from '../base/assert.ts';
import { CoreError } from '../base/errors.ts';
import type { RecordNumber } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Clock } from '../env/clock.ts';
import type { Disk } from '../env/disk.ts';
import type { Events } from '../env/events.ts';
import type { Rng } from '../env/rng.ts';
import { markKind, pageBytes } from './journal-format.ts';
import { DiskJournal } from './journal.ts';
import type { JournalEnd } from './journal-recovery.ts';
import { liveChain, replayChain } from './journal-recovery.ts';
import { SegmentRing } from './journal-ring.ts';
import type { Segment } from './journal-segment.ts';
import { checkLength, damaged, isFull, isMissing, missing } from './journal-segment.ts';
import { openSegment } from './journal-segment.ts';
import { prewriteSegment, segmentName, segmentSlot } from './journal-segment.ts';
import { SuperblockFile, superblockName } from './journal-segment.ts';
import type { JournalRecord, JournalUser, RecordKind } from './types.ts';

export interface JournalOptions {
  readonly disk: Disk;
  /** On the disk; made when it does not exist. */
  readonly directory: string;
  readonly users: readonly JournalUser[];
  readonly events: Events;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Smaller in tests; whole pages. */
  readonly segmentBytes?: number;
  readonly segmentsMin?: number;
  readonly segmentsMax?: number;
}

/** A new journal starts with two, so that one can be given back while the other is written. */
const firstSegments = 2;

/**
 * Recovers the journal, replays it into its users and returns it ready for appending.
 * @throws CoreError DISK_REFUSED when files are damaged or missing, VERSION_UNSUPPORTED when they are of a newer
 *   format; DISK_FULL when there is no space for a new journal.
 */
export async function openJournal(options: JournalOptions): Promise<DiskJournal> {
  const { disk, directory, events, users, clock } = options;
  await disk.makeDirectory(directory);
  const path = `${directory}/${superblockName}`;
  const superblock = await SuperblockFile.open(disk, path);
  const ring = await (superblock === undefined
    ? createRing(options, path)
    : openRing(options, superblock));
  const end = await recover(options, ring).catch(async (error: unknown) => {
    await ring.close();
    throw error;
  });
  events.emit('info', 'journal-open', {
    directory,
    records: end.records,
    next: end.number,
    segments: ring.count,
  });
  return new DiskJournal({ ring, users, clock, events, end });
}

async function recover(options: JournalOptions, ring: SegmentRing): Promise<JournalEnd> {
  const end = await replay(options, ring);
  for (const user of options.users) {
    // oxlint-disable-next-line no-await-in-loop -- in the order given: later users may build on earlier ones
    await user.replayed();
  }
  if (!ring.hasFree) await freeSegments(options, ring, end);
  return end;
}

async function createRing(options: JournalOptions, path: string): Promise<SegmentRing> {
  const { disk, directory, rng } = options;
  await refuseWithoutSuperblock(options, path);
  const segmentBytes = options.segmentBytes ?? limits.journalSegmentBytes;
  const segments: Segment[] = [];
  try {
    for (let slot = 0; slot < firstSegments; slot++) {
      const bytes = Math.min(segmentBytes / 2, limits.journalFirstSegmentBytes);
      // oxlint-disable-next-line no-await-in-loop -- one file after another
      segments.push(await prewriteSegment(disk, `${directory}/${segmentName(slot)}`, bytes));
    }
    const superblock = await SuperblockFile.create(disk, path, {
      sequence: 1,
      salt: new DataView(rng.bytes(4).buffer).getUint32(0),
      number: 1,
      group: 1,
      generation: 0,
      offset: pageBytes,
      segments: segments.length,
      newest: 0,
    });
    return new SegmentRing(ringOptions(options), superblock, segments);
  } catch (error) {
    if (!isFull(error)) throw error;
    throw new CoreError('DISK_FULL', `no space for a journal in ${directory}; free some first`);
  }
}

/** The superblock is made last, so without it no segment was ever used: else it was lost. */
async function refuseWithoutSuperblock(options: JournalOptions, path: string): Promise<void> {
  const { disk, directory } = options;
  for (const name of await disk.list(directory)) {
    if (segmentSlot(name) === undefined) continue;
    // oxlint-disable no-await-in-loop -- one file after another
    const segment = await openSegment(disk, `${directory}/${name}`);
    await segment.file.close();
    // oxlint-enable no-await-in-loop
    if (segment.header !== undefined) throw missing(path);
  }
}

async function openRing(options: JournalOptions, superblock: SuperblockFile): Promise<SegmentRing> {
  const segments: Segment[] = [];
  try {
    await openSegments(options, superblock, segments);
    // Rule 6: what survived only in the page cache must not be shown and then lost.
    await Promise.all(segments.map(({ file }) => file.sync()));
    await options.disk.syncDir(options.directory);
  } catch (error) {
    await Promise.all(
      [superblock, ...segments.map(({ file }) => file)].map((each) => each.close()),
    );
    throw error;
  }
  return new SegmentRing(ringOptions(options), superblock, segments);
}

/** Opens what the superblock counts into `segments` and removes what an interrupted growth left. */
async function openSegments(
  { disk, directory }: JournalOptions,
  superblock: SuperblockFile,
  segments: Segment[],
): Promise<void> {
  const count = superblock.current.segments;
  const found = (await disk.list(directory)).map(segmentSlot).filter((slot) => slot !== undefined);
  for (let slot = 0; slot < Math.max(count, ...found.map((each) => each + 1)); slot++) {
    const path = `${directory}/${segmentName(slot)}`;
    // oxlint-disable no-await-in-loop -- one file after another
    const segment = await openSegment(disk, path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (slot < count) {
      if (segment === undefined) throw missing(path);
      segments.push(segment);
      checkLength(segment);
    } else if (segment !== undefined) {
      await segment.file.close();
      if (segment.header !== undefined)
        throw damaged(superblock.path, 0, `${path} is in use, but the superblock does not know it`);
      await disk.remove(path);
    }
    // oxlint-enable no-await-in-loop
  }
}

function ringOptions(options: JournalOptions): ConstructorParameters<typeof SegmentRing>[0] {
  const { disk, directory, events } = options;
  return {
    disk,
    directory,
    events,
    segmentBytes: options.segmentBytes ?? limits.journalSegmentBytes,
    segmentsMin: options.segmentsMin ?? limits.journalSegmentsMin,
    segmentsMax: options.segmentsMax ?? limits.journalSegmentsMax,
  };
}

function replay({ users }: JournalOptions, ring: SegmentRing): Promise<JournalEnd> {
  const userOf = new Map<RecordKind, JournalUser>();
  for (const user of users) {
    for (const kind of user.kinds) {
      assert(!userOf.has(kind), `two users of record kind ${kind}`);
      userOf.set(kind, user);
    }
  }
  const recovery = ring.recovery();
  return replayChain(recovery, liveChain(recovery), {
    knows: (kind) => kind === markKind || userOf.has(kind as RecordKind),
    verified: ({ number }) => {
      const from = recovery.superblock.number as RecordNumber;
      for (const user of users) user.recovering?.(from, number as RecordNumber);
    },
    visit: (record: JournalRecord) => userOf.get(record.kind)?.replay(record),
  });
}

/** The crash met a full ring: takes the checkpoint that would have freed it. */
async function freeSegments(
  { users }: JournalOptions,
  ring: SegmentRing,
  end: JournalEnd,
): Promise<void> {
  mark('journal.fullAtOpen');
  const below = end.number as RecordNumber;
  await Promise.all(users.map((user) => user.checkpoint(below)));
  await ring.restartAt(end);
  assert(ring.hasFree, 'a checkpoint frees all segments but one');
}
