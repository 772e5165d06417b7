// Replay over an index that is newer than the place where it starts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KiB } from '../../../core/base/limits.ts';
import { drained } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { type Rig, chunkOf, openRig, target1, updateOf, writeOf } from './engine-rig.ts';

/** What `kill -9` leaves. */
const killed = ({ disk, kv }: Rig): Promise<Rig> =>
  openRig({ disk: (disk as SimDisk).copy(), kv: (kv as SimKv).copy() });

test('bytes that replay meets do not fall on a block that was free in the index and is used again', async () => {
  const rig = await openRig();
  const old = chunkOf(1);
  await rig.engine.update(updateOf(old, writeOf(0, Buffer.alloc(20 * KiB, 'old'))));
  // Between the place where replay will start and the index of the checkpoint, the chunk is appended to, with
  // bytes in the journal, and removed.
  const gate: { open?: () => void } = {};
  const held = new Promise<void>((resolve) => {
    gate.open = resolve;
  });
  const { files } = rig.engine.parts;
  const syncAll = files.syncAll.bind(files);
  files.syncAll = async () => {
    await held;
    await syncAll();
  };
  const checkpoint = rig.journal.checkpoint();
  await drained();
  await rig.engine.update(updateOf(old, writeOf(20 * KiB, Buffer.alloc(1000, 'appended'))));
  await rig.engine.update(updateOf(old, { kind: 'remove' }));
  gate.open?.();
  await checkpoint;

  const second = await killed(rig);
  const content = Buffer.alloc(26 * KiB, 'new content');
  await second.engine.update(updateOf(chunkOf(2), writeOf(0, content)));
  const third = await killed(second);
  const { bytes } = await third.engine.read(target1, chunkOf(2), 0, 64 * KiB);
  assert.ok(content.equals(bytes));
});
