import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KiB, limits } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import { checkStore } from '../../../core/store/check.ts';
import type { ChunkEngine } from '../../../core/store/engine.ts';
import { Maintenance } from '../../../core/store/maintenance.ts';
import { scrub } from '../../../core/store/scrub.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { type Rig, chunkOf, keysOf, openRig, target1, updateOf, writeOf } from './engine-rig.ts';

function random(bytes: number, seed: number | string): Buffer {
  const buffer = Buffer.alloc(bytes);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
  new Prng(seed).fill(buffer);
  return buffer;
}

async function patches(engine: ChunkEngine, blob: number): Promise<number> {
  return engine.withRow(target1, chunkOf(blob), async (row) =>
    Promise.resolve(row.content.patches.length),
  );
}

async function bytesOf(rig: Rig, blob: number): Promise<Buffer> {
  return Buffer.from((await rig.engine.read(target1, chunkOf(blob), 0, 1 << 26)).bytes);
}

async function untilIdle(
  maintenance: Maintenance,
): Promise<{ removedSlabs: number; moved: number }> {
  let removedSlabs = 0;
  let moved = 0;
  for (let step = 0; step < 100; step++) {
    const report = await maintenance.step(64 * KiB);
    removedSlabs += report.removedSlabs;
    moved += report.moved;
    if (report.idle) return { removedSlabs, moved };
  }
  throw new Error('maintenance does not come to rest');
}

async function filled(): Promise<Rig> {
  const rig = await openRig();
  for (let blob = 1; blob <= 5; blob++)
    await rig.engine.update(updateOf(chunkOf(blob), writeOf(0, random(3000 * blob, blob))));
  await rig.engine.update(updateOf(chunkOf(5), writeOf(2000, random(3000, 9))));
  await rig.engine.close();
  return rig;
}

describe('maintenance', () => {
  it('folds patches once they are many or the chunk is quiet', async () => {
    const rig = await openRig();
    const maintenance = new Maintenance(rig.engine);
    const expected = random(30 * KiB, 1);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, expected)));
    await untilIdle(maintenance);
    for (let i = 0; i < limits.foldPatchesMin; i++) {
      const piece = random(100, i);
      await rig.engine.update(updateOf(chunkOf(1), writeOf(i * 1000, piece)));
      expected.set(piece, i * 1000);
    }
    const { version } = (await rig.engine.stat(target1, chunkOf(1))) ?? {};
    assert.equal(await patches(rig.engine, 1), limits.foldPatchesMin);
    assert.equal((await maintenance.step(64 * KiB)).folded, 1);
    assert.equal(await patches(rig.engine, 1), 0);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(100, 'quiet'))));
    expected.set(random(100, 'quiet'), 0);
    assert.equal((await maintenance.step(64 * KiB)).folded, 0, 'one patch, just written');
    await untilIdle(maintenance);
    assert.equal(await patches(rig.engine, 1), 0);
    assert.deepEqual(await bytesOf(rig, 1), expected);
    assert.equal((await rig.engine.stat(target1, chunkOf(1)))?.version, (version ?? 0) + 1);
  });

  it('finds patched chunks of an earlier run in the index', async () => {
    const rig = await openRig();
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(30 * KiB, 1))));
    await rig.engine.update(updateOf(chunkOf(1), writeOf(5, random(100, 2))));
    const again = await openRig({
      disk: (rig.disk as SimDisk).copy(),
      kv: (rig.kv as SimKv).copy(),
    });
    assert.equal(await patches(again.engine, 1), 1);
    await untilIdle(new Maintenance(again.engine));
    assert.equal(await patches(again.engine, 1), 0);
  });

  it('an update that finds 32 patches folds by itself', async () => {
    const rig = await openRig();
    const expected = random(60 * KiB, 1);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, expected)));
    for (let i = 0; i <= limits.chunkPatchesMax; i++) {
      const piece = random(50, i);
      await rig.engine.update(updateOf(chunkOf(1), writeOf(i * 1500, piece)));
      expected.set(piece, i * 1500);
      const count = i < limits.chunkPatchesMax ? i + 1 : 0;
      assert.equal(await patches(rig.engine, 1), count);
    }
    assert.deepEqual(await bytesOf(rig, 1), expected);
  });

  it('empties sparse slabs and gives their files back, over crashes', async () => {
    const rig = await openRig();
    const kept = new Map<number, Buffer>();
    for (let blob = 1; blob <= 200; blob++) {
      const bytes = random(3000, blob);
      await rig.engine.update(updateOf(chunkOf(blob), writeOf(0, bytes), { fresh: true }));
      if (blob % 10 === 0) kept.set(blob, bytes);
    }
    for (let blob = 1; blob <= 200; blob++)
      if (!kept.has(blob)) await rig.engine.update(updateOf(chunkOf(blob), { kind: 'remove' }));
    const disk = rig.disk as SimDisk;
    const files = (): number => disk.files().filter((path) => path.startsWith('slabs/')).length;
    const before = files();
    const { removedSlabs, moved } = await untilIdle(new Maintenance(rig.engine));
    assert.ok(removedSlabs >= 2 && moved > 0, `${removedSlabs} removed, ${moved} moved`);
    assert.equal(files(), before - removedSlabs);
    for (const survivor of [
      rig,
      await openRig({ disk: disk.crash(() => false), kv: (rig.kv as SimKv).crash(() => false) }),
    ]) {
      for (const [blob, bytes] of kept) assert.deepEqual(await bytesOf(survivor, blob), bytes);
      const { ok, findings } = await checkStore(survivor.engine);
      assert.ok(ok, JSON.stringify(findings));
    }
  });

  it('leaves a damaged chunk where it is and goes on', async () => {
    const events: string[] = [];
    const rig = await openRig({ events: { emit: (_, name) => void events.push(name) } });
    for (const blob of [1, 2]) {
      await rig.engine.update(updateOf(chunkOf(blob), writeOf(0, random(30 * KiB, blob))));
      await rig.engine.update(updateOf(chunkOf(blob), writeOf(100, random(50, blob))));
    }
    (rig.disk as SimDisk).flip('slabs/32k/00000001', 9000);
    await untilIdle(new Maintenance(rig.engine));
    assert.ok(events.includes('chunk-not-rewritten'));
    assert.equal(await patches(rig.engine, 1), 1);
    assert.equal(await patches(rig.engine, 2), 0);
  });
});

