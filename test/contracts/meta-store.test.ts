import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disk } from '../../core/env/disk.ts';
import type { Kv } from '../../core/env/kv.ts';
import { nodeDisk } from '../../core/env/node/disk.ts';
import { openLevelKv } from '../../core/env/node/kv.ts';
import { lossyCalls } from '../../core/env/node/lossy/calls.ts';
import { LossyFiles } from '../../core/env/node/lossy/files.ts';
import type { LossyModel } from '../../core/env/node/lossy/files.ts';
import { LossyKv } from '../../core/env/node/lossy/kv.ts';
import { openMemoryMetaStore } from '../../core/meta/store/memory-store.ts';
import { SimDisk } from '../sim/disk.ts';
import { SimKv } from '../sim/kv.ts';
import { simRng } from '../sim/rng.ts';
import { GatedDisk } from './gated-disk.ts';
import { metaStoreContract } from './meta-store.ts';
import type { OpenedMetaStore } from './meta-store/harness.ts';
import { openLevelStore } from './meta-store/level-fixture.ts';
import { SkewedClock } from './meta-store/skewed-clock.ts';

function openMemory(): Promise<OpenedMetaStore> {
  const clock = new SkewedClock();
  let gate = Promise.resolve();
  let broken = false;
  const sync = async (): Promise<void> => {
    await gate;
    if (broken) throw new Error('EIO');
  };
  const store = openMemoryMetaStore({ clock, rng: simRng(1), sync });
  return Promise.resolve({
    store,
    clock,
    hold() {
      let release: (() => void) | undefined;
      gate = new Promise((resolve) => {
        release = resolve;
      });
      return () => release?.();
    },
    breakDisk() {
      broken = true;
    },
    close: () => store.close(),
  });
}

async function openLevel(disk: Disk, kv: Kv, end: () => Promise<void>): Promise<OpenedMetaStore> {
  const clock = new SkewedClock();
  const gated = new GatedDisk(disk);
  const parts = { disk: gated, kv, clock };
  let opened = await openLevelStore(parts);
  return {
    store: opened.store,
    clock,
    hold: gated.hold,
    breakDisk: gated.break,
    async reopen() {
      await opened.close();
      opened = await openLevelStore(parts);
      return opened.store;
    },
    async close() {
      await opened.close();
      await end();
    },
  };
}

async function openOnDirectory(): Promise<OpenedMetaStore> {
  const directory = await mkdtemp(join(tmpdir(), 'lampyr-meta-store-'));
  const kv = await openLevelKv(join(directory, 'level'));
  return openLevel(nodeDisk(directory), kv, async () => {
    await kv.close();
    await rm(directory, { recursive: true });
  });
}

async function openOnLossyDisk(model: LossyModel): Promise<OpenedMetaStore> {
  const directory = await mkdtemp(join(tmpdir(), 'lampyr-meta-store-'));
  const files = new LossyFiles(join(directory, 'side'), model);
  const level = await openLevelKv(join(directory, 'level'));
  const cacheFile = join(directory, 'side', 'kv');
  const kv = new LossyKv(level, { cacheFile, survives: files.survives });
  return openLevel(nodeDisk(join(directory, 'disk'), lossyCalls(files)), kv, async () => {
    await kv.close();
    files.kill();
    await rm(directory, { recursive: true });
  });
}

metaStoreContract({ name: 'memory', open: openMemory });
metaStoreContract({
  name: 'level, simulated disk',
  open: () => openLevel(new SimDisk(), new SimKv(), () => Promise.resolve()),
});
metaStoreContract({ name: 'level, real directory', open: openOnDirectory });
// The second model makes the same calls and keeps a copy of what is unsynced: in CI only, for the sake of time.
const models = ['lossy', 'lossy-twice'] as const;
for (const model of process.env['LAMPYR_TEST_ALL'] === '1' ? models : (['lossy'] as const))
  metaStoreContract({ name: `level, ${model} disk`, open: () => openOnLossyDisk(model) });
