import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CoreError, isCoreError } from '../../../core/base/errors.ts';
import { KiB } from '../../../core/base/limits.ts';
import { Allocator } from '../../../core/store/allocator.ts';
import { Placements } from '../../../core/store/placements.ts';
import { positionOf, slabPath } from '../../../core/store/position.ts';
import { Slab } from '../../../core/store/slab.ts';
import { SlabFiles } from '../../../core/store/slab-files.ts';
import { drained } from '../../sim/clock.ts';
import { SimDisk, type SimDiskOptions } from '../../sim/disk.ts';

interface Rig {
  readonly disk: SimDisk;
  readonly files: SlabFiles;
  readonly failures: CoreError[];
}

function rig(options: SimDiskOptions = {}, handlesMax = 8, syncsInFlightMax = 1): Rig {
  const disk = new SimDisk(options);
  const failures: CoreError[] = [];
  const onFailure = (error: CoreError): void => void failures.push(error);
  const pieceBytes = 8 * KiB;
  const files = new SlabFiles({ disk, handlesMax, syncsInFlightMax, pieceBytes, onFailure });
  return { disk, files, failures };
}

async function withSlabs(
  count: number,
  options?: SimDiskOptions,
  handlesMax?: number,
): Promise<Rig> {
  const made = rig(options, handlesMax);
  await made.disk.makeDirectory('slabs/4k');
  for (let slab = 1; slab <= count; slab++)
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await made.files.create(slab, slabPath(12, slab), 16 * KiB);
  return made;
}

async function placing(): Promise<Rig & { placements: Placements; allocator: Allocator }> {
  const made = await withSlabs(1);
  const allocator = new Allocator();
  allocator.addSlab(new Slab(1, 13, 2));
  const { files } = made;
  const placements = new Placements({ files, allocator, roundBytes: 1 << 20, bytesMax: 1 << 20 });
  return { ...made, placements, allocator };
}
const section = (block: number, from: number, bytes: number, fill: number) => ({
  position: positionOf(1, block),
  from,
  bytes: Buffer.alloc(bytes, fill),
});

describe('slab files', () => {
  it('are zeros, synced with their names, when they are made', async () => {
    const { disk } = await withSlabs(1);
    const after = disk.crash(() => false);
    assert.deepEqual(after.content(slabPath(12, 1)), Buffer.alloc(16 * KiB));
  });

  it('share one sync among the writes that finished before it', async () => {
    const gate: (() => void)[] = [];
    const delay = (operation: string): Promise<void> =>
      operation === 'sync' && armed
        ? new Promise((resolve) => gate.push(resolve))
        : Promise.resolve();
    let armed = false;
    const { disk, files } = await withSlabs(1, { delay });
    const before = disk.counts.sync ?? 0;
    armed = true;
    const write = async (byte: number): Promise<void> => {
      await files.write(1, [Buffer.alloc(4 * KiB, byte)], 4 * KiB * (byte % 4));
      await files.sync(1);
    };
    const first = write(1);
    await drained();
    // These come while the first sync runs: they need a later one, and one is enough.
    const rest = [write(2), write(3), write(4)];
    await drained();
    assert.equal(gate.length, 1);
    gate.shift()?.();
    await first;
    await drained();
    assert.equal(gate.length, 1);
    gate.shift()?.();
    await Promise.all(rest);
    assert.equal((disk.counts.sync ?? 0) - before, 2);
  });

  it('keep the syncs in flight of a disk within the limit', async () => {
    let inFlight = 0;
    let most = 0;
    const delay = async (operation: string): Promise<void> => {
      if (operation !== 'sync') return;
      most = Math.max(most, ++inFlight);
      await drained();
      inFlight--;
    };
    const { files } = await withSlabs(5, { delay });
    await Promise.all([1, 2, 3, 4, 5].map((slab) => files.sync(slab)));
    assert.equal(most, 1);
  });

  it('report a failed sync once and keep no handle of a dirty file from it', async () => {
    const { disk, files, failures } = await withSlabs(1);
    disk.inject({ operation: 'sync', code: 'EIO' });
    await files.write(1, [Buffer.alloc(4 * KiB, 1)], 0);
    await assert.rejects(files.sync(1), (error) => isCoreError(error, 'DISK_OFFLINE'));
    assert.equal(failures.length, 1);
    assert.match(failures[0]?.message ?? '', /sync of slabs\/4k\/00000001 failed/);
  });

  it('open again what was evicted, and never evict what is not synced', async () => {
    const { disk, files } = await withSlabs(6, {}, 2);
    const opens = (): number => disk.counts.open ?? 0;
    for (const slab of [1, 2, 3]) await files.write(slab, [Buffer.alloc(4 * KiB, slab)], 0);
    const before = opens();
    for (const slab of [1, 2, 3]) await files.write(slab, [Buffer.alloc(4 * KiB, slab)], 4 * KiB);
    assert.equal(opens(), before, 'dirty handles stay');
    await files.syncAll();
    const into = Buffer.alloc(4 * KiB);
    for (const slab of [4, 5, 6, 1]) await files.read(slab, into, 0);
    assert.ok(opens() > before);
    assert.deepEqual(into, Buffer.alloc(4 * KiB, 1));
  });

  it('leave no file behind when there is no space to make one', async () => {
    const { disk, files, failures } = rig({ totalBytes: 20 * KiB });
    await disk.makeDirectory('slabs/4k');
    await files.create(1, slabPath(12, 1), 16 * KiB);
    await assert.rejects(files.create(2, slabPath(12, 2), 16 * KiB), (error) =>
      isCoreError(error, 'DISK_FULL'),
    );
    assert.deepEqual(await disk.list('slabs/4k'), ['00000001']);
    assert.deepEqual(failures, []);
  });

  it('forget a removed slab without a sync of it, also in the middle of one', async () => {
    const { disk, files, failures } = await withSlabs(2);
    await files.write(1, [Buffer.alloc(4 * KiB, 1)], 0);
    const syncing = files.syncAll();
    files.forget(1);
    await disk.remove(slabPath(12, 1));
    await syncing;
    await files.syncAll();
    assert.deepEqual(failures, []);
  });

  it('say which file is missing or short', async () => {
    const { disk, files } = await withSlabs(1);
    const into = Buffer.alloc(8 * KiB);
    await assert.rejects(files.read(1, into, 12 * KiB), /slabs\/4k\/00000001 ends at/);
    files.add(2, slabPath(12, 2));
    await assert.rejects(files.read(2, into, 0), (error) => {
      assert.ok(isCoreError(error, 'CORRUPT'));
      return /00000002 is missing/.test(error.message);
    });
    assert.ok(disk.files().length > 0);
  });
});

