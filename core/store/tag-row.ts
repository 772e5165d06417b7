// The exactly-once table of a target, as it lies in records and in the index: per channel of a session the newest
// update whose effect the target has (design 4.2). Pure codec; layout in docs/internals/disk-format.md, "Tag row".

import { Buffer } from 'node:buffer';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { CoreError } from '../base/errors.ts';
import {
  type ChunkId,
  type SessionId,
  type TargetId,
  type UpdateVer,
  chunkKeyBytes,
  id,
  readChunkKey,
  writeChunkKey,
} from '../base/ids.ts';
import type { UpdateTag } from './types.ts';

/** Newest update of a channel whose effect this replica has. */
export interface TagEntry extends UpdateTag {
  readonly chunk: ChunkId;
  readonly version: UpdateVer;
}

const rowVersion = 1;
const tagPrefix = 0x74; // 't'
/** Every update in the table succeeded; the field is there for those that will have another result. */
const success = 0;

/** First key and end of the tag rows of all targets. */
export const tagKeys = {
  from: Buffer.from([tagPrefix]),
  to: Buffer.from([tagPrefix + 1]),
} as const;

/** `t`, target, session, channel. */
export function tagKey(target: TargetId, session: SessionId, channel: number): Buffer {
  return new ByteWriter(21).u8(tagPrefix).u64(target).u64(session).u32(channel).finish();
}

export function encodeTagRow(entry: TagEntry): Buffer {
  const writer = new ByteWriter(32).u8(rowVersion);
  writeRest(writer, entry);
  return writer.finish();
}

/** @throws CoreError CORRUPT, VERSION_UNSUPPORTED */
export function decodeTagRow(
  key: Uint8Array,
  row: Uint8Array,
): { readonly target: TargetId; readonly entry: TagEntry } {
  try {
    const keyReader = new ByteReader(key.subarray(1));
    const target = id<TargetId>(keyReader.u64());
    const session = id<SessionId>(keyReader.u64());
    const channel = keyReader.u32();
    const reader = new ByteReader(row);
    const format = reader.u8();
    if (format !== rowVersion)
      throw new CoreError('VERSION_UNSUPPORTED', `tag row of format ${format}`);
    const entry = { session, channel, ...readRest(reader) };
    reader.end();
    return { target, entry };
  } catch (error) {
    if (!(error instanceof CoreError) || error.errorName !== 'PROTOCOL') throw error;
    throw new CoreError('CORRUPT', `tag row: ${error.message}`, { cause: error });
  }
}

export function writeTagEntry(writer: ByteWriter, entry: TagEntry): void {
  writer.u64(entry.session).u32(entry.channel);
  writeRest(writer, entry);
}

export function readTagEntry(reader: ByteReader): TagEntry {
  const session = id<SessionId>(reader.u64());
  const channel = reader.u32();
  return { session, channel, ...readRest(reader) };
}

function writeRest(writer: ByteWriter, { sequence, version, chunk }: TagEntry): void {
  const key = Buffer.allocUnsafe(chunkKeyBytes);
  writeChunkKey(key, 0, chunk);
  writer.u64(sequence).u64(version).u16(success).raw(key);
}

function readRest(reader: ByteReader): Omit<TagEntry, 'session' | 'channel'> {
  const sequence = reader.u64();
  const version = id<UpdateVer>(reader.u64());
  const result = reader.u16();
  if (result !== success) throw new CoreError('PROTOCOL', `result ${result}`);
  return { sequence, version, chunk: readChunkKey(reader.raw(chunkKeyBytes)) };
}
