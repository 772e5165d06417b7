import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ByteReader, ByteWriter, compareBytes, prefixEnd } from '../../../core/base/bytes.ts';
import { CoreError } from '../../../core/base/errors.ts';

const isProtocol = (error: unknown): boolean =>
  error instanceof CoreError && error.errorName === 'PROTOCOL';

describe('bytes', () => {
  test('writer and reader agree, big-endian', () => {
    const written = new ByteWriter(1)
      .u8(1)
      .u16(2)
      .u32(3)
      .u64(2 ** 40 + 5)
      .block(Buffer.from('ab'))
      .finish();
    assert.equal(written.toString('hex'), '010002000000030000010000000005000000026162');
    const reader = new ByteReader(written);
    assert.deepEqual(
      [reader.u8(), reader.u16(), reader.u32(), reader.u64()],
      [1, 2, 3, 2 ** 40 + 5],
    );
    assert.equal(reader.block(2).toString(), 'ab');
    reader.end();
  });

  test('reader refuses short input, long blocks, big integers and trailing bytes', () => {
    assert.throws(() => new ByteReader(Buffer.alloc(3)).u32(), isProtocol);
    assert.throws(() => new ByteReader(Buffer.from('00000003616263', 'hex')).block(2), isProtocol);
    assert.throws(() => new ByteReader(Buffer.alloc(8, 0xff)).u64(), isProtocol);
    assert.throws(() => new ByteReader(Buffer.alloc(1)).end(), isProtocol);
  });

  test('prefixEnd bounds exactly the strings with the prefix', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (prefix, other) => {
        const end = prefixEnd(prefix);
        const starts = Buffer.from(other.subarray(0, prefix.length)).equals(prefix);
        const inside =
          compareBytes(other, prefix) >= 0 && (end === undefined || compareBytes(other, end) < 0);
        assert.equal(inside, starts);
      }),
    );
  });
});
