// Plans of updates that random histories do not reach.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KiB, MiB, limits } from '../../../core/base/limits.ts';
import { marks } from '../../../core/base/mark.ts';
import type { Piece } from '../../../core/store/chunk-row.ts';
import { planWrite } from '../../../core/store/plan.ts';
import type { Position } from '../../../core/store/position.ts';

const piece = (offset: number, length: number): Piece => ({
  offset,
  length,
  position: 1 as Position,
  checksums: [],
});

test('an update folds when the row with its patch would outgrow its limit', () => {
  const length = 32 * MiB;
  const options = { rewriteBytesMax: 64 * KiB, unitBytes: 4 * KiB };
  const content = { length, crc32c: 0, base: piece(0, length), patches: [] as Piece[] };
  const plan = () => planWrite(content, length, 1, length - 1 - 4 * KiB, options).kind;
  assert.equal(plan(), 'edit');
  const before = marks().get('plan.foldRow') ?? 0;
  // Each patch states the checksums of almost as many units as the base.
  while (plan() === 'edit') {
    assert.ok(content.patches.length < limits.chunkPatchesMax);
    content.patches.push(piece(0, length - 8 * KiB));
  }
  assert.equal(marks().get('plan.foldRow'), before + 1);
});
