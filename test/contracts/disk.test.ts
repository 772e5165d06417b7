import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeDisk } from '../../core/env/node/disk.ts';
import { SimDisk } from '../sim/disk.ts';
import { diskContract } from './disk.ts';

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
