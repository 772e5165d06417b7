// A first start that is killed, or loses its power, at any operation on disk or databases: the next start makes
// the system whole, and nothing is refused that never held anything.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Disk } from '../../../core/env/disk.ts';
import type { Kv } from '../../../core/env/kv.ts';
import type { CoreStorage } from '../../../gateways/core/core-data.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { openCore, simulatedStorage } from './damage/opened.ts';
import type { Opened } from './damage/opened.ts';
import { whoOf } from './damage/questions.ts';
import { root } from './rig.ts';

const clusterId = '5'.repeat(32);

interface Devices {
  disk: SimDisk;
  readonly kvs: Map<string, SimKv>;
}

/** Counts the operations that change something, and from the n-th on does none: the process is dead. */
class Killer {
  private left: number;
  count = 0;

  constructor(left: number) {
    this.left = left;
  }

  wrap<T extends object>(device: T, changing: readonly string[]): T {
    return new Proxy(device, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        // The one call that answers in its turn; it changes nothing.
        if (name === 'getNow') return member.bind(target);
        return async (...args: unknown[]) => {
          if (changing.includes(String(name))) this.operation();
          const result: unknown = await member.apply(target, args);
          const isFile = name === 'open' && typeof result === 'object' && result !== null;
          return isFile ? this.wrap(result, ['write', 'sync', 'truncate']) : result;
        };
      },
    });
  }

  private operation(): void {
    this.count++;
    if (this.left-- <= 0) throw new Error('killed');
  }
}

const changingDisk = ['makeDirectory', 'remove', 'rename', 'syncDir'];

function storageOf(devices: Devices, killer: Killer | undefined): CoreStorage {
  const disk: Disk = killer?.wrap(devices.disk, changingDisk) ?? devices.disk;
  return simulatedStorage(disk, async (path): Promise<Kv> => {
    const name = path.endsWith('rows') ? 'rows' : 'index';
    const kv = devices.kvs.get(name) ?? new SimKv();
    devices.kvs.set(name, kv);
    return killer?.wrap(kv, ['batch']) ?? kv;
  });
}

function open(dataDir: string, devices: Devices, killer?: Killer): Promise<Opened> {
  return openCore(dataDir, root, clusterId, storageOf(devices, killer));
}

/** First start killed at operation `at`; the second one has to serve. @returns operations seen */
async function firstStart(at: number, powerLoss: boolean): Promise<number> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lampyr-first-'));
  try {
    const devices: Devices = { disk: new SimDisk(), kvs: new Map() };
    const killer = new Killer(at);
    const lived = await open(dataDir, devices, killer)
      .then((first) => first.close())
      .then(
        () => true,
        () => false,
      );
    if (!lived && powerLoss) {
      devices.disk = devices.disk.crash(() => false);
      for (const [name, kv] of devices.kvs)
        devices.kvs.set(
          name,
          kv.crash(() => false),
        );
    }
    const second = await open(dataDir, devices);
    const who = whoOf(second);
    await second.objects.createBucket(who, { bucket: 'bucket', region: 'us-east-1' });
    await second.close();
    const third = await open(dataDir, devices);
    const { buckets } = await third.objects.listBuckets(who, { limit: 10 });
    assert.deepEqual(
      buckets.map(({ name }) => name),
      ['bucket'],
    );
    assert.ok(await third.fsckIsClean());
    await third.close();
    return lived ? killer.count : Infinity;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

for (const powerLoss of [false, true])
  test(`a first start that ${powerLoss ? 'loses power' : 'is killed'} at any operation begins again`, async (context) => {
    let at = 0;
    // oxlint-disable-next-line no-await-in-loop -- one start after another, until one gets through
    while ((await firstStart(at, powerLoss)) === Infinity)
      assert.ok(++at < 1000, 'none gets through');
    context.diagnostic(`${at} operations`);
    assert.ok(at > 20, 'the first start was cut somewhere');
  });
