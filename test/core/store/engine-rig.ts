// A chunk store on simulated devices, small enough that few updates reach every path.

import { KiB } from '../../../core/base/limits.ts';
import { crc32c } from '../../../core/base/crc32c.ts';
import type { BlobId, ChainVer, ChunkId, SessionId, TargetId } from '../../../core/base/ids.ts';
import type { Disk } from '../../../core/env/disk.ts';
import type { Events } from '../../../core/env/events.ts';
import { silentEvents } from '../../../core/env/events.ts';
import type { Kv } from '../../../core/env/kv.ts';
import {
  type StoreTuning,
  chunkStoreExists,
  createChunkStore,
  openChunkStore,
} from '../../../core/store/chunk-store.ts';
import type { ChunkEngine } from '../../../core/store/engine.ts';
import type { DiskJournal } from '../../../core/store/journal.ts';
import { openJournal } from '../../../core/store/journal-open.ts';
import type { ChunkChange, ChunkUpdate } from '../../../core/store/types.ts';
import { SimClock } from '../../sim/clock.ts';
import type { SimDevices } from '../../sim/devices.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { simRng } from '../../sim/rng.ts';

export const clusterId = new Uint8Array(16).fill(7);
export const target1 = 1 as TargetId;
export const target2 = 2 as TargetId;

/** Blocks from 4 KiB, slabs of few blocks, direct writes above 12 KiB. */
export const smallTuning: StoreTuning = {
  slabBytesMin: 32 * KiB,
  slabBytesMax: 256 * KiB,
  slabPieceBytes: 64 * KiB,
  slabHandlesMax: 6,
  journaledBytesMax: 12 * KiB,
  rewriteBytesMax: 4 * KiB,
  placementRoundBytes: 32 * KiB,
  placementBytesMax: 40 * KiB,
  reserveBytes: 0,
};

export interface Rig {
  readonly disk: Disk;
  readonly kv: Kv;
  readonly clock: SimClock;
  readonly engine: ChunkEngine;
  readonly journal: DiskJournal;
}

export interface RigOptions {
  readonly disk?: Disk;
  readonly kv?: Kv;
  readonly tuning?: StoreTuning;
  readonly segmentBytes?: number;
  readonly segmentsMin?: number;
  readonly events?: Events;
  readonly targets?: readonly TargetId[];
  readonly pendingBytes?: () => number;
}

/** Opens the store of the disk, making it first when there is none. */
export async function openRig(options: RigOptions = {}): Promise<Rig> {
  const disk = options.disk ?? new SimDisk();
  const kv = options.kv ?? new SimKv();
  const events = options.events ?? silentEvents;
  const clock = new SimClock();
  const targets = options.targets ?? [target1, target2];
  if (!(await chunkStoreExists(disk)))
    await createChunkStore({ disk, kv, events, clock, rng: simRng('store'), clusterId, targets });
  const engine = await openChunkStore({
    disk,
    kv,
    events,
    clusterId,
    targets,
    tuning: options.tuning ?? smallTuning,
    pendingBytes: options.pendingBytes ?? (() => 0),
  });
  const journal = await openJournal({
    disk,
    directory: 'journal',
    users: [engine],
    events,
    clock,
    rng: simRng('journal'),
    segmentBytes: options.segmentBytes ?? 256 * KiB,
    segmentsMin: options.segmentsMin ?? 3,
    segmentsMax: 4,
  });
  engine.serve(journal);
  return { disk, kv, clock, engine, journal };
}

export function chunkOf(blob: number, index = 0): ChunkId {
  return { blob: blob as BlobId, index };
}

export function updateOf(
  chunk: ChunkId,
  change: ChunkChange,
  more: Partial<ChunkUpdate> = {},
): ChunkUpdate {
  return {
    target: target1,
    chunk,
    change,
    chainVersion: 1 as ChainVer,
    tag: { session: 1 as SessionId, channel: 0, sequence: 0 },
    checksumUnitBytes: 4 * KiB,
    ...more,
  };
}

export function writeOf(offset: number, bytes: Uint8Array): ChunkChange {
  return { kind: 'write', offset, bytes, crc32c: crc32c(bytes) };
}

/** What a change makes of a chunk's content; undefined: no such chunk. */
export function changed(before: Buffer | undefined, change: ChunkChange): Buffer | undefined {
  const old = before ?? Buffer.alloc(0);
  switch (change.kind) {
    case 'write': {
      if (change.bytes.length === 0) return old;
      const end = change.offset + change.bytes.length;
      const after = Buffer.alloc(Math.max(old.length, end));
      old.copy(after);
      after.set(change.bytes, change.offset);
      return after;
    }
    case 'truncate': {
      const after = Buffer.alloc(change.length);
      old.copy(after);
      return after;
    }
    case 'seal':
      return before;
    case 'remove':
      return undefined;
  }
}

/** Keys of everything in a simulated store. */
export function keysOf(kv: SimKv): Buffer[] {
  return kv.entries().map(([key]) => Buffer.from(key));
}

/** On devices whose crash states are taken. Bytes are placed in small rounds, so that a replay is met in the middle of placing
 *  what it replayed; the journal does not grow, whose own syncs would cover for those of recovery. */
export function openForCrashes(devices: SimDevices, slabBytesMax: number): Promise<Rig> {
  const tuning = {
    ...smallTuning,
    placementRoundBytes: 4 * KiB,
    placementBytesMax: 8 * KiB,
    slabBytesMin: 8 * KiB,
    slabBytesMax,
    journaledBytesMax: 6 * KiB,
  };
  const { disk } = devices;
  return openRig({ disk, kv: devices.kv(), tuning, segmentBytes: 64 * KiB, segmentsMin: 2 });
}
