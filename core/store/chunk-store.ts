// Making and opening the chunk store of a disk: superblocks, index, engine. The order is fixed by what each
// part needs: superblocks → table → slab rows → engine → journal (replays into the engine) → serve.
//
// A store is made explicitly and only where there is none. The disk's superblock is written last, so a disk
// without one never held a chunk; slabs without one mean that it was lost, and the disk is refused.

import { equalBytes } from '../base/bytes.ts';
import { CoreError } from '../base/errors.ts';
import type { ChainVer, RecordNumber, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Clock } from '../env/clock.ts';
import type { Disk } from '../env/disk.ts';
import type { Events } from '../env/events.ts';
import type { Kv } from '../env/kv.ts';
import type { Rng } from '../env/rng.ts';
import { Allocator } from './allocator.ts';
import { ChunkReader } from './chunk-reader.ts';
import { Drafter } from './draft.ts';
import { ChunkEngine } from './engine.ts';
import { PendingIndex, pendingKeys } from './pending-index.ts';
import { Placements } from './placements.ts';
import { blockLog2Max, blockLog2Min, classDirectory, slabOfName } from './position.ts';
import { Slab, slabKeys, slabOfKey } from './slab.ts';
import { SlabFiles } from './slab-files.ts';
import { SpaceManager } from './space.ts';
import { decodeSummary, encodeSummary, summaryKey } from './summary.ts';
import {
  type DiskSuperblock,
  type Superblock,
  type TargetSuperblock,
  createDiskSuperblock,
  createTargetSuperblock,
  diskSuperblockPath,
  identityBytes,
  openDiskSuperblock,
  openTargetSuperblock,
  refused,
  targetPath,
  targetsDirectory,
} from './superblock.ts';
import { type JournaledTable, openTable } from './table.ts';
import { decodeTagRow, tagKeys } from './tag-row.ts';
import { TagTables } from './tag-tables.ts';

export interface ChunkStorePlace {
  readonly disk: Disk;
  /** The index; other tables may live beside it. */
  readonly kv: Kv;
  readonly events: Events;
}

export interface CreateChunkStore extends ChunkStorePlace {
  readonly clock: Clock;
  readonly rng: Rng;
  /** 16 bytes. */
  readonly clusterId: Uint8Array;
  readonly targets: readonly TargetId[];
}

/** Sizes that tests make small; the defaults are those of core/base/limits.ts. */
export interface StoreTuning {
  readonly slabBytesMin?: number;
  readonly slabBytesMax?: number;
  readonly slabPieceBytes?: number;
  readonly slabHandlesMax?: number;
  readonly slabSyncsInFlightMax?: number;
  readonly journaledBytesMax?: number;
  readonly rewriteBytesMax?: number;
  readonly placementRoundBytes?: number;
  readonly placementBytesMax?: number;
  readonly reserveBytes?: number;
  readonly tableOverlayBytesMax?: number;
}

export interface OpenChunkStore extends ChunkStorePlace {
  /** Refuses a disk of another cluster; absent: any. */
  readonly clusterId?: Uint8Array;
  /** Targets that must be there; those on the disk beside them are opened too. */
  readonly targets?: readonly TargetId[];
  readonly tuning?: StoreTuning;
  /** The index holds many changes in memory: run `journal.checkpoint()`. */
  readonly onLarge?: () => Promise<void> | undefined;
  /** Bytes of rows of others that wait behind the journal for room on the same file system. */
  readonly pendingBytes?: () => number;
}

const tablePrefix = Uint8Array.from([0x01]);

export async function chunkStoreExists(disk: Disk): Promise<boolean> {
  return (await disk.list('')).includes(diskSuperblockPath);
}

/**
 * Makes an empty chunk store on a disk that has none. An interrupted creation is done again.
 * @throws CoreError DISK_REFUSED when there is a store, or slabs of one whose superblock was lost
 */
