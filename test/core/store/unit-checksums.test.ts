import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '../../../core/base/crc32c.ts';
import {
  appendUnits,
  combineUnits,
  replaceInCrc,
  unitChecksums,
} from '../../../core/store/unit-checksums.ts';

const bytes = fc.uint8Array({ maxLength: 300 });
const unit = fc.constantFrom(16, 64, 128);

function plain(content: Uint8Array, unitBytes: number): number[] {
  const checksums: number[] = [];
  for (let at = 0; at < content.length; at += unitBytes)
    checksums.push(crc32c(content.subarray(at, at + unitBytes)));
  return checksums;
}

it('unit checksums of parts are those of the joined bytes, however they are appended', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 5 }), unit, (parts, unitBytes) => {
      const joined = Buffer.concat(parts);
      assert.deepEqual(unitChecksums(parts, unitBytes), plain(joined, unitBytes));
      let checksums: number[] = [];
      let length = 0;
      for (const part of parts) {
        checksums = appendUnits(checksums, length, [part], unitBytes);
        length += part.length;
      }
      assert.deepEqual(checksums, plain(joined, unitBytes));
      assert.equal(combineUnits(checksums, length, unitBytes), crc32c(joined));
    }),
  );
});

it('a replaced region changes the content checksum as a full pass would', () => {
  fc.assert(
    fc.property(bytes, fc.nat(300), bytes, (content, at, replacement) => {
      const offset = Math.min(at, content.length);
      const region = replacement.subarray(0, content.length - offset);
      const after = Uint8Array.from(content);
      after.set(region, offset);
      const end = offset + region.length;
      const crc = replaceInCrc(crc32c(content), {
        before: crc32c(content.subarray(offset, end)),
        after: crc32c(region),
        bytesAfter: content.length - end,
      });
      assert.equal(crc, crc32c(after));
    }),
  );
});
