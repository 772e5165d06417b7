// Payloads of the chunk store's journal records: a chunk's new absolute state, with its bytes when they are
// small; the mark that its pending update is committed; slabs made or removed; what befell a target's
// exactly-once table. Pure codecs; layout in docs/internals/disk-format.md, "Journal payloads".
// Every number is a result, never a delta (design 4.6 rule 1): replaying a record twice, or over an index
// that already holds later rows, ends in the same state.

import type { Buffer } from 'node:buffer';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { CoreError } from '../base/errors.ts';
import {
  type ChainVer,
  type ChunkId,
  type SessionId,
  type TargetId,
  type UpdateVer,
  chunkKeyBytes,
  id,
  readChunkKey,
} from '../base/ids.ts';
import { readPosition, readTag, writePosition, writeTag } from './chunk-row.ts';
import type { Position } from './position.ts';
import { type TagEntry, readTagEntry, writeTagEntry } from './tag-row.ts';
import type { RecordPart, UpdateTag } from './types.ts';

/** Bytes that travel in the record and are placed into a block later. */
export interface Section {
  readonly position: Position;
  /** Offset in the block; a multiple of a page. */
  readonly from: number;
  readonly bytes: Uint8Array;
  /** Of the bytes, where it is known. */
  readonly crc32c?: number;
}

/** The reference count that a block has once the record is durable. */
export type RefChange = readonly [position: Position, refs: number];

export interface ChunkRecord {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  /** The encoded row; undefined when the chunk is removed. */
  readonly row: Uint8Array | undefined;
  /** Names the update; all zeros for folds and moves, which change no content. */
  readonly tag: UpdateTag;
  /** Of an update of a replicated chunk: its tag enters the target's exactly-once table with this version. */
  readonly tagged?: UpdateVer;
  readonly refs: readonly RefChange[];
  readonly sections: readonly Section[];
}

const payloadVersion = 1;
const flagRow = 1;
const flagTagged = 2;
const flagsKnown = flagRow | flagTagged;

export function chunkRecordBytes(record: Omit<ChunkRecord, 'refs'>): number {
  let bytes = 256 + (record.row?.length ?? 0);
  for (const section of record.sections) bytes += 16 + section.bytes.length;
  return bytes;
}

/** Header, then the bytes of the sections as they are: no copy. */
export function encodeChunkRecord(record: ChunkRecord): RecordPart[] {
  const writer = new ByteWriter(
    80 + (record.row?.length ?? 0) + 8 * record.refs.length + 14 * record.sections.length,
  );
  writer
    .u8(payloadVersion)
    .u8((record.row === undefined ? 0 : flagRow) | (record.tagged === undefined ? 0 : flagTagged))
    .u64(record.target)
    .u64(record.chunk.blob)
    .u32(record.chunk.index);
  writeTag(writer, record.tag);
  if (record.tagged !== undefined) writer.u64(record.tagged);
  writeRefs(writer, record.refs);
  if (record.row !== undefined) writer.block(record.row);
  writer.u8(record.sections.length);
  for (const section of record.sections) {
    writePosition(writer, section.position);
    writer.u32(section.from).u32(section.bytes.length);
  }
  const parts: RecordPart[] = [writer.finish()];
  for (const { bytes, crc32c } of record.sections)
    parts.push(crc32c === undefined ? bytes : { bytes, crc32c });
  return parts;
}

function writeRefs(writer: ByteWriter, refs: readonly RefChange[]): void {
  writer.u8(refs.length);
  for (const [position, count] of refs) {
    writePosition(writer, position);
    writer.u16(count);
  }
}

function readRefs(reader: ByteReader): RefChange[] {
  const refs: RefChange[] = [];
  for (let left = reader.u8(); left > 0; left--)
    refs.push([readPosition(reader), reader.u16()] as const);
  return refs;
}

/** Byte fields are views of `payload`. @throws CoreError CORRUPT, VERSION_UNSUPPORTED */
export function decodeChunkRecord(payload: Uint8Array): ChunkRecord {
  return decoding('chunk', payload, (reader) => {
    const flags = reader.u8();
    if ((flags & ~flagsKnown) !== 0) throw new CoreError('PROTOCOL', `unknown flags ${flags}`);
    const target = id<TargetId>(reader.u64());
    const chunk = readChunkKey(reader.raw(chunkKeyBytes));
    const tag = readTag(reader);
    const tagged = (flags & flagTagged) === 0 ? undefined : id<UpdateVer>(reader.u64());
    const refs = readRefs(reader);
    const row = (flags & flagRow) === 0 ? undefined : reader.block(reader.remaining);
    const headers: { position: Position; from: number; length: number }[] = [];
    for (let left = reader.u8(); left > 0; left--)
      headers.push({ position: readPosition(reader), from: reader.u32(), length: reader.u32() });
    const sections = headers.map(({ position, from, length }) => ({
      position,
      from,
      bytes: reader.raw(length),
    }));
    const update = { target, chunk, row, tag, refs, sections };
    return tagged === undefined ? update : { ...update, tagged };
  });
}