export async function createChunkStore(options: CreateChunkStore): Promise<void> {
  const { disk, clock, rng, clusterId } = options;
  if (clusterId.length !== identityBytes)
    throw new CoreError('INVALID_ARGUMENT', `a cluster id has ${identityBytes} bytes`);
  if (await chunkStoreExists(disk))
    throw refused(
      diskSuperblockPath,
      'there is a store already',
      'open it or choose another place',
    );
  await refuseLostSuperblock(disk);
  for (let log2 = blockLog2Min; log2 <= blockLog2Max; log2++)
    // oxlint-disable-next-line no-await-in-loop -- once in a disk's life
    await disk.makeDirectory(classDirectory(log2));
  await disk.makeDirectory(targetsDirectory);
  const diskIdentity = rng.bytes(identityBytes);
  for (const target of options.targets) {
    // oxlint-disable-next-line no-await-in-loop -- once in a disk's life
    await removeLeftover(disk, targetPath(target));
    // oxlint-disable-next-line no-await-in-loop
    await makeTarget(disk, rng, target, { diskIdentity, clusterId });
  }
  await makeIndex(options, diskIdentity);
  await createDiskSuperblock(disk, {
    diskIdentity,
    clusterId,
    createdMs: Math.floor(clock.wallMs()),
  });
}

/** The empty index with its summary: an index without one is not this store's, or was lost. */
async function makeIndex(options: CreateChunkStore, diskIdentity: Uint8Array): Promise<void> {
  const table = await openIndex(options);
  const none = 0 as RecordNumber;
  const value = encodeSummary({ diskIdentity, nextSlab: 1, slabs: 0 });
  table.apply(none, [{ key: summaryKey, value }]);
  await table.flush(none);
}

function openIndex(options: ChunkStorePlace & Partial<OpenChunkStore>): Promise<JournaledTable> {
  const { kv, events, onLarge, tuning } = options;
  const overlayBytesMax = tuning?.tableOverlayBytesMax;
  return openTable({
    name: 'chunks',
    kv,
    prefix: tablePrefix,
    events,
    ...(onLarge === undefined ? {} : { onLarge }),
    ...(overlayBytesMax === undefined ? {} : { overlayBytesMax }),
  });
}

function makeTarget(
  disk: Disk,
  rng: Rng,
  target: TargetId,
  owner: { readonly diskIdentity: Uint8Array; readonly clusterId: Uint8Array },
): Promise<void> {
  const { diskIdentity, clusterId } = owner;
  const identity = rng.bytes(identityBytes);
  const servedVersion = 0 as ChainVer;
  return createTargetSuperblock(disk, { target, identity, diskIdentity, clusterId, servedVersion });
}

async function removeLeftover(disk: Disk, path: string): Promise<void> {
  await disk.remove(path).catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
  });
}

async function refuseLostSuperblock(disk: Disk): Promise<void> {
  for (let log2 = blockLog2Min; log2 <= blockLog2Max; log2++)
    // oxlint-disable-next-line no-await-in-loop -- once in a disk's life
    for (const name of await disk.list(classDirectory(log2)))
      if (slabOfName(name) !== undefined)
        throw refused(
          diskSuperblockPath,
          `it is missing although ${classDirectory(log2)}/${name} holds chunks`,
          'restore it from a backup, or empty the directory to give the chunks up',
        );
}

/**
 * Opens a store up to its journal: pass the engine to `openJournal` as a user, then the journal to
 * `engine.serve`.
 * @throws CoreError DISK_REFUSED, CORRUPT, VERSION_UNSUPPORTED
 */
export async function openChunkStore(options: OpenChunkStore): Promise<ChunkEngine> {
  const superblock = await openOwner(options);
  const targets = await openTargets(options, superblock);
  const table = await openIndex(options);
  const engine = assemble(options, { table, targets, diskIdentity: superblock.diskIdentity });
  await loadSpace(engine, table, superblock);
  await loadReplication(engine, table);
  await engine.parts.space.listFiles();
  const disk = hex(superblock.diskIdentity);
  options.events.emit('info', 'chunk-store-open', { disk, targets: targets.size });
  return engine;
}

async function openOwner({ disk, clusterId }: OpenChunkStore): Promise<DiskSuperblock> {
  if (
    !(await chunkStoreExists(disk)) &&
    (await disk.list('')).includes(`${diskSuperblockPath}.new`)
  )
    throw refused(
      diskSuperblockPath,
      'making the store was interrupted, nothing was stored yet',
      'make it again',
    );
  const { value } = await openDiskSuperblock(disk);
  if (clusterId !== undefined && !equalBytes(clusterId, value.clusterId))
    throw refused(
      diskSuperblockPath,
      `the disk belongs to cluster ${hex(value.clusterId)}, not to ${hex(clusterId)}`,
      'use it there, or give this cluster another disk',
    );
  return value;
}

