// A chunk that is written in pieces: its first block is chosen for the whole, so the pieces after it are
// appended in place.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoreError } from '../../../core/base/errors.ts';
import { KiB, limits } from '../../../core/base/limits.ts';
import { marks, resetMarks } from '../../../core/base/mark.ts';
import { content } from '../client/rig.ts';
import { chunkOf, openRig, target1, updateOf, writeOf } from './engine-rig.ts';
import type { Rig } from './engine-rig.ts';

const whole = content(64 * KiB, 5);

/** Writes the chunk in pieces that end at `ends`. */
async function writePieces(
  rig: Rig,
  blob: number,
  ends: readonly number[],
  expectedBytes?: number,
) {
  const more = expectedBytes === undefined ? {} : { expectedBytes };
  let at = 0;
  for (const end of ends) {
    const piece = writeOf(at, whole.subarray(at, end));
    // oxlint-disable-next-line no-await-in-loop -- each appends to the one before
    await rig.engine.update(updateOf(chunkOf(blob), piece, { fresh: at === 0, ...more }));
    at = end;
  }
}

const passed = (name: string): number => marks().get(name) ?? 0;

describe('expected length of a chunk', () => {
  // Direct writes begin above 12 KiB in the rig.
  for (const [what, ends] of [
    ['direct pieces', [16 * KiB, 32 * KiB, 64 * KiB]],
    ['a journaled piece, then direct ones', [8 * KiB, 40 * KiB, 64 * KiB]],
    ['journaled pieces', [8, 16, 24, 32, 40, 48, 56, 64].map((end) => end * KiB)],
    ['pieces that end inside pages', [5000, 30_001, 50_000, 64 * KiB]],
  ] as const)
    test(`${what} are appended in place, and survive a restart`, async () => {
      const rig = await openRig();
      // Every class has free blocks: nothing is chosen for want of a better one.
      for (const bytes of [4000, 8000, 16_000, 32_000, 64_000])
        // oxlint-disable-next-line no-await-in-loop -- one after another
        await writePieces(rig, bytes, [bytes]);
      resetMarks();
      await writePieces(rig, 1, ends, whole.length);
      assert.equal(passed('draft.fold'), 0);
      assert.equal(passed('draft.appendDirect') + passed('draft.appendJournaled'), ends.length - 1);
      const { disk, kv } = rig;
      const again = await openRig({ disk, kv });
      const read = await again.engine.read(target1, chunkOf(1), 0, whole.length);
      assert.ok(whole.equals(read.bytes));
    });

  test('without it, growing past the first block moves the chunk', async () => {
    const rig = await openRig();
    resetMarks();
    await writePieces(rig, 1, [16 * KiB, 32 * KiB, 64 * KiB]);
    assert.ok(passed('draft.fold') > 0);
  });

  test('blocks that still have journaled bytes of removed chunks are not taken for it', async () => {
    const rig = await openRig();
    for (let blob = 1; blob <= 8; blob++) {
      // oxlint-disable no-await-in-loop -- every round may meet the blocks of the one before
      await writePieces(rig, blob, [8 * KiB, 16 * KiB, 24 * KiB, 32 * KiB], whole.length);
      await rig.engine.update(updateOf(chunkOf(blob), { kind: 'remove' }));
      await writePieces(rig, 100 + blob, [8 * KiB, 64 * KiB], whole.length);
      const read = await rig.engine.read(target1, chunkOf(100 + blob), 0, whole.length);
      assert.ok(whole.equals(read.bytes));
      await rig.engine.update(updateOf(chunkOf(100 + blob), { kind: 'remove' }));
      // oxlint-enable no-await-in-loop
    }
  });

  test('more than a block can hold is refused', async () => {
    const rig = await openRig();
    const writing = writePieces(rig, 1, [8], limits.blockBytesMax + 1);
    await assert.rejects(
      writing,
      (error) => error instanceof CoreError && error.errorName === 'LIMIT_EXCEEDED',
    );
  });
});
