// One kind of operation takes far longer than all others: what is not waited for is overtaken by what follows. Of the
// same kind, too: either each one takes less than the one before it, down to a least time, or only those
// on one kind of file are slow.
// The power goes in the turn in which a store was made, a chunk written or a checkpoint taken; what was
// acknowledged must be there, and the store must go on.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KiB } from '../../../core/base/limits.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { type Rig, chunkOf, openRig, target1, updateOf, writeOf } from './engine-rig.ts';

const slowOnes = [
  'makeDirectory',
  'create',
  'write',
  'sync',
  'syncDir',
  'rename',
  'remove',
  'batch',
  'sync slabs',
  'sync journal/',
  'sync superblock',
  'syncDir slabs',
  'syncDir journal',
  'write slabs',
];

/** Turns of the event loop. The least is more than everything else takes together. */
const slowTurnsMax = 600;
const slowTurnsMin = 60;
const slowTurnsStep = 30;

/** Operations of the kind `slow`, or only those on paths with its second word, take their time, others none. */
function slowDown(slow: string): (operation: string, path?: string) => Promise<void> {
  const [kind, place] = slow.split(' ');
  let next = slowTurnsMax;
  return async (operation, path = '') => {
    if (operation !== kind || (place !== undefined && !path.includes(place))) return;
    const count = place === undefined ? next : slowTurnsMin;
    next = Math.max(slowTurnsMin, next - slowTurnsStep);
    await turns(count);
  };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++)
    // oxlint-disable-next-line no-await-in-loop -- one turn after another
    await new Promise((resolve) => setImmediate(resolve));
}

const bytesOf = (blob: number): Buffer => Buffer.alloc(blob * 3 * KiB, blob);

class Store {
  readonly disk: SimDisk;
  readonly kv: SimKv;
  private readonly delay: ReturnType<typeof slowDown>;

  constructor(delay: ReturnType<typeof slowDown>, disk?: SimDisk, kv?: SimKv) {
    this.delay = delay;
    this.disk = disk ?? new SimDisk({ delay });
    this.kv = kv ?? new SimKv({ delay });
  }

  open(): Promise<Rig> {
    const { disk, kv } = this;
    return openRig({ disk, kv, segmentBytes: 256 * KiB });
  }

  /** The store that the kill of its process leaves now: the page cache lives on, and `slow` is slow. */
  killed(slow: string): Store {
    const delay = slowDown(slow);
    return new Store(delay, this.disk.copy({ delay }), this.kv.copy({ delay }));
  }

  /** The store that a power loss leaves now. */
  lost(): Store {
    const disk = this.disk.crash(() => false);
    const kv = this.kv.crash(() => false, { delay: this.delay });
    return new Store(this.delay, disk, kv);
  }
}

async function put(rig: Rig, blob: number): Promise<void> {
  await rig.engine.update(updateOf(chunkOf(blob), writeOf(0, bytesOf(blob))));
}

async function expectChunks(store: Store, blobs: readonly number[]): Promise<void> {
  const rig = await store.open();
  for (const blob of blobs) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const { bytes } = await rig.engine.read(target1, chunkOf(blob), 0, 1024 * KiB);
    assert.ok(bytesOf(blob).equals(bytes), `chunk ${blob}`);
  }
  // Small and large, so that classes are used that were not before.
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (const blob of [1, 3, 7, 30]) await put(rig, blob);
  await rig.engine.close();
  await rig.journal.close();
}

describe('what is acknowledged waited for every step, however slow', () => {
  for (const slow of slowOnes)
    it(`${slow} is slow`, { timeout: 60_000 }, async () => {
      const store = new Store(slowDown(slow));
      const rig = await store.open();
      await expectChunks(store.lost(), []);
      // Through the journal, and past it into a slab.
      for (const blob of [2, 8]) {
        // oxlint-disable no-await-in-loop -- one after another
        await put(rig, blob);
        await expectChunks(store.lost(), [2, 8].slice(0, blob === 2 ? 1 : 2));
        // oxlint-enable no-await-in-loop
      }
      await rig.journal.checkpoint();
      await expectChunks(store.lost(), [2, 8]);
      await put(rig, 5);
      await rig.engine.close();
      await expectChunks(store.lost(), [2, 5, 8]);
      await rig.journal.close();
    });
});

describe('what a start shows was synced before, however slow', () => {
  for (const slow of slowOnes)
    it(`${slow} is slow`, { timeout: 60_000 }, async () => {
      const store = new Store(slowDown('sync'));
      const rig = await store.open();
      // So that its class has a block for the next one.
      await put(rig, 2);
      const { write: writes } = store.disk.counts;
      const change = writeOf(0, Buffer.alloc(6 * KiB, 99));
      const written = rig.engine.update(updateOf(chunkOf(99), change));
      while (store.disk.counts.write === writes) await turns(1);
      // The record is written, and its sync takes longer.
      const killed = store.killed(slow);
      const again = await killed.open();
      const lost = killed.lost();
      const shown = await again.engine.read(target1, chunkOf(99), 0, 1024 * KiB);
      const after = await (await lost.open()).engine.read(target1, chunkOf(99), 0, 1024 * KiB);
      assert.deepEqual(after.bytes, shown.bytes);
      await expectChunks(lost, [2]);
      await written;
    });
});
