import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { id } from '../../../core/base/ids.ts';
import { limits } from '../../../core/base/limits.ts';
import { Channels } from '../../../core/client/channels.ts';
import { clusterLayout } from '../../../core/cluster/plan.ts';
import { ClusterRig } from './rig.ts';

// Drivers of stores, manager and client over real sockets, on targets in memory.

function equalReplicas(rig: ClusterRig): void {
  for (const replicas of rig.contents())
    assert.equal(new Set(replicas).size, 1, replicas.join('\n'));
}

describe('cluster of processes', () => {
  test('every replica of every chain has what was written, and any serves it', async (context) => {
    const rig = await ClusterRig.open(context);
    await rig.whole();
    await Promise.all(Array.from({ length: 40 }, (_, blob) => rig.write(blob + 1, `blob ${blob}`)));
    for (let blob = 0; blob < 40; blob++)
      assert.equal(await rig.read(blob + 1, `blob ${blob}`.length), `blob ${blob}`);
    equalReplicas(rig);
    const held = rig.contents().map(([first]) => first?.split(',').length ?? 0);
    assert.ok(
      held.every((count) => count > 1),
      `chunks are spread over chains: ${held.join(' ')}`,
    );
  });

  test('a store dies under writes: they go on, and it is filled when it returns', async (context) => {
    const rig = await ClusterRig.open(context);
    await rig.whole();
    await rig.write(1, 'before');
    const writes: Promise<void>[] = [];
    for (let blob = 2; blob < 60; blob++) writes.push(rig.write(blob, `text ${blob}`));
    await rig.kill(2);
    await Promise.all(writes);
    await rig.write(100, 'without store 2');
    assert.equal(await rig.read(100, 15), 'without store 2');
    await rig.noticed();
    assert.ok(
      rig.states().every((chain) => chain === 'SERVING SERVING OFFLINE'),
      rig.states().join(),
    );
    await rig.start(2);
    await rig.whole();
    equalReplicas(rig);
  });

  test('two stores die, one with its disk: the last one serves, and fills both', async (context) => {
    const rig = await ClusterRig.open(context);
    await rig.whole();
    for (let blob = 1; blob < 10; blob++) await rig.write(blob, `text ${blob}`);
    await rig.kill(1);
    await rig.kill(3);
    rig.wipe(3);
    await rig.write(50, 'alone');
    await Promise.all([rig.start(1), rig.start(3)]);
    await rig.whole();
    for (let blob = 1; blob < 10; blob++) assert.equal(await rig.read(blob, 6), `text ${blob}`);
    assert.equal(await rig.read(50, 5), 'alone');
    equalReplicas(rig);
  });

  test('all die, the manager too: whoever served last serves again', async (context) => {
    const rig = await ClusterRig.open(context);
    await rig.whole();
    await rig.write(1, 'kept');
    await Promise.all([1, 2, 3].map((store) => rig.kill(store)));
    await rig.killManager();
    await rig.startManager();
    await Promise.all([1, 2, 3].map((store) => rig.start(store)));
    assert.equal(await rig.read(1, 4), 'kept');
    await rig.write(2, 'more');
    await rig.whole();
    equalReplicas(rig);
  });

  test('a table of tags larger than a message goes over whole to a target that is filled', async (context) => {
    const rig = await ClusterRig.open(context);
    await rig.whole();
    const count = limits.tagsPerRecordMax + 50;
    const [chain] = rig.routing.all;
    const blobs: number[] = [];
    for (let blob = 1; blobs.length < count; blob++)
      if (rig.routing.chainOf(clusterLayout, { blob: id(blob), index: 0 }).id === chain?.id)
        blobs.push(blob);
    const sessions = Array.from(
      { length: Math.ceil(count / limits.sessionChannelsMax) },
      (_, at) => new Channels(id(100 + at)),
    );
    const write = (blob: number, at: number): Promise<void> =>
      rig.write(blob, 'x', { channels: sessions[at % sessions.length] as Channels });
    await Promise.all(blobs.map(write));
    await rig.kill(2);
    await rig.noticed();
    rig.wipe(2);
    await rig.start(2);
    await rig.whole(20_000);
    const tables = (chain?.targets ?? []).map((target) => rig.images.get(target.id)?.tags.size);
    assert.ok(
      tables.every((size) => size === tables[0] && Number(size) >= count),
      tables.join(' '),
    );
  });

  test('a removed chunk is gone everywhere', async (context) => {
    const rig = await ClusterRig.open(context);
    await rig.write(1, 'soon gone');
    await rig.whole();
    const chunk = { blob: 1 as never, index: 0 };
    await rig.channels.use((tag) => rig.chunks.remove(clusterLayout, chunk, tag));
    await assert.rejects(rig.read(1, 4), /refused/);
    assert.ok(
      rig
        .contents()
        .flat()
        .every((content) => content === ''),
    );
  });
});
