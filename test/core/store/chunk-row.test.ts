import { bytesOf } from '../../../core/store/journal-group.ts';
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { compareBytes } from '../../../core/base/bytes.ts';
import { isCoreError } from '../../../core/base/errors.ts';
import type { BlobId, ChainVer, SessionId, TargetId, UpdateVer } from '../../../core/base/ids.ts';
import { KiB } from '../../../core/base/limits.ts';
import {
  decodeChunkRecord,
  decodeSpaceRecord,
  encodeChunkRecord,
  encodeSpaceRecord,
} from '../../../core/store/chunk-record.ts';
import {
  type ChunkRow,
  type Content,
  chunkOfKey,
  decodeRow,
  encodeRow,
  positionsOf,
  rowKey,
  targetOfKey,
} from '../../../core/store/chunk-row.ts';
import { noPosition, positionOf } from '../../../core/store/position.ts';

/** Like fc.record, with objects that deepEqual takes for plain ones. */
function plainRecord<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true });
}

const unitBytes = 4 * KiB;
const position = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.nat(65_535))
  .map(([slab, block]) => positionOf(slab, block));
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const id53 = fc.maxSafeNat();

function checksumsOf(length: number): fc.Arbitrary<number[]> {
  const units = Math.ceil(length / unitBytes);
  return fc.array(u32, { minLength: units, maxLength: units });
}

const content: fc.Arbitrary<Content> = fc.integer({ min: 1, max: 60_000 }).chain((length) =>
  plainRecord({
    length: fc.nat(length),
    crc32c: u32,
    base: plainRecord({
      offset: fc.constant(0),
      length: fc.constant(length),
      position,
      checksums: checksumsOf(length),
    }),
    patches: fc.array(
      fc.nat(length - 1).chain((offset) =>
        fc.integer({ min: 1, max: length - offset }).chain((bytes) =>
          fc.oneof(
            plainRecord({
              offset: fc.constant(offset),
              length: fc.constant(bytes),
              position,
              checksums: checksumsOf(bytes),
            }),
            fc.constant({ offset, length: bytes, position: noPosition, checksums: [] }),
          ),
        ),
      ),
      { maxLength: 32 },
    ),
  }),
);

const tag = plainRecord({
  session: id53.map((value) => value as SessionId),
  channel: u32,
  sequence: id53,
});

const row: fc.Arbitrary<ChunkRow> = fc.record(
  {
    version: id53.map((value) => value as UpdateVer),
    chainVersion: id53.map((value) => value as ChainVer),
    epoch: id53,
    unitBytes: fc.constant(unitBytes),
    sealed: fc.boolean(),
    log: fc.boolean(),
    content,
    pending: plainRecord({
      version: id53.map((value) => value as UpdateVer),
      chainVersion: id53.map((value) => value as ChainVer),
      tag,
      result: fc.integer({ min: 0, max: 65_535 }),
      content,
      sealed: fc.boolean(),
    }).chain((pending) =>
      fc.constantFrom(pending, { ...pending, content: undefined, sealed: false }),
    ),
  },
  {
    noNullPrototype: true,
    requiredKeys: ['version', 'chainVersion', 'epoch', 'unitBytes', 'sealed', 'log', 'content'],
  },
);

it('rows with every field survive their codec', () => {
  fc.assert(fc.property(row, (value) => assert.deepEqual(decodeRow(encodeRow(value)), value)));
});

it('cut and altered rows are refused or decode to a row, never more', () => {
  fc.assert(
    fc.property(row, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, mask) => {
      const bytes = encodeRow(value);
      assert.throws(
        () => decodeRow(bytes.subarray(0, at % bytes.length)),
        (error) => isCoreError(error),
      );
      const altered = Buffer.from(bytes);
      altered[at % bytes.length] = (altered[at % bytes.length] as number) ^ mask;
      try {
        decodeRow(altered);
      } catch (error) {
        assert.ok(isCoreError(error), String(error));
      }
    }),
  );
});

it('keys sort by target, blob and index', () => {
  const key = fc.tuple(id53, id53, u32);
  fc.assert(
    fc.property(key, key, (a, b) => {
      const [first, second] = [a, b].map(([target, blob, index]) =>
        rowKey(target as TargetId, { blob: blob as BlobId, index }),
      ) as [Buffer, Buffer];
      const difference =
        a.map((part, i) => part - (b[i] as number)).find((part) => part !== 0) ?? 0;
      assert.equal(Math.sign(compareBytes(first, second)), Math.sign(difference));
      assert.equal(targetOfKey(first), a[0]);
      assert.deepEqual(chunkOfKey(first), { blob: a[1], index: a[2] });
    }),
  );
});

it('positions of a content are its base and the patches that have blocks', () => {
  fc.assert(
    fc.property(content, (value) => {
      const found = positionsOf(value);
      const blocks = value.patches.filter((patch) => patch.position !== noPosition).length;
      assert.equal(found.length, 1 + blocks);
      assert.ok(!found.includes(noPosition));
    }),
  );
});

it('journal payloads survive their codec; sections are views', () => {
  const section = plainRecord({
    position,
    from: fc.nat(100).map((page) => page * 4 * KiB),
    bytes: fc.uint8Array({ maxLength: 200 }),
  });
  const record = plainRecord({
    target: id53.map((value) => value as TargetId),
    chunk: plainRecord({ blob: id53.map((value) => value as BlobId), index: u32 }),
    row: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
    tag,
    refs: fc.array(fc.tuple(position, fc.nat(65_535)), { maxLength: 40 }),
    sections: fc.array(section, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(record, (value) => {
      const decoded = decodeChunkRecord(Buffer.concat(encodeChunkRecord(value).map(bytesOf)));
      assert.deepEqual(
        {
          ...decoded,
          row: decoded.row && Uint8Array.from(decoded.row),
          sections: decoded.sections.map((s) => ({ ...s, bytes: Uint8Array.from(s.bytes) })),
        },
        value,
      );
    }),
  );
});

it('space payloads survive their codec', () => {
  for (const record of [
    { kind: 'made', slab: 7, blockLog2: 20, blocks: 64, slabs: 3 },
    { kind: 'removed', slab: 2 ** 32 - 1, slabs: 0 },
  ] as const)
    assert.deepEqual(decodeSpaceRecord(encodeSpaceRecord(record)), record);
});

it('payloads of a newer format and cut ones are refused', () => {
  const space = encodeSpaceRecord({ kind: 'removed', slab: 1, slabs: 1 });
  assert.throws(
    () => decodeSpaceRecord(space.subarray(0, 5)),
    (error) => isCoreError(error, 'CORRUPT'),
  );
  space[0] = 2;
  assert.throws(
    () => decodeSpaceRecord(space),
    (error) => isCoreError(error, 'VERSION_UNSUPPORTED'),
  );
});
