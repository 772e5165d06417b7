import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { crc32, crc32Combine } from '../../../core/base/crc32.ts';

describe('crc32', () => {
  test('has the check value of the CRC catalogue', () => {
    assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
    assert.equal(crc32(Buffer.alloc(0)), 0);
  });

  test('goes on from a seed, and combines without the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const whole = crc32(Buffer.concat([a, b]));
        assert.equal(crc32(b, crc32(a)), whole);
        assert.equal(crc32Combine(crc32(a), crc32(b), b.length), whole);
      }),
    );
  });
});