// --- commit marks --------------------------------------------------------------------------------

/** The pending update of that version is the committed content from now on: a fact for ever, so that replay over a
 *  row that is past it changes nothing but the counts, which are absolute. */
export interface CommitMark {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  readonly version: UpdateVer;
  readonly chainVersion: ChainVer;
  readonly refs: readonly RefChange[];
}

export function encodeCommitMark(mark: CommitMark): Buffer {
  const writer = new ByteWriter(40 + 8 * mark.refs.length)
    .u8(payloadVersion)
    .u64(mark.target)
    .u64(mark.chunk.blob)
    .u32(mark.chunk.index)
    .u64(mark.version)
    .u64(mark.chainVersion);
  writeRefs(writer, mark.refs);
  return writer.finish();
}

/** @throws CoreError CORRUPT, VERSION_UNSUPPORTED */
export function decodeCommitMark(payload: Uint8Array): CommitMark {
  return decoding('commit mark', payload, (reader) => ({
    target: id<TargetId>(reader.u64()),
    chunk: readChunkKey(reader.raw(chunkKeyBytes)),
    version: id<UpdateVer>(reader.u64()),
    chainVersion: id<ChainVer>(reader.u64()),
    refs: readRefs(reader),
  }));
}

// --- exactly-once tables -------------------------------------------------------------------------

export interface TagsRecord {
  readonly target: TargetId;
  /** What was known before is forgotten. */
  readonly forget: boolean;
  /** Sessions below it are over, and their entries go; 0: none. */
  readonly endedBelow: SessionId;
  /** Merged: the higher sequence of a channel stays. */
  readonly entries: readonly TagEntry[];
}

const flagForget = 1;

export function encodeTagsRecord({ target, forget, endedBelow, entries }: TagsRecord): Buffer {
  const writer = new ByteWriter(24 + 48 * entries.length)
    .u8(payloadVersion)
    .u8(forget ? flagForget : 0)
    .u64(target)
    .u64(endedBelow)
    .u32(entries.length);
  for (const entry of entries) writeTagEntry(writer, entry);
  return writer.finish();
}

/** @throws CoreError CORRUPT, VERSION_UNSUPPORTED */
export function decodeTagsRecord(payload: Uint8Array): TagsRecord {
  return decoding('tags', payload, (reader) => {
    const flags = reader.u8();
    if ((flags & ~flagForget) !== 0) throw new CoreError('PROTOCOL', `unknown flags ${flags}`);
    const target = id<TargetId>(reader.u64());
    const endedBelow = id<SessionId>(reader.u64());
    const entries: TagEntry[] = [];
    for (let left = reader.u32(); left > 0; left--) entries.push(readTagEntry(reader));
    return { target, forget: (flags & flagForget) !== 0, endedBelow, entries };
  });
}

// --- slabs ---------------------------------------------------------------------------------------

export type SpaceChange =
  | {
      readonly kind: 'made';
      readonly slab: number;
      readonly blockLog2: number;
      readonly blocks: number;
    }
  | { readonly kind: 'removed'; readonly slab: number };

export type SpaceRecord = SpaceChange & {
  /** Slabs that the disk has once the record is durable. */
  readonly slabs: number;
};

const spaceMade = 1;
const spaceRemoved = 2;

export function encodeSpaceRecord(record: SpaceRecord): Buffer {
  const writer = new ByteWriter(24).u8(payloadVersion).u32(record.slabs);
  if (record.kind === 'made')
    writer.u8(spaceMade).u32(record.slab).u8(record.blockLog2).u32(record.blocks);
  else writer.u8(spaceRemoved).u32(record.slab);
  return writer.finish();
}

/** @throws CoreError CORRUPT, VERSION_UNSUPPORTED */
export function decodeSpaceRecord(payload: Uint8Array): SpaceRecord {
  return decoding('space', payload, (reader): SpaceRecord => {
    const slabs = reader.u32();
    const kind = reader.u8();
    const slab = reader.u32();
    if (kind === spaceMade)
      return { kind: 'made', slab, blockLog2: reader.u8(), blocks: reader.u32(), slabs };
    if (kind === spaceRemoved) return { kind: 'removed', slab, slabs };
    throw new CoreError('PROTOCOL', `kind ${kind}`);
  });
}

function decoding<T>(what: string, payload: Uint8Array, read: (reader: ByteReader) => T): T {
  try {
    const reader = new ByteReader(payload);
    const version = reader.u8();
    if (version !== payloadVersion)
      throw new CoreError('VERSION_UNSUPPORTED', `${what} record of format ${version}`);
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (!(error instanceof CoreError) || error.errorName !== 'PROTOCOL') throw error;
    throw new CoreError('CORRUPT', `${what} record: ${error.message}`, { cause: error });
  }
}
