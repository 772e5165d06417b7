// Byte layouts of the journal: superblock slots, segment headers, record headers. Pure; the page of the
// format is docs/internals/journal.md. Integers are big-endian; every structure has a CRC32C, and those of
// a slot or header fill one 512-byte sector, which a disk writes whole or not at all.

import { Buffer } from 'node:buffer';
import { asBuffer } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { CoreError } from '../base/errors.ts';

export const pageBytes = 4096;
export const sectorBytes = 512;
export const recordHeaderBytes = 32;
export const formatVersion = 1;
/** Features that an older build must not ignore; none yet. */
export const knownFlags = 0;

/** Internal record without a user: proves that everything before it was durable (docs: marks). */
export const markKind = 0;

const superblockMagic = 'LAMPYRJS';
const segmentMagic = 'LAMPYRJG';
const crcAt = sectorBytes - 4;
const two32 = 2 ** 32;

/** Where replay starts, and what belongs to the journal. */
export interface Superblock {
  /** Grows by one with each write; the slot is its parity. */
  readonly sequence: number;
  /** Random, seeds every record's checksum: neither a foreign segment nor stored content passes for a record. */
  readonly salt: number;
  /** First record to replay, and the place and group number it has or will have. */
  readonly number: number;
  /** Generation of the segment where replay starts; 0 while no checkpoint was taken. */
  readonly generation: number;
  readonly offset: number;
  readonly group: number;
  /** Segment files that exist. */
  readonly segments: number;
  /** A generation that was in use; the highest known when this was written. */
  readonly newest: number;
}

export interface SegmentHeader {
  readonly salt: number;
  /** Grows with each use of any segment; never reused. */
  readonly generation: number;
  /** Generation of the segment that this one continues; 0 for the first ever. */
  readonly previous: number;
  /** First record here; the last valid record before this segment is the one below it. */
  readonly first: number;
  readonly firstGroup: number;
  /** Superblock sequence that was durable when this use began. */
  readonly sequence: number;
  readonly bytes: number;
}

export interface RecordHeader {
  readonly crc: number;
  readonly length: number;
  readonly kind: number;
  readonly lastOfGroup: boolean;
  readonly generation: number;
  readonly number: number;
  readonly group: number;
}

export function pageUp(bytes: number): number {
  return Math.ceil(bytes / pageBytes) * pageBytes;
}

export type Sector<T> =
  | { readonly state: 'empty' }
  | { readonly state: 'damaged' }
  | { readonly state: 'newer'; readonly version: number; readonly flags: number }
  | { readonly state: 'valid'; readonly value: T };

function writeU64(into: Buffer, value: number, at: number): void {
  into.writeUInt32BE(Math.floor(value / two32), at);
  into.writeUInt32BE(value % two32, at + 4);
}

function readU64(from: Buffer, at: number): number {
  return from.readUInt32BE(at) * two32 + from.readUInt32BE(at + 4);
}

function startSector(magic: string, salt: number): Buffer {
  const sector = Buffer.alloc(sectorBytes);
  sector.write(magic, 0, 'latin1');
  sector.writeUInt16BE(formatVersion, 8);
  sector.writeUInt32BE(knownFlags, 12);
  sector.writeUInt32BE(salt, 16);
  return sector;
}

function sealSector(sector: Buffer): Buffer {
  sector.writeUInt32BE(crc32c(sector.subarray(0, crcAt)), crcAt);
  return sector;
}

function openSector<T extends object>(sector: Buffer, magic: string, read: () => T): Sector<T> {
  if (sector.every((byte) => byte === 0)) return { state: 'empty' };
  const sound =
    sector.length === sectorBytes &&
    sector.readUInt32BE(crcAt) === crc32c(sector.subarray(0, crcAt)) &&
    sector.toString('latin1', 0, 8) === magic;
  if (!sound) return { state: 'damaged' };
  const version = sector.readUInt16BE(8);
  const flags = sector.readUInt32BE(12);
  if (version !== formatVersion || (flags & ~knownFlags) !== 0)
    return { state: 'newer', version, flags };
  const value = read();
  // Numbers that no build writes, as it could not count on from them.
  const exact = Object.values(value).every((number) => Number.isSafeInteger(number));
  return exact ? { state: 'valid', value } : { state: 'damaged' };
}

