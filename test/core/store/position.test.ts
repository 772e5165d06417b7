import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KiB, MiB } from '../../../core/base/limits.ts';
import {
  blockLog2For,
  blockOf,
  classDirectory,
  nextSlabBytes,
  pageCeil,
  pageFloor,
  positionOf,
  slabOf,
  slabOfName,
  slabPath,
} from '../../../core/store/position.ts';

it('positions take slab and block apart again', () => {
  for (const [slab, block] of [
    [1, 0],
    [1, 65_535],
    [2 ** 32 - 1, 65_535],
  ] as const) {
    const position = positionOf(slab, block);
    assert.ok(position < 2 ** 48);
    assert.equal(slabOf(position), slab);
    assert.equal(blockOf(position), block);
  }
  assert.throws(() => positionOf(0, 1), /slab number/);
  assert.throws(() => positionOf(1, 65_536), /block index/);
});

it('blocks are the smallest power of two from 4 KiB to 64 MiB', () => {
  assert.equal(blockLog2For(1), 12);
  assert.equal(blockLog2For(4 * KiB), 12);
  assert.equal(blockLog2For(4 * KiB + 1), 13);
  assert.equal(blockLog2For(64 * MiB), 26);
  assert.throws(() => blockLog2For(64 * MiB + 1), /no block/);
});

it('slab files lie in a folder per class', () => {
  assert.equal(classDirectory(12), 'slabs/4k');
  assert.equal(classDirectory(19), 'slabs/512k');
  assert.equal(classDirectory(20), 'slabs/1m');
  assert.equal(slabPath(26, 0xabc), 'slabs/64m/00000abc');
  assert.equal(slabOfName('00000abc'), 0xabc);
  for (const name of ['abc', '0000ABCD', '000000000', ''])
    assert.equal(slabOfName(name), undefined);
});

it('slabs double their class within the bounds', () => {
  const bounds = { slabBytesMin: MiB, slabBytesMax: 64 * MiB };
  const sizes: number[] = [];
  let total = 0;
  for (let i = 0; i < 9; i++) {
    const bytes = nextSlabBytes(12, total, bounds);
    sizes.push(bytes / MiB);
    total += bytes;
  }
  assert.deepEqual(sizes, [1, 1, 2, 4, 8, 16, 32, 64, 64]);
  assert.equal(nextSlabBytes(26, 0, bounds), 64 * MiB);
  assert.equal(nextSlabBytes(26, 640 * MiB, bounds), 64 * MiB);
  assert.equal(nextSlabBytes(22, 12 * MiB, bounds), 8 * MiB);
});

it('pages round down and up', () => {
  assert.deepEqual([0, 1, 4095, 4096, 4097].map(pageFloor), [0, 0, 0, 4096, 4096]);
  assert.deepEqual([0, 1, 4095, 4096, 4097].map(pageCeil), [0, 4096, 4096, 4096, 8192]);
});
