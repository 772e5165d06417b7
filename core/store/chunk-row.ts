// The chunk record of design 4.8 as it lies in the index: one row per chunk and target. Pure codec;
// layout in docs/internals/disk-format.md, "Chunk row". The row's own checksum is the table's.
//
// A content is a base block and patches over it, oldest first. Invariants that every writer keeps and
// `decodeRow` checks: the base starts at 0 and its length is the longest length ever committed in its
// block; the chunk's length and every patch lie within it; only a patch may have no block (zeros).

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
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
import { limits } from '../base/limits.ts';
import { type Position, blockLog2Min, noPosition } from './position.ts';
import type { ChunkState, UpdateTag } from './types.ts';

/** Bytes of a chunk in one block, from the block's start. */
export interface Piece {
  /** Where in the chunk the first byte belongs; 0 for the base. */
  readonly offset: number;
  readonly length: number;
  readonly position: Position;
  /** One CRC32C per checksum unit of the piece's own bytes; none for zeros. */
  readonly checksums: readonly number[];
}

export interface Content {
  readonly length: number;
  /** CRC32C of the logical content: what a reader of the whole chunk gets. */
  readonly crc32c: number;
  /** undefined only while nothing was ever written into the chunk, or after a truncate to 0. */
  readonly base: Piece | undefined;
  readonly patches: readonly Piece[];
}

/** An update that is persisted and not committed (design 4.2). Chains of one target never leave one. */
export interface Pending {
  readonly version: UpdateVer;
  /** Chain version under which the head assigned `version`. */
  readonly chainVersion: ChainVer;
  readonly tag: UpdateTag;
  /** Code of the error table, 0 for success: what a retry of the tag is answered. */
  readonly result: number;
  /** undefined: a pending remove. It may share blocks with the committed content. */
  readonly content: Content | undefined;
  readonly sealed: boolean;
}

export interface ChunkRow {
  /** Committed version; 0 while only a pending one exists. */
  readonly version: UpdateVer;
  /** Chain version under which `version` was assigned. */
  readonly chainVersion: ChainVer;
  /** Fencing epoch of a log chunk (design 6); 0 otherwise. */
  readonly epoch: number;
  readonly unitBytes: number;
  readonly sealed: boolean;
  readonly log: boolean;
  readonly content: Content;
  readonly pending?: Pending;
}

export const emptyContent: Content = { length: 0, crc32c: 0, base: undefined, patches: [] };

const rowVersion = 1;
const flagSealed = 1;
const flagLog = 2;
const flagPending = 4;
const flagsKnown = flagSealed | flagLog | flagPending;
const pendingRemove = 0;
const pendingContent = 1;
const pendingSealed = 2;

export function stateOf(row: ChunkRow): ChunkState {
  return {
    version: row.version,
    chainVersion: row.chainVersion,
    length: row.content.length,
    crc32c: row.content.crc32c,
    sealed: row.sealed,
    log: row.log,
  };
}

/** Every block that the content refers to. */
export function positionsOf(content: Content): Position[] {
  const positions = content.base === undefined ? [] : [content.base.position];
  for (const patch of content.patches)
    if (patch.position !== noPosition) positions.push(patch.position);
  return positions;
}

/** Every block that the row refers to, once: committed and pending content may share some. */
export function blocksOf(row: ChunkRow | undefined): Position[] {
  if (row === undefined) return [];
  const committed = positionsOf(row.content);
  const pending = row.pending?.content;
  if (pending === undefined) return committed;
  return [...new Set([...committed, ...positionsOf(pending)])];
}

/** Whether an encoded row has a pending update. */
export function isPending(row: Uint8Array | undefined): boolean {
  return row !== undefined && ((row[1] as number) & flagPending) !== 0;
}

/** The row once its pending update is committed; undefined: the chunk is gone. */
export function committedRow({ pending, ...row }: ChunkRow): ChunkRow | undefined {
  assert(pending !== undefined, 'what is committed is pending');
  const { version, chainVersion, content, sealed } = pending;
  return content === undefined ? undefined : { ...row, version, chainVersion, content, sealed };
}

