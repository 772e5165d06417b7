// Reads LevelDB's log format, which its write-ahead logs and its MANIFEST share, as strictly as LevelDB does
// not: blocks of 32 KiB with records that carry a masked CRC32C. LevelDB drops what does not match and goes
// on; here a sound record behind a broken one proves damage, since records are written one after another and
// only the last can be torn. Pure; borrows the blocks.

import { Buffer } from 'node:buffer';
import { crc32c } from '../../base/crc32c.ts';

export const logBlockBytes = 32 * 1024;
const headerBytes = 7;
const fragment = { full: 1, first: 2, middle: 3, last: 4 } as const;
const maskDelta = 0xa282ead8;

/** The CRC32C that LevelDB stores, as it was before masking. */
export function unmasked(stored: number): number {
  const rotated = (stored - maskDelta) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

export class LogWalker {
  /** First offset that holds no sound record; at the very end of a log that is a torn write. */
  damagedAt: number | undefined;
  /** Offset of a sound record behind it: no torn write. */
  provenAt: number | undefined;
  private offset = 0;
  private parts: Buffer[] | undefined;
  private readonly onRecord: ((record: Buffer) => void) | undefined;

  /** `onRecord` gets each whole record; without it nothing is assembled. */
  constructor(onRecord?: (record: Buffer) => void) {
    this.onRecord = onRecord;
  }

  /** Takes blocks in order: `logBlockBytes` each, the last one may be shorter. */
  push(block: Buffer): void {
    if (this.damagedAt === undefined) this.records(block);
    else if (this.provenAt === undefined && lengthAt(block, 0) !== undefined)
      this.provenAt = this.offset;
    this.offset += block.length;
  }

  private records(block: Buffer): void {
    let at = 0;
    // What is left of a full block is padding.
    while (
      at < block.length &&
      (block.length < logBlockBytes || block.length - at >= headerBytes)
    ) {
      const length = lengthAt(block, at);
      if (length === undefined) return this.damaged(block, at);
      const end = at + headerBytes + length;
      this.fragment(block.readUInt8(at + 6), block.subarray(at + headerBytes, end), at);
      at = end;
    }
  }

  private damaged(block: Buffer, at: number): void {
    this.damagedAt = this.offset + at;
    for (let next = at + 1; next + headerBytes <= block.length; next++) {
      if (lengthAt(block, next) === undefined) continue;
      this.provenAt = this.offset + next;
      return;
    }
  }

  private fragment(type: number, bytes: Buffer, at: number): void {
    const begins = type === fragment.full || type === fragment.first;
    // The writer may leave an empty first fragment at the end of a block and begin again.
    const open = this.parts !== undefined && this.parts.some((part) => part.length > 0);
    if (begins ? open : this.parts === undefined) {
      this.damagedAt ??= this.offset + at;
      this.provenAt ??= this.offset + at;
      return;
    }
    if (begins) this.parts = [];
    // Length alone, so that an unassembled log costs no memory.
    this.parts?.push(this.onRecord === undefined ? bytes.subarray(0, 1) : Buffer.from(bytes));
    if (type !== fragment.full && type !== fragment.last) return;
    const record = Buffer.concat(this.parts ?? []);
    this.parts = undefined;
    this.onRecord?.(record);
  }
}

/** Length of the sound record at `at`; undefined when there is none. */
function lengthAt(block: Buffer, at: number): number | undefined {
  if (at + headerBytes > block.length) return undefined;
  const length = block.readUInt16LE(at + 4);
  const type = block.readUInt8(at + 6);
  const end = at + headerBytes + length;
  if (type < fragment.full || type > fragment.last || end > block.length) return undefined;
  const crc = crc32c(block.subarray(at + 6, end));
  return crc === unmasked(block.readUInt32LE(at)) ? length : undefined;
}
