import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { crc32c } from '../../../core/base/crc32c.ts';
import { KiB, limits } from '../../../core/base/limits.ts';
import { marks } from '../../../core/base/mark.ts';
import { DirectReader, type FoundPlace } from '../../../core/client/direct-reader.ts';
import { StoreFiles } from '../../../core/client/store-files.ts';
import type { Disk, DiskFile } from '../../../core/env/disk.ts';
import { silentEvents } from '../../../core/env/events.ts';
import type { ChunkPlace } from '../../../core/store/place.ts';
import { SimClock } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { content } from './rig.ts';

const directory = '/store';
const file = 'slab';
const unitBytes = 4 * KiB;
const found = (place: ChunkPlace): FoundPlace => ({ directory, place, link: 1 });

/** Opens that are not closed yet. */
class CountedDisk extends SimDisk {
  openFiles = 0;

  override async open(...given: Parameters<SimDisk['open']>): Promise<DiskFile> {
    const opened = await super.open(...given);
    this.openFiles++;
    const close = opened.close.bind(opened);
    opened.close = () => {
      this.openFiles--;
      return close();
    };
    return opened;
  }
}

async function write(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const made = await disk.open(path, 'create');
  await made.write([bytes], 0);
  await made.close();
}

function placeOf(bytes: Buffer, at: number): ChunkPlace {
  const units = Math.ceil(bytes.length / unitBytes);
  const checksums = Buffer.alloc(4 * units);
  for (let unit = 0; unit < units; unit++)
    checksums.writeUInt32BE(
      crc32c(bytes.subarray(unit * unitBytes, (unit + 1) * unitBytes)),
      4 * unit,
    );
  return { index: 0, offset: 8 * KiB, length: bytes.length, file, at, unitBytes, checksums };
}

describe('a direct reader', () => {
  const bytes = content(30_000);
  const place = placeOf(bytes, 12_288);
  let [clock, disk] = [new SimClock(), new CountedDisk()];
  let reader: DirectReader;
  let link: number | undefined;

  beforeEach(async () => {
    [clock, disk] = [new SimClock(), new CountedDisk()];
    link = 1;
    const options = { openDisk: () => disk, clock, events: silentEvents, link: () => link };
    reader = new DirectReader(options);
    await write(disk, file, Buffer.concat([content(12_288, 9), bytes, Buffer.alloc(9000)]));
  });

  const read = (offset: number, length: number) =>
    reader.read(found(place), place.offset + offset, length);

  test('answers any range of a place, whatever units it cuts', async () => {
    for (const [offset, length] of [
      [0, bytes.length],
      [1, 1],
      [4095, 2],
      [8192, 4096],
      [28_672, 1328],
      [29_999, 1],
    ] as const) {
      const lent = await read(offset, length);
      assert.deepEqual(lent?.bytes, bytes.subarray(offset, offset + length));
      lent?.release?.();
    }
    assert.equal(disk.openFiles, 1);
  });

  test('bytes that are not the chunk’s are none: of every unit that is touched, and of no other', async () => {
    disk.flip(file, 12_288 + 9000);
    assert.equal(await read(0, bytes.length), undefined);
    assert.equal(await read(8192, 10), undefined);
    assert.deepEqual((await read(12_288, 5000))?.bytes, bytes.subarray(12_288, 17_288));
  });

  test('a file that ends early, or is gone, is a miss', async () => {
    assert.equal(await reader.read(found({ ...place, at: 24_000 }), 8 * KiB, 30_000), undefined);
    const gone = { ...place, file: 'other' };
    assert.equal(await reader.read(found(gone), 8 * KiB, 10), undefined);
    assert.notEqual(await read(0, 10), undefined);
  });

  test('a place is good while the connection lasts over which it came', async () => {
    for (const other of [2, undefined]) {
      const reading = read(0, 10);
      link = other;
      assert.equal(await reading, undefined);
      assert.equal(await read(0, 10), undefined);
      link = 1;
    }
    assert.equal(reader.usable, true);
    assert.notEqual(await read(0, 10), undefined);
  });

  test('misses in a row pause it for a while; one that hits between them does not', async () => {
    const gone = { ...place, file: 'other' };
    const miss = () => reader.read(found(gone), 8 * KiB, 10);
    for (let i = 1; i < limits.directMissesMax; i++) await miss();
    await read(0, 10);
    for (let i = 1; i < limits.directMissesMax; i++) await miss();
    assert.equal(reader.usable, true);
    const paused = marks().get('direct.paused') ?? 0;
    await miss();
    assert.equal(reader.usable, false);
    assert.equal(marks().get('direct.paused'), paused + 1);
    await advance(clock, limits.directPauseMs + 1);
    assert.equal(reader.usable, true);
  });

  test('memory is used again once it is given back, and not before', async () => {
    const large = Buffer.concat([bytes, bytes, bytes, bytes, bytes]);
    await write(disk, 'large', large);
    const whole = { ...placeOf(large, 0), file: 'large' };
    const take = () => reader.read(found(whole), 8 * KiB, large.length);
    const [first, second] = [await take(), await take()];
    assert.notEqual(first?.bytes.buffer, second?.bytes.buffer);
    first?.release?.();
    assert.equal((await take())?.bytes.buffer, first?.bytes.buffer);
  });
});

describe('files of stores', () => {
  let [clock, disk] = [new SimClock(), new CountedDisk()];
  let files: StoreFiles;

  beforeEach(() => {
    [clock, disk] = [new SimClock(), new CountedDisk()];
    files = new StoreFiles(() => disk, clock);
  });

  const read = (path: string) => files.read(directory, path, Buffer.alloc(1), 0);

  test('no more stay open than the limit, and those in use stay', async () => {
    const names = Array.from({ length: limits.directFilesMax + 20 }, (_, index) => `f${index}`);
    for (const name of names) await write(disk, name, Buffer.from(name));
    const before = marks().get('storeFiles.evict') ?? 0;
    await Promise.all(names.map(read));
    assert.equal(files.count, limits.directFilesMax);
    assert.equal((marks().get('storeFiles.evict') ?? 0) - before, 20);
    await settled();
    assert.equal(disk.openFiles, limits.directFilesMax);
  });

  test('a removed file is let go of soon, so that its space is free', async () => {
    await write(disk, file, Buffer.from('x'));
    await read(file);
    await disk.remove(file);
    assert.equal(await read(file), 1);
    await advance(clock, 2 * limits.directFileIdleMs + 1);
    await settled();
    assert.equal(disk.openFiles, 0);
    await assert.rejects(read(file), { code: 'ENOENT' });
    assert.equal(files.count, 0);
  });

  test('closing closes what is used when its user is done', async () => {
    await write(disk, file, Buffer.from('x'));
    const reading = read(file);
    files.closeAll();
    assert.equal(await reading, 1);
    await settled();
    assert.equal(disk.openFiles, 0);
  });
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Timers up to then run. */
function advance(clock: SimClock, ms: number): Promise<void> {
  return clock.until(new Promise((resolve) => void clock.after(ms, () => resolve())));
}
