import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32c as native } from '@node-rs/crc32';
import fc from 'fast-check';
import { crc32c, crc32cCombine, crc32cParts, crc32cZeros } from '../../../core/base/crc32c.ts';

describe('crc32c', () => {
  test('has the check value of the CRC catalogue and the vectors of RFC 3720 B.4', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
    assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e);
  });

  test('is the same by the loop for short bytes and by native code', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(bytes, fc.nat(0xffff_ffff), (value, seed) => {
        assert.equal(crc32c(value, seed), native(Buffer.from(value), seed));
      }),
    );
  });

  test('combines without the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const whole = crc32c(Buffer.concat([a, b]));
        assert.equal(crc32cCombine(crc32c(a), crc32c(b), b.length), whole);
        assert.equal(crc32cParts([a, b]), whole);
      }),
    );
    const mega = Buffer.alloc(5 << 20, 7);
    assert.equal(
      crc32cCombine(crc32c(Buffer.from('x')), crc32c(mega), mega.length),
      crc32cParts([Buffer.from('x'), mega]),
    );
  });

  test('knows the checksum of zeros', () => {
    for (const count of [0, 1, 31, 4096, 1 << 20])
      assert.equal(crc32cZeros(count), crc32c(Buffer.alloc(count)));
  });
});
