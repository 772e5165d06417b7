import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { crc64nvme, crc64nvmeCombine } from '../../../core/base/crc64nvme.ts';

/** Bit by bit, as the definition says: reflected, register starts and ends inverted. */
function byDefinition(bytes: Uint8Array): bigint {
  const allOnes = 0xffff_ffff_ffff_ffffn;
  let register = allOnes;
  for (const byte of bytes) {
    register ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      register = register & 1n ? (register >> 1n) ^ 0x9a6c9329ac4bc9b5n : register >> 1n;
    }
  }
  return register ^ allOnes;
}

describe('crc64nvme', () => {
  test('has the check value of the CRC catalogue and the vectors of the NVM specification', () => {
    assert.equal(crc64nvme(Buffer.from('123456789')), 0xae8b14860a799888n);
    assert.equal(crc64nvme(Buffer.alloc(4096)), 0x6482d367eb22b64en);
    assert.equal(crc64nvme(Buffer.alloc(4096, 0xff)), 0xc0ddba7302eca3acn);
    assert.equal(crc64nvme(Buffer.alloc(0)), 0n);
  });

  test('agrees with its definition at every length up to 100 and at any alignment', () => {
    const bytes = Buffer.from(Array.from({ length: 116 }, (_, at) => (at * 151 + 7) % 256));
    for (let length = 0; length <= 100; length++) {
      const at = length % 16;
      const piece = bytes.subarray(at, at + length);
      assert.equal(crc64nvme(piece), byDefinition(piece), `length ${length}`);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (any) => {
        assert.equal(crc64nvme(any), byDefinition(any));
      }),
    );
  });

  test('goes on from a seed, over its window and across it', () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * at) % 251));
    const whole = crc64nvme(bytes);
    for (const cut of [0, 1, 15, 16, 65_535, 65_536, 65_537, 131_072, 200_000]) {
      const seed = crc64nvme(bytes.subarray(0, cut));
      assert.equal(crc64nvme(bytes.subarray(cut), seed), whole, `cut at ${cut}`);
    }
  });

  test('combines without the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const whole = crc64nvme(Buffer.concat([a, b]));
        assert.equal(crc64nvmeCombine(crc64nvme(a), crc64nvme(b), b.length), whole);
      }),
    );
    const mega = Buffer.alloc(5 << 20, 7);
    const head = Buffer.from('x');
    const whole = crc64nvme(mega, crc64nvme(head));
    assert.equal(crc64nvmeCombine(crc64nvme(head), crc64nvme(mega), mega.length), whole);
  });
});