describe('check and scrub', () => {
  it('find nothing in a sound store', async () => {
    const rig = await filled();
    const check = await checkStore(rig.engine);
    assert.deepEqual(
      { ok: check.ok, chunks: check.chunks, blocks: check.blocks, findings: check.findings },
      { ok: true, chunks: 5, blocks: 6, findings: [] },
    );
    const scrubbed = await scrub(rig.engine, { target: target1, after: undefined }, 1 << 30);
    assert.deepEqual(
      { findings: scrubbed.findings, chunks: scrubbed.chunks, next: scrubbed.next },
      { findings: [], chunks: 5, next: undefined },
    );
    assert.equal(scrubbed.bytes, 3000 * (1 + 2 + 3 + 4 + 5 + 1));
  });

  it('name lost and outdated rows, and blocks that nobody or two own', async () => {
    const rig = await filled();
    const kv = (rig.kv as SimKv).copy();
    const row = keysOf(kv).find((key) => key[1] === 'c'.charCodeAt(0));
    kv.damage(row as Buffer, undefined);
    const lost = await openRig({ disk: (rig.disk as SimDisk).copy(), kv });
    const check = await checkStore(lost.engine);
    assert.equal(check.ok, false);
    assert.equal(check.table.ok, false);
    assert.equal(check.table.expectedRows, check.table.rows + 1);
    assert.deepEqual(
      check.findings.map(({ problem, file }) => [problem, file]),
      [['leaked block', 'slabs/4k/00000001']],
    );
  });

  it('see blocks that the allocator would hand out', async () => {
    const rig = await filled();
    const { allocator } = rig.engine.parts;
    const [slab] = allocator.slabsOf(12);
    assert.ok(slab !== undefined);
    slab.setRefs(0, 0);
    const { findings } = await checkStore(rig.engine);
    assert.deepEqual(
      findings.map(({ problem, offset }) => [problem, offset]),
      [['unallocated block', 0]],
    );
  });

  it('report damaged bytes with file and offset, also under a patch and past the length', async () => {
    const rig = await filled();
    const disk = rig.disk as SimDisk;
    // Blob 5 has 15,000 bytes in a 16 KiB block, 2,000 to 5,000 of them covered by a patch.
    disk.flip('slabs/16k/00000004', 3000);
    const step = await scrub(rig.engine, { target: target1, after: undefined }, 1 << 30);
    assert.equal(step.findings.length, 1);
    assert.match(
      step.findings[0]?.detail ?? '',
      /chunk 5\/0: 4096 bytes at 0 of slabs\/16k\/0000000/,
    );
  });

  it('go on from a cursor within a budget', async () => {
    const rig = await filled();
    let next: Parameters<typeof scrub>[1] | undefined = { target: target1, after: undefined };
    let steps = 0;
    let chunks = 0;
    while (next !== undefined) {
      const step: Awaited<ReturnType<typeof scrub>> = await scrub(rig.engine, next, 5000);
      steps++;
      ({ next } = step);
      chunks += step.chunks;
    }
    assert.equal(chunks, 5);
    assert.ok(steps >= 4);
  });
});
