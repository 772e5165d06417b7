// The pure codecs of the chunk engine with random values of each.

import { Buffer } from 'node:buffer';
import type { Prng } from '../../core/base/prng.ts';
import { KiB } from '../../core/base/limits.ts';
import { CoreError } from '../../core/base/errors.ts';
import { crc32c } from '../../core/base/crc32c.ts';
import * as records from '../../core/store/chunk-record.ts';
import * as rows from '../../core/store/chunk-row.ts';
import * as journal from '../../core/store/journal-format.ts';
import { bytesOf } from '../../core/store/journal-group.ts';
import { type Position, blockLog2Min } from '../../core/store/position.ts';
import { Slab } from '../../core/store/slab.ts';
import * as summary from '../../core/store/summary.ts';
import * as tableRow from '../../core/store/table-row.ts';
import { randomBytes } from './fuzzer.ts';
import { randomUint } from './messages.ts';
import type { BlobId, ChainVer, SessionId, TargetId, UpdateVer } from '../../core/base/ids.ts';

interface DiskCodec<Value = unknown> {
  sample(random: Prng): Buffer;
  decode(bytes: Buffer): Value;
  encode(value: Value): Buffer;
}

const codec = <Value>(definition: DiskCodec<Value>): DiskCodec => definition;

const u32 = (random: Prng): number =>
  random.pick([0, 1, random.below(2 ** 16), 2 ** 32 - 1, random.u32()]);
const someBytes = (random: Prng, countMax: number): Buffer =>
  Buffer.from(randomBytes(random, countMax), 'latin1');
const position = (random: Prng): Position => (1 + random.below(2 ** 47)) as Position;

const tag = (random: Prng): rows.Pending['tag'] => ({
  session: randomUint(random) as SessionId,
  channel: u32(random),
  sequence: randomUint(random),
});

function piece(random: Prng, offset: number, length: number, unitBytes: number): rows.Piece {
  const units = Math.ceil(length / unitBytes);
  const checksums = Array.from({ length: units }, () => random.u32());
  return { offset, length, position: position(random), checksums };
}

function content(random: Prng, unitBytes: number): rows.Content {
  if (random.chance(0.1)) return rows.emptyContent;
  const base = piece(random, 0, 1 + random.below(64 * KiB), unitBytes);
  const patches = Array.from({ length: random.below(4) }, () => {
    const offset = random.below(base.length);
    const patch = piece(random, offset, 1 + random.below(base.length - offset), unitBytes);
    if (random.chance(0.7)) return patch;
    return { ...patch, position: 0 as Position, checksums: [] };
  });
  return { length: random.below(base.length + 1), crc32c: random.u32(), base, patches };
}

function chunkRow(random: Prng): rows.ChunkRow {
  const unitBytes = 2 ** (blockLog2Min + random.below(4));
  const after = random.chance(0.5) ? content(random, unitBytes) : undefined;
  const pending: rows.Pending = {
    version: randomUint(random) as UpdateVer,
    chainVersion: randomUint(random) as ChainVer,
    tag: tag(random),
    result: random.below(2 ** 16),
    content: after,
    sealed: after !== undefined && random.chance(0.5),
  };
  return {
    version: randomUint(random) as UpdateVer,
    chainVersion: randomUint(random) as ChainVer,
    epoch: randomUint(random),
    unitBytes,
    sealed: random.chance(0.5),
    log: random.chance(0.5),
    content: content(random, unitBytes),
    ...(random.chance(0.3) ? { pending } : {}),
  };
}

function chunkRecord(random: Prng): records.ChunkRecord {
  const chunk = { blob: randomUint(random) as BlobId, index: u32(random) };
  return {
    target: randomUint(random) as TargetId,
    chunk,
    row: random.chance(0.2) ? undefined : rows.encodeRow(chunkRow(random)),
    tag: tag(random),
    refs: Array.from(
      { length: random.below(4) },
      () => [position(random), random.below(2 ** 16)] as const,
    ),
    sections: Array.from({ length: random.below(3) }, () => ({
      position: position(random),
      from: random.below(16) * 4096,
      bytes: someBytes(random, 60),
    })),
  };
}

function slab(random: Prng): Slab {
  const blocks = 1 + random.below(200);
  const made = new Slab(7, blockLog2Min + random.below(8), blocks);
  for (let count = random.below(20); count > 0; count--)
    made.setRefs(random.below(blocks), random.below(4));
  return made;
}

