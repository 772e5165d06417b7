import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RemovedSpans } from '../../../core/store/removed-spans.ts';

const name = (index: number): string => String(index).padStart(8, '0');
const sum = (spans: RemovedSpans): number =>
  spans.groups(1).reduce((rows, group) => rows + group.rows, 0);

test('every removal is counted once, in disjoint spans of a bounded number', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5000), { maxLength: 2000 }), (keys) => {
      const spans = new RemovedSpans();
      for (const key of keys) spans.note(name(key), 10);
      assert.ok(spans.size <= 128);
      assert.equal(sum(spans), keys.length);
      const groups = spans.groups(1);
      for (const [at, { from, to, bytes, rows }] of groups.entries()) {
        assert.ok(from <= to && bytes === rows * 10);
        assert.ok(at === 0 || (groups[at - 1]?.to ?? '') < from);
      }
      for (const key of keys)
        assert.ok(groups.some(({ from, to }) => from <= name(key) && name(key) <= to));
    }),
  );
});

test('a mass deletion in no order shows as spans of about equal weight, beside others that stay apart', () => {
  const spans = new RemovedSpans();
  const count = 100_000;
  for (let index = 0; index < count; index++) spans.note(name((index * 2_654_435_761) % count), 1);
  for (let index = 0; index < 1000; index++) spans.note(`far ${name(index)}`, 1);
  const groups = spans.groups(1000);
  assert.ok(Math.max(...groups.map(({ rows }) => rows)) < count / 10);
  assert.ok(groups.filter(({ from, to }) => from < 'f' && to > 'f').length <= 1);
});

test('groups hold at least what was asked for, and forget what they covered', () => {
  const spans = new RemovedSpans();
  for (let index = 0; index < 1000; index++) spans.note(name(index), 1);
  const [first, ...others] = spans.groups(300);
  assert.ok(first !== undefined && first.rows >= 300 && others.length > 0);
  spans.forget(first);
  assert.equal(sum(spans), 1000 - first.rows);
});

test('spans come back as they were written; what cannot be read is none', () => {
  const spans = new RemovedSpans();
  for (let index = 0; index < 100; index++) spans.note(name(index * 7), index);
  spans.note('k'.repeat(4096), 3);
  const more = { from: 'x', to: 'y', rows: 5, bytes: 2 ** 40 };
  const encoded = spans.encode([more]);
  const again = RemovedSpans.decode(encoded);
  assert.deepEqual(again.groups(1), [...spans.groups(1), more]);
  for (const damaged of [encoded.subarray(0, -1), Buffer.from([9]), Buffer.alloc(0)])
    assert.equal(RemovedSpans.decode(damaged).size, 0);
});