async function openTargets(
  { disk, targets: expected }: OpenChunkStore,
  owner: DiskSuperblock,
): Promise<Map<TargetId, Superblock<TargetSuperblock>>> {
  const found = new Set<TargetId>(expected);
  for (const name of await disk.list(targetsDirectory)) {
    const match = /^(\d{1,16})\.superblock$/.exec(name);
    if (match !== null) found.add(Number(match[1]) as TargetId);
  }
  const targets = new Map<TargetId, Superblock<TargetSuperblock>>();
  for (const target of found)
    // oxlint-disable-next-line no-await-in-loop -- few targets
    targets.set(target, await openTargetSuperblock(disk, target, owner));
  return targets;
}

interface Opened {
  readonly table: JournaledTable;
  readonly targets: ReadonlyMap<TargetId, Superblock<TargetSuperblock>>;
  readonly diskIdentity: Uint8Array;
}

function assemble(options: OpenChunkStore, opened: Opened): ChunkEngine {
  const { disk, events, tuning = {}, pendingBytes = () => 0 } = options;
  const allocator = new Allocator();
  const files = new SlabFiles({
    disk,
    handlesMax: tuning.slabHandlesMax ?? limits.slabHandlesMax,
    syncsInFlightMax: tuning.slabSyncsInFlightMax ?? limits.slabSyncsInFlightMax,
    pieceBytes: tuning.slabPieceBytes ?? limits.slabPieceBytes,
    onFailure: (error) => engine.commits.fail(error),
  });
  const placements = new Placements({
    files,
    allocator,
    roundBytes: tuning.placementRoundBytes ?? limits.placementRoundBytes,
    bytesMax: tuning.placementBytesMax ?? limits.placementBytesMax,
  });
  const reader = new ChunkReader({ files, allocator, placements });
  const space = new SpaceManager({
    disk,
    files,
    allocator,
    journal: () => engine.commits.journal,
    events,
    slabBytesMin: tuning.slabBytesMin ?? limits.slabBytesMin,
    slabBytesMax: tuning.slabBytesMax ?? limits.slabBytesMax,
    reserveBytes: tuning.reserveBytes,
    pendingBytes: () => opened.table.overlayBytes + pendingBytes(),
  });
  const drafter = new Drafter({
    allocator,
    files,
    reader,
    space,
    journaledBytesMax: tuning.journaledBytesMax ?? limits.journaledBytesMax,
    rewriteBytesMax: tuning.rewriteBytesMax ?? limits.rewriteBytesMax,
  });
  const engine: ChunkEngine = new ChunkEngine({
    ...opened,
    allocator,
    files,
    placements,
    reader,
    drafter,
    space,
    pendings: new PendingIndex(),
    tags: new TagTables(),
    events,
  });
  return engine;
}

/** Slab rows of the last checkpoint. */
async function loadSpace(
  engine: ChunkEngine,
  table: JournaledTable,
  owner: DiskSuperblock,
): Promise<void> {
  const row = await table.get(summaryKey);
  const slabs: Slab[] = [];
  await eachRow(table, slabKeys, (key, value) => slabs.push(Slab.decode(slabOfKey(key), value)));
  if (row === undefined)
    throw new CoreError(
      'DISK_REFUSED',
      'the index has no summary row: it was lost or is not the index of this disk; ' +
        'put the right index back or rebuild this disk from replicas',
    );
  const summary = decodeSummary(row);
  if (!equalBytes(summary.diskIdentity, owner.diskIdentity))
    throw new CoreError(
      'DISK_REFUSED',
      `the index belongs to disk ${hex(summary.diskIdentity)}, not to ${hex(owner.diskIdentity)}; ` +
        'put the right index back',
    );
  engine.parts.space.load(slabs, summary);
}

/** What the last checkpoint knew of replicated chunks that must be in memory. */
async function loadReplication(engine: ChunkEngine, table: JournaledTable): Promise<void> {
  const { pendings, tags } = engine.parts;
  await eachRow(table, pendingKeys, (key) => pendings.load(key));
  await eachRow(table, tagKeys, (key, value) => {
    const { target, entry } = decodeTagRow(key, value);
    tags.load(target, entry);
  });
}

async function eachRow(
  table: JournaledTable,
  { from: first, to }: { readonly from: Uint8Array; readonly to: Uint8Array },
  use: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  let from = first;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const page = await table.range({ from, to, limit: limits.scanRowsMax });
    for (const [key, value] of page) use(key, value);
    const last = page.at(-1);
    if (last === undefined || page.length < limits.scanRowsMax) return;
    from = Uint8Array.from([...last[0], 0]);
  }
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
