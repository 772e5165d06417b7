// Verified reads of chunk content: base, patches over it, and bytes that are still in memory. Every unit
// that a read touches is read whole and checked against its checksum; nothing unverified is returned.
// Returned bytes may be views of memory that the store still holds: callers never write into them.

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { crc32c } from '../base/crc32c.ts';
import { CoreError } from '../base/errors.ts';
import type { ChunkId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Allocator } from './allocator.ts';
import type { Content, Piece } from './chunk-row.ts';
import type { Placements } from './placements.ts';
import type { ChunkPlace } from './place.ts';
import { type Position, blockOf, noPosition, slabOf } from './position.ts';
import type { SlabFiles } from './slab-files.ts';
import { combineUnits } from './unit-checksums.ts';

/** The chunk that is being read, for errors. */
export interface Place {
  readonly target: TargetId;
  readonly chunk: ChunkId;
}

export interface VerifiedBytes {
  readonly bytes: Uint8Array;
  readonly crc32c: number;
}

export interface ChunkReaderParts {
  readonly files: SlabFiles;
  readonly allocator: Allocator;
  readonly placements: Placements;
}

export class ChunkReader {
  private readonly parts: ChunkReaderParts;

  constructor(parts: ChunkReaderParts) {
    this.parts = parts;
  }

  /** Logical bytes [from, to) of the content, in `into` where that fits and is needed. @throws CoreError CORRUPT */
  async read(
    place: Place,
    content: Content,
    unitBytes: number,
    from: number,
    to: number,
    into?: Buffer,
  ): Promise<VerifiedBytes> {
    assert(from >= 0 && from <= to && to <= content.length, `read of [${from}, ${to})`);
    if (from === to || content.base === undefined) return { bytes: new Uint8Array(0), crc32c: 0 };
    const over = content.patches.filter(
      (patch) => patch.offset < to && patch.offset + patch.length > from,
    );
    if (over.length === 0) return this.own(place, content.base, unitBytes, from, to, into);
    return this.merged(place, content.base, over, { unitBytes, from, to });
  }

  /** Where [from, to) can be read by others, in whole units. Undefined when patches lie over the content, bytes of it are
   *  in memory only, or units are too large to be read one by one. */
  place(
    content: Content,
    unitBytes: number,
    from: number,
    to: number,
  ): Omit<ChunkPlace, 'index'> | undefined {
    const { base, patches, length } = content;
    if (base === undefined || patches.length > 0 || from >= to || to > length) return undefined;
    const { files, placements } = this.parts;
    const offset = Math.floor(from / unitBytes) * unitBytes;
    const end = Math.min(Math.ceil(to / unitBytes) * unitBytes, base.length);
    const held = placements.over(base.position, offset, end).length > 0;
    if (held || unitBytes > limits.checksumUnitBytes) return undefined;
    return {
      offset,
      length: end - offset,
      file: files.path(slabOf(base.position)),
      at: this.fileOffset(base.position) + offset,
      unitBytes,
      checksums: packed(base.checksums, offset / unitBytes, Math.ceil(end / unitBytes)),
    };
  }

  /** The whole content, compared with its own checksum as well. @throws CoreError CORRUPT */
  async whole(place: Place, content: Content, unitBytes: number): Promise<VerifiedBytes> {
    const found = await this.read(place, content, unitBytes, 0, content.length);
    if (found.crc32c === content.crc32c) return found;
    throw new CoreError(
      'CORRUPT',
      `target ${place.target}, chunk ${place.chunk.blob}/${place.chunk.index}: ` +
        'its units match their checksums, but its content does not match its own',
    );
  }

  /** A piece's own bytes [from, to). @throws CoreError CORRUPT */
  async own(
    place: Place,
    piece: Piece,
    unitBytes: number,
    from: number,
    to: number,
    into?: Buffer,
  ): Promise<VerifiedBytes> {
    const first = Math.floor(from / unitBytes);
    const start = first * unitBytes;
    const end = Math.min(Math.ceil(to / unitBytes) * unitBytes, piece.length);
    const bytes = await this.block(piece.position, start, end, into);
    this.verify(place, piece, unitBytes, start, bytes);
    if (start === from && end === to) {
      const checksums = piece.checksums.slice(first, Math.ceil(end / unitBytes));
      return { bytes, crc32c: combineUnits(checksums, to - from, unitBytes) };
    }
    const wanted = bytes.subarray(from - start, to - start);
    return { bytes: wanted, crc32c: crc32c(wanted) };
  }