export function encodeSuperblock(value: Superblock): Buffer {
  const sector = startSector(superblockMagic, value.salt);
  writeU64(sector, value.sequence, 20);
  writeU64(sector, value.number, 28);
  writeU64(sector, value.group, 36);
  sector.writeUInt32BE(value.generation, 44);
  sector.writeUInt32BE(value.offset, 48);
  sector.writeUInt32BE(value.segments, 52);
  sector.writeUInt32BE(value.newest, 56);
  return sealSector(sector);
}

export function decodeSuperblock(sector: Buffer): Sector<Superblock> {
  return openSector(sector, superblockMagic, () => ({
    salt: sector.readUInt32BE(16),
    sequence: readU64(sector, 20),
    number: readU64(sector, 28),
    group: readU64(sector, 36),
    generation: sector.readUInt32BE(44),
    offset: sector.readUInt32BE(48),
    segments: sector.readUInt32BE(52),
    newest: sector.readUInt32BE(56),
  }));
}

export function encodeSegmentHeader(value: SegmentHeader): Buffer {
  const sector = startSector(segmentMagic, value.salt);
  writeU64(sector, value.first, 20);
  writeU64(sector, value.firstGroup, 28);
  writeU64(sector, value.sequence, 36);
  sector.writeUInt32BE(value.generation, 44);
  sector.writeUInt32BE(value.previous, 48);
  sector.writeUInt32BE(value.bytes, 52);
  return sealSector(sector);
}

export function decodeSegmentHeader(sector: Buffer): Sector<SegmentHeader> {
  return openSector(sector, segmentMagic, () => ({
    salt: sector.readUInt32BE(16),
    first: readU64(sector, 20),
    firstGroup: readU64(sector, 28),
    sequence: readU64(sector, 36),
    generation: sector.readUInt32BE(44),
    previous: sector.readUInt32BE(48),
    bytes: sector.readUInt32BE(52),
  }));
}

const lastOfGroupFlag = 1;

/** Writes all of the header but its checksum, which covers bytes 4…31 and the payload, seeded by the salt. */
export function writeRecordHeader(
  into: Buffer,
  at: number,
  header: Omit<RecordHeader, 'crc'>,
): void {
  into.writeUInt32BE(header.length, at + 4);
  into.writeUInt8(header.kind, at + 8);
  into.writeUInt8(header.lastOfGroup ? lastOfGroupFlag : 0, at + 9);
  into.writeUInt16BE(0, at + 10);
  into.writeUInt32BE(header.generation, at + 12);
  writeU64(into, header.number, at + 16);
  writeU64(into, header.group, at + 24);
}

export function writeRecordCrc(into: Buffer, at: number, crc: number): void {
  into.writeUInt32BE(crc, at);
}

/** The header at `at`; nothing is verified. Undefined where no header fits. */
export function readRecordHeader(from: Buffer, at: number): RecordHeader | undefined {
  if (at + recordHeaderBytes > from.length) return undefined;
  return {
    crc: from.readUInt32BE(at),
    length: from.readUInt32BE(at + 4),
    kind: from.readUInt8(at + 8),
    lastOfGroup: from.readUInt8(at + 9) === lastOfGroupFlag,
    generation: from.readUInt32BE(at + 12),
    number: readU64(from, at + 16),
    group: readU64(from, at + 24),
  };
}

/** Whether the record at `at` is whole: it fits and its checksum matches. */
export function recordIsSound(
  from: Buffer,
  at: number,
  header: RecordHeader,
  salt: number,
): boolean {
  const end = at + recordHeaderBytes + header.length;
  return end <= from.length && crc32c(from.subarray(at + 4, end), salt) === header.crc;
}

/** Payload of a mark: the superblock sequence that was durable before it. */
export function encodeMark(sequence: number): Buffer {
  const payload = Buffer.alloc(8);
  writeU64(payload, sequence, 0);
  return payload;
}

/** @throws CoreError CORRUPT */
export function decodeMark(payload: Uint8Array): number {
  if (payload.length !== 8) throw new CoreError('CORRUPT', `a mark of ${payload.length} bytes`);
  const sequence = readU64(asBuffer(payload), 0);
  if (!Number.isSafeInteger(sequence)) throw new CoreError('CORRUPT', 'a mark above 2^53');
  return sequence;
}
