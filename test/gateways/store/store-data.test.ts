import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import { targetsOfStore } from '../../../core/cluster/plan.ts';
import { silentEvents } from '../../../core/env/events.ts';
import { nodeClock } from '../../../core/env/node/clock.ts';
import { nodeRng } from '../../../core/env/node/rng.ts';
import { MetaData } from '../../../gateways/core/meta-data.ts';
import { type StoreData, openStoreData } from '../../../gateways/store/store-data.ts';
import { temporaryDirectory } from '../../tools/temporary.ts';

const env = { clock: nodeClock, rng: nodeRng, events: silentEvents };
const [ours, theirs] = ['aa'.repeat(16), 'bb'.repeat(16)];
const shape = { replicas: 3, stores: 3 };

function openStore(dir: string, clusterId: string, store = 1): Promise<StoreData> {
  return openStoreData({ dir, clusterId, targets: targetsOfStore(shape, store), ...env });
}

function openMeta(dataDir: string, clusterId: string): Promise<MetaData> {
  const stores = [join(dataDir, 'stores', '1')];
  return MetaData.open({ dataDir, clusterId, stores, ...env });
}

const isRefused = (error: unknown): boolean => isCoreError(error, 'DISK_REFUSED');

describe('data of a store', () => {
  test('targets keep their identities over a restart; an emptied folder has new ones', async (context) => {
    const dir = join(temporaryDirectory(context), 'store');
    const identities = async (): Promise<string[]> => {
      const data = await openStore(dir, ours);
      const found = data.chunks.targets.map((target) =>
        Buffer.from(data.chunks.target(target).identity).toString('hex'),
      );
      await data.close();
      return found;
    };
    const first = await identities();
    assert.equal(new Set(first).size, 6);
    assert.deepEqual(await identities(), first);
    rmSync(dir, { recursive: true });
    assert.ok((await identities()).every((identity) => !first.includes(identity)));
  });

  test('of another cluster, or of another store, is refused', async (context) => {
    const dir = join(temporaryDirectory(context), 'store');
    await (await openStore(dir, ours)).close();
    await assert.rejects(openStore(dir, theirs), isRefused);
    await assert.rejects(openStore(dir, ours, 2), isRefused);
  });
});

describe('metadata with a journal of its own', () => {
  test('what was committed is there again; of another cluster it is refused', async (context) => {
    const dataDir = temporaryDirectory(context);
    const key = Buffer.from('Kkey');
    const data = await openMeta(dataDir, ours);
    await data.meta.transact(async (transaction) => transaction.set(key, Buffer.from('value')));
    await data.close();
    const again = await openMeta(dataDir, ours);
    assert.equal(Buffer.from((await again.meta.get(key)) ?? []).toString(), 'value');
    await again.close();
    await assert.rejects(openMeta(dataDir, theirs), isRefused);
  });

  test('that was lost beside stores, or lost its journal, is refused', async (context) => {
    const dataDir = temporaryDirectory(context);
    await (await openMeta(dataDir, ours)).close();
    await (await openStore(join(dataDir, 'stores', '1'), ours)).close();
    rmSync(join(dataDir, 'meta', 'journal'), { recursive: true });
    await assert.rejects(openMeta(dataDir, ours), isRefused);
    rmSync(join(dataDir, 'meta'), { recursive: true });
    await assert.rejects(openMeta(dataDir, ours), isRefused);
  });
});
