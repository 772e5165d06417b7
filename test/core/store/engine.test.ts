import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../../core/base/prng.ts';
import { crc32c } from '../../../core/base/crc32c.ts';
import { KiB } from '../../../core/base/limits.ts';
import { chunkOf, openRig, target1, updateOf, writeOf } from './engine-rig.ts';
import type { SimDisk } from '../../sim/disk.ts';
import type { SimKv } from '../../sim/kv.ts';

function random(bytes: number, seed: number | string = 1): Buffer {
  const buffer = Buffer.alloc(bytes);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
  new Prng(seed).fill(buffer);
  return buffer;
}

describe('chunk engine', () => {
  it('writes, reads back, survives a reopen before and after a checkpoint', async () => {
    const rig = await openRig();
    const small = random(5000, 1);
    const large = random(60 * KiB, 2);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, small), { fresh: true }));
    await rig.engine.update(updateOf(chunkOf(2), writeOf(0, large), { fresh: true }));
    for (const checkpoint of [false, true]) {
      if (checkpoint) await rig.journal.checkpoint();
      const disk = (rig.disk as SimDisk).copy();
      const again = await openRig({ disk, kv: (rig.kv as SimKv).copy() });
      for (const [blob, bytes] of [
        [1, small],
        [2, large],
      ] as const) {
        const read = await again.engine.read(target1, chunkOf(blob), 0, 1 << 20);
        assert.deepEqual(Buffer.from(read.bytes), bytes);
        assert.equal(read.crc32c, crc32c(bytes));
        assert.equal(read.state.crc32c, crc32c(bytes));
        assert.equal(read.state.version, 1);
      }
    }
  });
});