  private async merged(
    place: Place,
    base: Piece,
    over: readonly Piece[],
    range: { readonly unitBytes: number; readonly from: number; readonly to: number },
  ): Promise<VerifiedBytes> {
    mark('reader.patched');
    const { unitBytes, from, to } = range;
    const bytes = Buffer.allocUnsafe(to - from);
    // What lies under a patch that covers the whole range cannot show.
    const bottom = over.findLastIndex(
      (patch) => patch.offset <= from && patch.offset + patch.length >= to,
    );
    const layers = bottom < 0 ? [base, ...over] : over.slice(bottom);
    for (const piece of layers) {
      const start = Math.max(from, piece.offset);
      const end = Math.min(to, piece.offset + piece.length);
      if (piece.position === noPosition) {
        bytes.fill(0, start - from, end - from);
        continue;
      }
      // oxlint-disable-next-line no-await-in-loop -- newer layers go over older ones
      const own = await this.own(place, piece, unitBytes, start - piece.offset, end - piece.offset);
      bytes.set(own.bytes, start - from);
    }
    return { bytes, crc32c: crc32c(bytes) };
  }

  private verify(
    place: Place,
    piece: Piece,
    unitBytes: number,
    start: number,
    bytes: Uint8Array,
  ): void {
    let unit = start / unitBytes;
    for (let at = 0; at < bytes.length; at += unitBytes, unit++) {
      const end = Math.min(at + unitBytes, bytes.length);
      if (crc32c(bytes.subarray(at, end)) === piece.checksums[unit]) continue;
      throw this.corrupt(place, piece.position, start + at, end - at);
    }
  }

  private corrupt(place: Place, position: Position, from: number, length: number): CoreError {
    const { target, chunk } = place;
    const at = this.fileOffset(position) + from;
    return new CoreError(
      'CORRUPT',
      `target ${target}, chunk ${chunk.blob}/${chunk.index}: ${length} bytes at ${at} of ` +
        `${this.parts.files.path(slabOf(position))} do not match their checksum`,
    );
  }

  private fileOffset(position: Position): number {
    const slab = this.parts.allocator.slab(slabOf(position));
    if (slab === undefined || blockOf(position) >= slab.blocks)
      throw new CoreError('CORRUPT', `no block ${blockOf(position)} in slab ${slabOf(position)}`);
    return blockOf(position) * slab.blockBytes;
  }

  /** Bytes [from, to) of a block as they are or will be: the slab, and over it what is still in memory. */
  private async block(
    position: Position,
    from: number,
    to: number,
    into?: Buffer,
  ): Promise<Uint8Array> {
    const { files, placements } = this.parts;
    const at = this.fileOffset(position) + from;
    const held = placements.over(position, from, to);
    const newest = held.at(-1);
    if (newest !== undefined && newest.from <= from && newest.from + newest.bytes.length >= to) {
      mark('reader.held');
      return newest.bytes.subarray(from - newest.from, to - newest.from);
    }
    const bytes = into?.length === to - from ? into : Buffer.allocUnsafe(to - from);
    await files.read(slabOf(position), bytes, at);
    if (held.length > 0) mark('reader.overlaid');
    // The entries stay valid although their round may have ended meanwhile.
    for (const entry of held) {
      const start = Math.max(from, entry.from);
      const end = Math.min(to, entry.from + entry.bytes.length);
      bytes.set(entry.bytes.subarray(start - entry.from, end - entry.from), start - from);
    }
    return bytes;
  }
}

/** Checksums [first, end) as bytes. */
function packed(checksums: readonly number[], first: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(4 * (end - first));
  for (let unit = first; unit < end; unit++)
    bytes.writeUInt32BE(checksums[unit] as number, 4 * (unit - first));
  return bytes;
}
