import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLevelKv } from '../../core/env/node/kv.ts';
import { LossyKv } from '../../core/env/node/lossy/kv.ts';
import { SimKv } from '../sim/kv.ts';
import { kvContract } from './kv.ts';

kvContract('level', async () => {
  const root = await mkdtemp(join(tmpdir(), 'lampyr-kv-'));
  return {
    kv: await openLevelKv(join(root, 'index')),
    remove: () => rm(root, { recursive: true, force: true }),
  };
});

for (const survives of [false, true])
  kvContract(`lossy level${survives ? ', surviving one kill' : ''}`, async () => {
    const root = await mkdtemp(join(tmpdir(), 'lampyr-kv-'));
    const level = await openLevelKv(join(root, 'index'));
    return {
      kv: new LossyKv(level, { cacheFile: join(root, 'cache'), survives }),
      remove: () => rm(root, { recursive: true, force: true }),
    };
  });

kvContract('simulated', async () => ({
  kv: new SimKv(),
  remove: () => Promise.resolve(),
}));
