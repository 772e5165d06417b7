import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../../../core/base/limits.ts';
import { namesOf, segmentOf } from '../../../../core/model/files/names.ts';

interface NameVector {
  readonly segment: string;
  readonly beside: boolean;
  /** Hex of each name of the chain. */
  readonly names: readonly string[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../../../test/vectors/metadata/names.json', import.meta.url), 'utf8'),
) as readonly NameVector[];

const show = (names: readonly Buffer[]): string => names.map((name) => name.toString()).join('/');

describe('file names of key segments', () => {
  it('are the golden ones, both ways', () => {
    assert.ok(vectors.length >= 20);
    for (const { segment, beside, names } of vectors) {
      const named = { segment: Buffer.from(segment, 'hex'), beside };
      assert.deepEqual(
        namesOf(named).map((name) => name.toString('hex')),
        names,
        segment,
      );
      assert.deepEqual(segmentOf(names.map((name) => Buffer.from(name, 'hex'))), named);
    }
  });

  it('leave ordinary names alone', () => {
    for (const name of ['a', 'a b', 'ü', '…', '.hidden', '...', '%2e', '\\', '\u{1F600}']) {
      assert.equal(show(namesOf({ segment: Buffer.from(name), beside: false })), name);
    }
  });

  // Pieces that make collisions likely.
  const piece = fc.constantFrom(
    'a',
    '.',
    '\u241b',
    '\u241a',
    '1b',
    '1a',
    'ff',
    'c3',
    's',
    '0',
    'e',
    'f',
    '>',
    'ü',
    '\0',
    'x'.repeat(90),
  );
  const segments = fc.array(piece, { maxLength: 12 }).map((parts) => Buffer.from(parts.join('')));

  it('are reversible and legal for every segment', () => {
    fc.assert(
      fc.property(segments, fc.boolean(), (segment, beside) => {
        const names = namesOf({ segment, beside });
        for (const name of names) {
          assert.ok(name.length >= 1 && name.length <= limits.fileNameBytesMax);
          assert.ok(!name.includes(0) && !name.includes('/'));
          assert.ok(!['.', '..'].includes(name.toString()));
        }
        assert.deepEqual(segmentOf(names), { segment, beside });
      }),
      { numRuns: 3000 },
    );
  });

  const byte = fc.oneof(
    fc.constantFrom(
      ...Buffer.from('\u241b\u241a'),
      0xff,
      0xc3,
      0xbc,
      0x31,
      0x62,
      0x61,
      0x73,
      0x2e,
      0x3e,
      0x66,
      0x65,
      0x30,
    ),
    fc.integer({ min: 1, max: 255 }),
  );
  const fileNames = fc
    .oneof(
      fc.array(byte, { minLength: 1, maxLength: 40 }).map((codes) => Buffer.from(codes)),
      fc
        .array(piece, { minLength: 1, maxLength: 8 })
        .map((parts) => Buffer.from(parts.join('').replaceAll('\0', 'z'))),
    )
    .filter(
      (name) =>
        name.length <= limits.fileNameBytesMax &&
        !name.includes('/') &&
        !['.', '..'].includes(name.toString('latin1')),
    );

  it('give every file name a segment of its own, in UTF-8', () => {
    fc.assert(
      fc.property(fileNames, (name) => {
        const named = segmentOf([name]);
        assert.ok(Buffer.from(named.segment.toString()).equals(named.segment));
        assert.deepEqual(namesOf(named), [name]);
      }),
      { numRuns: 5000 },
    );
  });
});
