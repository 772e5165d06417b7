// Making, opening and refusing a store (design 4.8).

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ErrorName, isCoreError } from '../../../core/base/errors.ts';
import type { ChainVer, TargetId } from '../../../core/base/ids.ts';
import { silentEvents } from '../../../core/env/events.ts';
import {
  chunkStoreExists,
  createChunkStore,
  openChunkStore,
} from '../../../core/store/chunk-store.ts';
import { SimClock } from '../../sim/clock.ts';
import { SimDevices } from '../../sim/devices.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { simRng } from '../../sim/rng.ts';
import { Trace } from '../../sim/trace.ts';
import {
  chunkOf,
  clusterId,
  keysOf,
  openRig,
  target1,
  target2,
  updateOf,
  writeOf,
} from './engine-rig.ts';

interface Place {
  readonly disk: SimDisk;
  readonly kv: SimKv;
}

async function made(): Promise<Place> {
  const place = { disk: new SimDisk(), kv: new SimKv() };
  await create(place);
  return place;
}

function create(place: Place, seed = 'store'): Promise<void> {
  const targets = [target1, target2];
  const rng = simRng(seed);
  return createChunkStore({
    ...place,
    events: silentEvents,
    clock: new SimClock(),
    rng,
    clusterId,
    targets,
  });
}

function open(place: Place, options: { clusterId?: Uint8Array; targets?: TargetId[] } = {}) {
  return openChunkStore({ ...place, events: silentEvents, ...options });
}

async function refusal(action: Promise<unknown>, name: ErrorName, pattern: RegExp): Promise<void> {
  await assert.rejects(action, (error) => {
    assert.ok(isCoreError(error, name), String(error));
    assert.match(error.message, pattern);
    return true;
  });
}

async function overwrite(disk: SimDisk, path: string, bytes: Uint8Array, at = 0): Promise<void> {
  const file = await disk.open(path, 'write');
  await file.write([bytes], at);
  await file.sync();
  await file.close();
}

