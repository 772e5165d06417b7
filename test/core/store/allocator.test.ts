import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../../core/base/prng.ts';
import { Allocator } from '../../../core/store/allocator.ts';
import { Epochs } from '../../../core/store/epochs.ts';
import { type Position, blockOf, positionOf } from '../../../core/store/position.ts';
import { Slab } from '../../../core/store/slab.ts';

function withSlab(blocks: number): Allocator {
  const allocator = new Allocator();
  allocator.addSlab(new Slab(1, 12, blocks));
  return allocator;
}

/** A block that record `record` put into use, with journaled bytes if `bytes`. */
function use(allocator: Allocator, record: number, bytes: number): Position {
  const position = allocator.reserve(12, bytes > 0);
  assert.ok(position !== undefined);
  assert.equal(allocator.submit(position, 1), 1);
  if (bytes > 0) allocator.journaled(position, record, bytes);
  allocator.apply(position, 1);
  return position;
}

function free(allocator: Allocator, position: Position): void {
  allocator.apply(position, allocator.submit(position, -1));
  allocator.drain();
}

describe('slab', () => {
  it('hands out each block once, in order, and again after its release', () => {
    const slab = new Slab(1, 12, 11);
    const taken = Array.from({ length: 11 }, () => slab.take());
    assert.deepEqual(taken, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.equal(slab.take(), undefined);
    slab.release(4);
    assert.equal(slab.freeCount, 1);
    assert.equal(slab.take(), 4);
  });

  it('agrees with a list of counts, and its row restores what records stated', () => {
    const prng = new Prng('slab');
    for (let run = 0; run < 30; run++) {
      const blocks = 1 + prng.below(70);
      const slab = new Slab(9, 13, blocks);
      const refs = Array.from({ length: blocks }, () => 0);
      for (let i = 0; i < 300; i++) {
        const block = prng.below(blocks);
        refs[block] = prng.pick([0, 1, 1, 2, 300]);
        slab.setRefs(block, refs[block]);
      }
      const restored = Slab.decode(9, slab.encode());
      for (const [block, count] of refs.entries()) {
        assert.equal(slab.refs(block), count);
        assert.equal(restored.refs(block), count);
        assert.equal(restored.isBusy(block), count > 0);
      }
      const used = refs.filter((count) => count > 0).length;
      assert.equal(slab.usedCount, used);
      assert.equal(restored.usedCount, used);
      assert.equal(restored.freeCount, blocks - used);
      const found = new Set<number>();
      for (let block = restored.take(); block !== undefined; block = restored.take())
        found.add(block);
      assert.deepEqual(
        [...found].toSorted((a, b) => a - b),
        [...refs.keys()].filter((b) => refs[b] === 0),
      );
    }
  });
});

describe('epochs', () => {
  it('pass on what readers inside at the time of retirement have left', () => {
    const epochs = new Epochs<string>();
    const drained = (): string[] => {
      const items: string[] = [];
      epochs.drain((item) => items.push(item));
      return items;
    };
    const early = epochs.enter();
    epochs.retire('a');
    const late = epochs.enter();
    epochs.retire('b');
    assert.deepEqual(drained(), []);
    epochs.leave(early);
    assert.deepEqual(drained(), ['a']);
    epochs.leave(late);
    assert.deepEqual(drained(), ['b']);
    epochs.retire('c');
    assert.deepEqual(drained(), ['c']);
    assert.throws(() => epochs.leave(late), /once/);
  });
});

describe('allocator (design 4.6 rule 4)', () => {
  it('does not reuse a block before the record that frees it is durable', () => {
    const allocator = withSlab(1);
    const position = use(allocator, 1, 0);
    const refs = allocator.submit(position, -1);
    allocator.drain();
    assert.equal(allocator.reserve(12, true), undefined);
    allocator.apply(position, refs);
    allocator.drain();
    assert.equal(allocator.reserve(12, true), position);
  });

  it('does not reuse a block before its last reader left', () => {
    const allocator = withSlab(1);
    const position = use(allocator, 1, 0);
    const reader = allocator.epochs.enter();
    free(allocator, position);
    assert.equal(allocator.reserve(12, true), undefined);
    allocator.epochs.leave(reader);
    allocator.drain();
    assert.equal(allocator.reserve(12, true), position);
  });

  it('gives a block with journaled bytes only to journaled bytes until a checkpoint', () => {
    const allocator = withSlab(1);
    const position = use(allocator, 5, 4096);
    free(allocator, position);
    assert.equal(allocator.reserve(12, false), undefined);
    allocator.checkpointDone(5);
    assert.equal(allocator.reserve(12, false), undefined, 'record 5 itself is not covered');
    assert.equal(allocator.reserve(12, true), position);
    allocator.abort(position);
    allocator.checkpointDone(6);
    assert.equal(allocator.reserve(12, false), position);
  });

  it('knows up to where a block has journaled bytes', () => {
    const allocator = withSlab(1);
    const position = use(allocator, 1, 8192);
    assert.ok(!allocator.directAllowed(position, 4096));
    assert.ok(allocator.directAllowed(position, 8192));
    allocator.journaled(position, 2, 4096);
    assert.ok(!allocator.directAllowed(position, 4096), 'the farthest of both');
    allocator.checkpointDone(3);
    assert.ok(allocator.directAllowed(position, 0));
  });

  it('keeps a block that replay uses again before it was drained', () => {
    const allocator = withSlab(1);
    const forgotten: Position[] = [];
    allocator.onForgotten = (position) => forgotten.push(position);
    const position = positionOf(1, 0);
    const reader = allocator.epochs.enter();
    for (const refs of [1, 0, 1]) allocator.apply(position, refs);
    allocator.epochs.leave(reader);
    allocator.drain();
    assert.equal(allocator.refs(position), 1);
    assert.deepEqual(forgotten, [position]);
    assert.equal(allocator.reserve(12, true), undefined);
    free(allocator, position);
    assert.equal(allocator.reserve(12, true), position);
  });

  it('gives a block that the index shows as free only to journaled bytes when replay met some', () => {
    const allocator = withSlab(2);
    const position = positionOf(1, 0);
    // The record that freed the block is in the index; the one that carries its bytes is replayed.
    allocator.journaled(position, 5, 4096);
    allocator.apply(position, 0);
    allocator.replayed();
    assert.equal(allocator.freeBlocks(12), 1);
    assert.equal(allocator.reserve(12, false), positionOf(1, 1));
    assert.equal(allocator.reserve(12, false), undefined);
    assert.equal(allocator.reserve(12, true), position);
    allocator.abort(position);
    allocator.checkpointDone(6);
    assert.equal(allocator.reserve(12, false), position);
  });

  it('counts references of records in flight', () => {
    const allocator = withSlab(1);
    const position = use(allocator, 1, 0);
    assert.equal(allocator.submit(position, 1), 2, 'shared');
    assert.equal(allocator.submit(position, -1), 1);
    assert.equal(allocator.submit(position, -1), 0);
    for (const refs of [2, 1, 0]) {
      allocator.drain();
      assert.equal(allocator.reserve(12, true), undefined);
      allocator.apply(position, refs);
    }
    allocator.drain();
    assert.equal(allocator.reserve(12, true), position);
  });

  it('agrees with a model under random use', () => {
    const prng = new Prng('allocator');
    const allocator = withSlab(40);
    const used = new Map<Position, number>();
    const readers: { token: number; sees: Set<Position> }[] = [];
    for (let record = 1; record < 5000; record++) {
      const chosen = prng.below(10);
      if (chosen < 5) {
        const journaled = prng.chance(0.5);
        const position = allocator.reserve(12, journaled);
        if (position === undefined) continue;
        assert.ok(!used.has(position), 'handed out twice');
        for (const { sees } of readers) assert.ok(!sees.has(position), 'handed out under a reader');
        assert.ok(
          journaled || allocator.directAllowed(position, 0),
          'direct bytes in a warm block',
        );
        if (prng.chance(0.1)) {
          allocator.abort(position);
          continue;
        }
        allocator.submit(position, 1);
        if (journaled) allocator.journaled(position, record, 4096);
        allocator.apply(position, 1);
        used.set(position, record);
      } else if (chosen < 8 && used.size > 0) {
        const position = prng.pick([...used.keys()]);
        used.delete(position);
        free(allocator, position);
      } else if (chosen === 8) {
        readers.push({ token: allocator.epochs.enter(), sees: new Set(used.keys()) });
      } else if (readers.length > 0) {
        const [reader] = readers.splice(prng.below(readers.length), 1);
        allocator.epochs.leave((reader as { token: number }).token);
        allocator.drain();
      }
      if (prng.chance(0.01)) allocator.checkpointDone(record);
      assert.equal(allocator.usedBytes(), used.size * 4096);
    }
    for (const { token } of readers) allocator.epochs.leave(token);
    allocator.drain();
    allocator.checkpointDone(5000);
    allocator.sweep(10_000);
    assert.equal(allocator.freeBytes(), (40 - used.size) * 4096);
    assert.ok([...used.keys()].every((position) => blockOf(position) < 40));
  });
});
