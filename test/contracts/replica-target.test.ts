// The targets that the replica machine runs on: the simulated one, and the chunk engine's on simulated devices.

import assert from 'node:assert/strict';
import type { ChainVer, TargetId } from '../../core/base/ids.ts';
import type { Prng } from '../../core/base/prng.ts';
import { checkStore } from '../../core/store/check.ts';
import { scrub } from '../../core/store/scrub.ts';
import { type Rig, openRig, target1 } from '../core/store/engine-rig.ts';
import { envOf } from '../core/store/target-image.ts';
import { drained } from '../sim/clock.ts';
import { SimDevices } from '../sim/devices.ts';
import { Observer } from '../sim/cluster/observer.ts';
import { SimTarget } from '../sim/cluster/sim-target.ts';
import { DiskImage } from '../sim/cluster/target-disk.ts';
import { World } from '../sim/cluster/world.ts';
import { type TargetFixture, targetContract } from './replica-target.ts';

targetContract('simulated', async () => {
  const world = new World('contract');
  let image = new DiskImage('disk');
  const open = (): SimTarget =>
    new SimTarget({
      world,
      id: 1 as TargetId,
      image,
      send: () => undefined,
      later: (ms, run) => world.after(ms, run),
      observer: new Observer(world),
      serves: () => true,
      reach: () => undefined,
      forgets: () => undefined,
      onIoError: () => undefined,
    });
  let target = open();
  let { env } = target;
  const fixture: TargetFixture = {
    get env() {
      return env;
    },
    get noted() {
      return image.noted;
    },
    settle: async () => world.runUntil(world.nowMs + 100),
    crash: async () => {
      target.crash();
      image = target.durable;
      target = open();
      ({ env } = target);
    },
    verify: async () => undefined,
  };
  return fixture;
});

targetContract('chunk engine', async () => {
  let devices = new SimDevices();
  let rig = await openOn(devices);
  let env = envOf(rig);
  const fixture: TargetFixture = {
    get env() {
      return env;
    },
    get noted(): ChainVer {
      return rig.engine.target(target1).noted;
    },
    settle: async () => {
      await drained();
      await drained();
    },
    crash: async (prng: Prng) => {
      // Now and then everything was written behind before.
      if (prng.chance(0.3)) await rig.journal.checkpoint();
      devices = devices.crash(() => prng.chance(0.5));
      rig = await openOn(devices);
      env = envOf(rig);
    },
    verify: async () => {
      const { ok, findings, table } = await checkStore(rig.engine);
      assert.ok(ok, JSON.stringify({ findings, table }));
      const step = await scrub(rig.engine, { target: target1, after: undefined }, Infinity);
      assert.deepEqual(step.findings, []);
    },
  };
  return fixture;
});

function openOn(devices: SimDevices): Promise<Rig> {
  return openRig({ disk: devices.disk, kv: devices.kv() });
}