/** The row without its pending update; undefined: nothing was ever committed. */
export function withoutPending({ pending, ...row }: ChunkRow): ChunkRow | undefined {
  assert(pending !== undefined, 'what is dropped is pending');
  return row.version === 0 ? undefined : row;
}

// --- keys ----------------------------------------------------------------------------------------

const chunkPrefix = 0x63; // 'c'
export const rowKeyBytes = 1 + 8 + chunkKeyBytes;

/** Key of a chunk's row: `c`, target, chunk key; byte order is (target, blob, index) order. */
export function rowKey(target: TargetId, { blob, index }: ChunkId): Buffer {
  const key = Buffer.allocUnsafe(rowKeyBytes);
  key[0] = chunkPrefix;
  writeId(key, target, 1);
  writeId(key, blob, 9);
  key.writeUInt32BE(index, 17);
  return key;
}

function writeId(key: Buffer, value: number, at: number): void {
  key.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  key.writeUInt32BE(value % 2 ** 32, at + 4);
}

/** What the keys of all rows of a target start with. */
export function targetKey(target: TargetId): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = chunkPrefix;
  writeId(key, target, 1);
  return key;
}

/** First key and end of the rows of all targets. */
export const chunkKeys = {
  from: Buffer.from([chunkPrefix]),
  to: Buffer.from([chunkPrefix + 1]),
} as const;

export function targetOfKey(key: Uint8Array): TargetId {
  const view = new DataView(key.buffer, key.byteOffset + 1, 8);
  return id<TargetId>(view.getUint32(0) * 2 ** 32 + view.getUint32(4));
}

export function chunkOfKey(key: Uint8Array): ChunkId {
  return readChunkKey(key, 9);
}

// --- codec ---------------------------------------------------------------------------------------

export function writePosition(writer: ByteWriter, position: Position): void {
  writer.u16(Math.floor(position / 2 ** 32)).u32(position % 2 ** 32);
}

export function readPosition(reader: ByteReader): Position {
  return (reader.u16() * 2 ** 32 + reader.u32()) as Position;
}

/** Bytes that a piece of `length` takes in a row. */
export function pieceRowBytes(length: number, unitBytes: number): number {
  return 14 + 4 * Math.ceil(length / unitBytes);
}

function writeContent(writer: ByteWriter, content: Content): void {
  const pieces = content.base === undefined ? [] : [content.base, ...content.patches];
  writer.u32(content.length).u32(content.crc32c).u8(pieces.length);
  for (const piece of pieces) {
    writer.u32(piece.offset).u32(piece.length);
    writePosition(writer, piece.position);
    for (const checksum of piece.checksums) writer.u32(checksum);
  }
}

export function encodeRow(row: ChunkRow): Buffer {
  const writer = new ByteWriter(128 + 4 * (row.content.base?.checksums.length ?? 0));
  const { pending } = row;
  writer
    .u8(rowVersion)
    .u8(
      (row.sealed ? flagSealed : 0) |
        (row.log ? flagLog : 0) |
        (pending === undefined ? 0 : flagPending),
    )
    .u8(Math.log2(row.unitBytes))
    .u64(row.version)
    .u64(row.chainVersion)
    .u64(row.epoch);
  writeContent(writer, row.content);
  if (pending !== undefined) {
    writer.u64(pending.version).u64(pending.chainVersion);
    writeTag(writer, pending.tag);
    const kind = pending.sealed ? pendingSealed : pendingContent;
    writer.u16(pending.result).u8(pending.content === undefined ? pendingRemove : kind);
    if (pending.content !== undefined) writeContent(writer, pending.content);
  }
  return writer.finish();
}

export function writeTag(writer: ByteWriter, tag: UpdateTag): void {
  writer.u64(tag.session).u32(tag.channel).u64(tag.sequence);
}