/** A sector or row whose checksum is good: what a decoder sees behind its check. */
const sealed = (sector: Buffer): Buffer => {
  const copy = Buffer.alloc(journal.sectorBytes);
  sector.copy(copy, 0, 0, journal.sectorBytes - 4);
  copy.writeUInt32BE(crc32c(copy.subarray(0, -4)), journal.sectorBytes - 4);
  return copy;
};

function opened<T>(sector: journal.Sector<T>): T {
  if (sector.state === 'valid') return sector.value;
  throw new CoreError('CORRUPT', sector.state);
}

const key = Buffer.from('key');

const recordBytes = (record: records.ChunkRecord): Buffer =>
  Buffer.concat(records.encodeChunkRecord(record).map(bytesOf));

export const diskCodecs: ReadonlyMap<string, DiskCodec> = new Map([
  [
    'chunk row',
    codec({
      sample: (random) => rows.encodeRow(chunkRow(random)),
      decode: rows.decodeRow,
      encode: rows.encodeRow,
    }),
  ],
  [
    'chunk record',
    codec({
      sample: (random) => recordBytes(chunkRecord(random)),
      decode: records.decodeChunkRecord,
      encode: recordBytes,
    }),
  ],
  [
    'space record',
    codec({
      sample: (random) => {
        const slabs = u32(random);
        const number = u32(random);
        return records.encodeSpaceRecord(
          random.chance(0.5)
            ? { kind: 'removed', slab: number, slabs }
            : { kind: 'made', slab: number, slabs, blockLog2: 12, blocks: 256 },
        );
      },
      decode: records.decodeSpaceRecord,
      encode: records.encodeSpaceRecord,
    }),
  ],
  [
    'slab row',
    codec({
      sample: (random) => slab(random).encode(),
      decode: (bytes) => Slab.decode(7, bytes),
      encode: (value) => value.encode(),
    }),
  ],
  [
    'store summary',
    codec({
      sample: (random) =>
        summary.encodeSummary({
          diskIdentity: Uint8Array.from(Buffer.alloc(16, random.below(256))),
          nextSlab: u32(random),
          slabs: u32(random),
        }),
      decode: summary.decodeSummary,
      encode: summary.encodeSummary,
    }),
  ],
  [
    'table row',
    codec({
      sample: (random) => tableRow.encodeRow(key, someBytes(random, 40)),
      decode: (bytes) => decoded(tableRow.decodeRow(key, bytes)),
      encode: (value) => tableRow.encodeRow(key, value),
    }),
  ],
  [
    'table summary',
    codec({
      sample: (random) =>
        tableRow.encodeSummary(key, {
          rows: randomUint(random),
          sum: random.below(2 ** 48),
          through: randomUint(random),
        }),
      decode: (bytes) => decoded(tableRow.decodeSummary(key, resealed(bytes))),
      encode: (value) => tableRow.encodeSummary(key, value),
    }),
  ],
  [
    'journal superblock',
    codec({
      sample: (random) =>
        journal.encodeSuperblock({
          sequence: randomUint(random),
          salt: random.u32(),
          number: randomUint(random),
          generation: u32(random),
          offset: u32(random),
          group: randomUint(random),
          newest: u32(random),
          segments: u32(random),
        }),
      decode: (bytes) => opened(journal.decodeSuperblock(sealed(bytes))),
      encode: journal.encodeSuperblock,
    }),
  ],
  [
    'segment header',
    codec({
      sample: (random) =>
        journal.encodeSegmentHeader({
          salt: random.u32(),
          generation: u32(random),
          previous: u32(random),
          first: randomUint(random),
          firstGroup: randomUint(random),
          sequence: randomUint(random),
          bytes: u32(random),
        }),
      decode: (bytes) => opened(journal.decodeSegmentHeader(sealed(bytes))),
      encode: journal.encodeSegmentHeader,
    }),
  ],
]);

function resealed(row: Buffer): Buffer {
  return row.length < 4 ? row : tableRow.encodeRow(key, row.subarray(4));
}

function decoded<T>(value: T | undefined): T {
  if (value === undefined) throw new CoreError('CORRUPT', 'does not match its checksum');
  return value;
}