describe('a chunk store', () => {
  it('is made only where there is none, and opened only where there is one', async () => {
    const place = { disk: new SimDisk(), kv: new SimKv() };
    await refusal(open(place), 'DISK_REFUSED', /disk\.superblock: there is no disk superblock/);
    assert.equal(await chunkStoreExists(place.disk), false);
    await create(place);
    assert.equal(await chunkStoreExists(place.disk), true);
    await refusal(create(place), 'DISK_REFUSED', /there is a store already/);
    assert.deepEqual((await open(place)).targets, [target1, target2]);
  });

  it('survives a power loss right after it was made', async () => {
    const { disk, kv } = await made();
    await open({ disk: disk.crash(() => false), kv: kv.crash(() => false) });
  });

  it('that a dead process made or changed stays as the next one saw it', async () => {
    const trace = new Trace();
    const place = { disk: new SimDisk({ trace }), kv: new SimKv({ trace }) };
    await create(place);
    await (await open(place)).noteServed(target1, 5 as ChainVer);
    const served = async (devices: SimDevices): Promise<number | undefined> => {
      const engine = await open({ disk: devices.disk, kv: devices.kv() });
      return engine.parts.targets.get(target1)?.value.servedVersion;
    };
    const devices = new SimDevices();
    const seen = new Set<number | undefined>();
    for (const event of trace.events) {
      devices.apply(event);
      // oxlint-disable no-await-in-loop -- point after point
      if (!(await chunkStoreExists(devices.disk))) continue;
      const cached = devices.copy();
      const version = await served(cached);
      seen.add(version);
      assert.equal(await served(cached.crash(() => false)), version);
      // oxlint-enable no-await-in-loop
    }
    assert.deepEqual([...seen], [0, 5]);
  });

  it('that was interrupted while it was made says so, and can be made again', async () => {
    // Every prefix of the operations, by the number of unsynced survivors and by failing one operation.
    for (const operation of ['create', 'rename', 'sync'] as const)
      for (let skip = 0; skip < 4; skip++) {
        const place = { disk: new SimDisk(), kv: new SimKv() };
        place.disk.inject({ operation, code: 'EIO', skip, once: true });
        const failed = await create(place).then(
          () => false,
          () => true,
        );
        place.disk.healFaults();
        if (!failed) continue;
        await refusal(open(place), 'DISK_REFUSED', /disk\.superblock/);
        await create(place, 'again');
        await open(place);
      }
  });

  it('with slabs and no superblock is not made anew over them', async () => {
    const rig = await openRig();
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, Buffer.from('abc'))));
    const disk = rig.disk as SimDisk;
    await disk.remove('disk.superblock');
    await refusal(
      create({ disk, kv: new SimKv() }),
      'DISK_REFUSED',
      /slabs\/4k\/00000001 holds chunks/,
    );
  });

  it('of another cluster, and targets of another disk, are refused', async () => {
    const place = await made();
    const other = new Uint8Array(16).fill(9);
    await refusal(open(place, { clusterId: other }), 'DISK_REFUSED', /belongs to cluster 0707/);
    const foreign = { disk: new SimDisk(), kv: new SimKv() };
    await create(foreign, 'another');
    await overwrite(
      place.disk,
      'targets/1.superblock',
      foreign.disk.content('targets/1.superblock'),
    );
    await refusal(
      open(place),
      'DISK_REFUSED',
      /targets\/1\.superblock: it belongs to another disk/,
    );
    const index = await made();
    await refusal(
      open({ disk: foreign.disk, kv: index.kv }),
      'DISK_REFUSED',
      /index belongs to disk/,
    );
  });

  it('without its index, a target or a slab file is refused by name', async () => {
    const place = await made();
    await refusal(
      open({ disk: place.disk, kv: new SimKv() }),
      'DISK_REFUSED',
      /no summary row: it was lost/,
    );
    await refusal(
      open(place, { targets: [3 as TargetId] }),
      'DISK_REFUSED',
      /targets\/3\.superblock: there is no target superblock/,
    );
    const rig = await openRig(place);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, Buffer.from('abc'))));
    await rig.journal.checkpoint();
    const disk = place.disk.copy();
    await disk.remove('slabs/4k/00000001');
    await refusal(
      openRig({ disk, kv: place.kv.copy() }),
      'DISK_REFUSED',
      /slabs\/4k\/00000001.*missing/,
    );
  });

  it('whose index lost a slab row keeps the slab file', async () => {
    const place = await made();
    const rig = await openRig(place);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, Buffer.from('abc'))));
    await rig.journal.checkpoint();
    const key = keysOf(place.kv).find((found) => found[1] === 's'.charCodeAt(0));
    assert.ok(key !== undefined);
    place.kv.damage(key, undefined);
    const disk = place.disk.copy();
    await refusal(
      openRig({ disk, kv: place.kv.copy() }),
      'DISK_REFUSED',
      /slab rows of|names slab/,
    );
    assert.ok(disk.files().includes('slabs/4k/00000001'));
  });

  it('of a newer build is refused, damaged slots one at a time are not', async () => {
    const place = await made();
    const whole = place.disk.content('disk.superblock');
    for (const at of [0, 4096]) {
      await overwrite(place.disk, 'disk.superblock', Buffer.alloc(4096, 0xee), at);
      await open(place);
      await overwrite(place.disk, 'disk.superblock', whole);
    }
    await overwrite(place.disk, 'disk.superblock', Buffer.alloc(8192, 0xee));
    await refusal(open(place), 'DISK_REFUSED', /not a disk superblock/);
    await overwrite(place.disk, 'disk.superblock', Buffer.alloc(8192));
    await refusal(open(place), 'DISK_REFUSED', /empty slot/);
    const { crc32c } = await import('../../../core/base/crc32c.ts');
    for (const [offset, what] of [
      [11, /newer build \(format 9/],
      [15, /newer build \(format 1, features 9/],
    ] as const) {
      const newer = Buffer.from(whole);
      for (const slot of [newer.subarray(0, 4096), newer.subarray(4096)]) {
        slot[offset] = 9;
        slot.writeUInt32BE(crc32c(slot.subarray(0, 4092)), 4092);
      }
      await overwrite(place.disk, 'disk.superblock', newer);
      await refusal(open(place), 'VERSION_UNSUPPORTED', what);
    }
  });

  it('notes the chain version a target serves under, durably and never backwards', async () => {
    const place = await made();
    const engine = await open(place);
    for (const version of [3, 7, 5]) await engine.noteServed(target1, version as ChainVer);
    const after = await open({ disk: place.disk.crash(() => false), kv: place.kv });
    assert.equal(after.parts.targets.get(target1)?.value.servedVersion, 7);
    assert.equal(after.parts.targets.get(target2)?.value.servedVersion, 0);
    // A torn write of the newest slot leaves the one before it.
    await overwrite(place.disk, 'targets/1.superblock', Buffer.alloc(512, 1), 0);
    const torn = await open(place);
    assert.ok([3, 7].includes(torn.parts.targets.get(target1)?.value.servedVersion ?? 0));
  });
});