export function readTag(reader: ByteReader): UpdateTag {
  return { session: id<SessionId>(reader.u64()), channel: reader.u32(), sequence: reader.u64() };
}

function readPiece(reader: ByteReader, unitBytes: number): Piece {
  const offset = reader.u32();
  const length = reader.u32();
  const position = readPosition(reader);
  need(length > 0 && offset + length <= limits.blockBytesMax, 'piece outside any block');
  const checksums: number[] = [];
  if (position !== noPosition)
    for (let at = 0; at < length; at += unitBytes) checksums.push(reader.u32());
  return { offset, length, position, checksums };
}

function readContent(reader: ByteReader, unitBytes: number): Content {
  const length = reader.u32();
  const crc32c = reader.u32();
  const pieces = reader.u8();
  need(pieces <= 1 + limits.chunkPatchesMax, `${pieces} pieces`);
  if (pieces === 0) {
    need(length === 0 && crc32c === 0, 'bytes without a base');
    return emptyContent;
  }
  const base = readPiece(reader, unitBytes);
  need(base.offset === 0 && base.position !== noPosition, 'base that does not start the chunk');
  need(length <= base.length, 'chunk longer than its base');
  const patches: Piece[] = [];
  for (let i = 1; i < pieces; i++) {
    const patch = readPiece(reader, unitBytes);
    need(patch.offset + patch.length <= base.length, 'patch outside the base');
    patches.push(patch);
  }
  return { length, crc32c, base, patches };
}

/** @throws CoreError CORRUPT on bytes that no encoder of this or an older build writes,
 *  VERSION_UNSUPPORTED for rows of a newer format. */
export function decodeRow(bytes: Uint8Array): ChunkRow {
  const reader = new ByteReader(bytes);
  try {
    const format = reader.u8();
    if (format !== rowVersion)
      throw new CoreError('VERSION_UNSUPPORTED', `chunk row of format ${format}`);
    const flags = reader.u8();
    need((flags & ~flagsKnown) === 0, `unknown flags ${flags}`);
    const unitLog2 = reader.u8();
    need(unitLog2 >= blockLog2Min && unitLog2 <= 26, `checksum unit of 2^${unitLog2} bytes`);
    const unitBytes = 2 ** unitLog2;
    const row: ChunkRow = {
      version: id<UpdateVer>(reader.u64()),
      chainVersion: id<ChainVer>(reader.u64()),
      epoch: reader.u64(),
      unitBytes,
      sealed: (flags & flagSealed) !== 0,
      log: (flags & flagLog) !== 0,
      content: readContent(reader, unitBytes),
      ...((flags & flagPending) === 0 ? {} : { pending: readPending(reader, unitBytes) }),
    };
    reader.end();
    return row;
  } catch (error) {
    if (!(error instanceof CoreError) || error.errorName !== 'PROTOCOL') throw error;
    throw new CoreError('CORRUPT', `chunk row: ${error.message}`, { cause: error });
  }
}

function readPending(reader: ByteReader, unitBytes: number): Pending {
  const version = id<UpdateVer>(reader.u64());
  const chainVersion = id<ChainVer>(reader.u64());
  const tag = readTag(reader);
  const result = reader.u16();
  const kind = reader.u8();
  need(kind <= pendingSealed, `pending of kind ${kind}`);
  const content = kind === pendingRemove ? undefined : readContent(reader, unitBytes);
  return { version, chainVersion, tag, result, content, sealed: kind === pendingSealed };
}

function need(condition: boolean, what: string): void {
  if (!condition) throw new CoreError('CORRUPT', `chunk row: ${what}`);
}

/** Checksum units are powers of two from one page to a whole chunk. */
export function assertUnit(unitBytes: number): void {
  assert(
    Number.isInteger(Math.log2(unitBytes)) &&
      unitBytes >= limits.blockBytesMin &&
      unitBytes <= limits.blockBytesMax,
    `checksum unit of ${unitBytes} bytes`,
  );
}
