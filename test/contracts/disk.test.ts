import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disk } from '../../core/env/disk.ts';
import { nodeDisk } from '../../core/env/node/disk.ts';
import { lossyCalls } from '../../core/env/node/lossy/calls.ts';
import { LossyFiles } from '../../core/env/node/lossy/files.ts';
import type { LossyModel } from '../../core/env/node/lossy/files.ts';
import { SimDisk } from '../sim/disk.ts';
import { diskContract } from './disk.ts';
import { durabilityContract } from './durability.ts';
import type { Power } from './durability.ts';

diskContract('node', async () => {
  const root = await mkdtemp(join(tmpdir(), 'lampyr-disk-'));
  return {
    disk: nodeDisk(root),
    remove: () => rm(root, { recursive: true, force: true }),
  };
});

diskContract('simulated', async () => ({
  disk: new SimDisk(),
  remove: () => Promise.resolve(),
}));

for (const model of ['lossy', 'lossy-twice'] as const)
  diskContract(`node, ${model}`, async () => {
    const power = await openLossy(model);
    await power.disk.makeDirectory('');
    return power;
  });

/** Power losses of nodeDisk's own calls: with `lossy-twice` each is a kill that the page cache survives, then
 *  one that it does not. */
async function openLossy(model: LossyModel): Promise<Power> {
  const root = await mkdtemp(join(tmpdir(), 'lampyr-lossy-'));
  const start = (): LossyFiles => new LossyFiles(join(root, 'side'), model);
  const open = (): Disk => nodeDisk(join(root, 'above', 'disk'), lossyCalls(files));
  let files = start();
  return {
    disk: open(),
    async lose() {
      files.kill();
      if (files.survives) {
        files = start();
        files.kill();
      }
      files = start();
      return open();
    },
    async remove() {
      files.kill();
      await rm(root, { recursive: true, force: true });
    },
  };
}

for (const model of ['lossy', 'lossy-twice'] as const)
  durabilityContract(`node, ${model}`, () => openLossy(model));

durabilityContract('simulated', async () => {
  let disk = new SimDisk();
  return {
    disk,
    async lose() {
      disk = disk.crash(() => false);
      return disk;
    },
    remove: () => Promise.resolve(),
  };
});