describe('placements', () => {
  it('merge neighbours into one write of whole pages', async () => {
    const { disk, placements } = await placing();
    await placements.placeAll();
    const before = disk.counts.write ?? 0;
    placements.add(section(1, 0, 100, 2));
    placements.add(section(0, 0, 8 * KiB, 1));
    await placements.placeAll();
    assert.equal((disk.counts.write ?? 0) - before, 1);
    const expected = Buffer.alloc(16 * KiB);
    expected.fill(1, 0, 8 * KiB).fill(2, 8 * KiB, 8 * KiB + 100);
    assert.deepEqual(disk.content(slabPath(12, 1)), expected);
    assert.equal(placements.pendingBytes, 0);
  });

  it('let the later image of a page win', async () => {
    const { disk, placements } = await placing();
    placements.add(section(0, 0, 5000, 1));
    placements.add(section(0, 4 * KiB, 2000, 2));
    placements.add(section(0, 4 * KiB, 3000, 3));
    assert.equal(placements.over(positionOf(1, 0), 0, 4 * KiB).length, 1);
    assert.equal(placements.over(positionOf(1, 0), 4999, 5000).length, 3);
    await placements.placeAll();
    const expected = Buffer.alloc(16 * KiB);
    expected.fill(1, 0, 4 * KiB).fill(3, 4 * KiB, 4 * KiB + 3000);
    assert.deepEqual(disk.content(slabPath(12, 1)), expected);
  });

  it('gather long runs in one memory, and write what does not fit from where it is', async () => {
    const { disk, files } = await withSlabs(0);
    await disk.makeDirectory('slabs/128k');
    await files.create(1, slabPath(17, 1), 1 << 20);
    const allocator = new Allocator();
    allocator.addSlab(new Slab(1, 17, 8));
    const roundBytes = 256 * KiB;
    const placements = new Placements({ files, allocator, roundBytes, bytesMax: 1 << 20 });
    const expected = Buffer.alloc(1 << 20);
    const fill = (block: number, bytes: number, value: number): void => {
      placements.add(section(block, 0, bytes, value));
      expected.fill(value, block * 128 * KiB, block * 128 * KiB + bytes);
    };
    // Two rounds: three long runs of which the last fits no more, and a short one; then neighbours.
    for (const turn of [1, 2]) {
      fill(0, 100 * KiB + 1, turn);
      fill(2, 90 * KiB, turn + 10);
      fill(4, 9 * KiB, turn + 20);
      fill(6, 128 * KiB, turn + 30);
      await placements.placeAll();
      assert.ok(disk.content(slabPath(17, 1)).equals(expected), `round ${turn}`);
    }
    fill(3, 128 * KiB, 40);
    fill(4, 128 * KiB, 41);
    await placements.placeAll();
    assert.ok(disk.content(slabPath(17, 1)).equals(expected), 'neighbours');
  });

  it('write nothing of a block that was freed', async () => {
    const { disk, placements } = await placing();
    placements.add(section(0, 0, 4 * KiB, 1));
    placements.add(section(1, 0, 4 * KiB, 2));
    placements.cancel(positionOf(1, 0));
    assert.equal(placements.pendingBytes, 4 * KiB);
    await placements.placeAll();
    const content = disk.content(slabPath(12, 1));
    assert.equal(content[0], 0);
    assert.equal(content[8 * KiB], 2);
  });

  it('are readers of their blocks while they write', async () => {
    const { placements, allocator } = await placing();
    const position = allocator.reserve(13, true);
    assert.ok(position !== undefined);
    allocator.submit(position, 1);
    allocator.apply(position, 1);
    placements.add({ position, from: 0, bytes: Buffer.alloc(4 * KiB, 1) });
    const round = placements.place();
    allocator.apply(position, allocator.submit(position, -1));
    allocator.drain();
    assert.ok(allocator.epochs.waiting > 0, 'not reusable under the write');
    await round;
    assert.equal(allocator.epochs.waiting, 0);
  });
});
