import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isGranted } from '../../../../core/meta/namespace/grants.ts';

describe('granted ranges', () => {
  it('are found by bisection as by looking at each', () => {
    const starts = fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { maxLength: 8 });
    fc.assert(
      fc.property(starts, fc.integer({ min: -1, max: 101 }), (firsts, blob) => {
        const ranges = firsts
          .toSorted((a, b) => a - b)
          .map((first) => ({ first: first * 5, end: first * 5 + 4 }));
        const expected = ranges.some(({ first, end }) => blob >= first && blob < end);
        assert.equal(isGranted(ranges, blob), expected);
      }),
    );
  });
});
