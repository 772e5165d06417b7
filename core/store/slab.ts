// One slab in memory: which of its blocks are referenced by durable records, and which may be handed out.
// A bit per block for each, and a count only for blocks with two or more references: 100 million 4 KiB
// chunks take 25 MB. Pure; the row format is in docs/internals/disk-format.md, "Slab row".
//
// Invariants: a referenced block is busy; busy without references means reserved by an update in progress,
// waiting for its last reader, or kept from reuse by bytes in the journal (core/store/allocator.ts).

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { CoreError, isCoreError } from '../base/errors.ts';
import { blockLog2Max, blockLog2Min, slabBlocksMax } from './position.ts';

const rowVersion = 1;

export class Slab {
  readonly number: number;
  readonly blockLog2: number;
  readonly blocks: number;
  /** Being emptied by compaction: nothing new is put into it. */
  frozen = false;
  private readonly used: Uint8Array;
  private readonly busy: Uint8Array;
  private readonly shared = new Map<number, number>();
  private usedBlocks = 0;
  private busyBlocks = 0;
  /** Byte of `busy` where the last search ended: consecutive blocks go to consecutive updates. */
  private cursor = 0;

  constructor(number: number, blockLog2: number, blocks: number) {
    assert(blocks > 0 && blocks <= slabBlocksMax, `slab of ${blocks} blocks`);
    this.number = number;
    this.blockLog2 = blockLog2;
    this.blocks = blocks;
    this.used = new Uint8Array(Math.ceil(blocks / 8));
    this.busy = new Uint8Array(this.used.length);
    // Bits past the last block are never free.
    if (blocks % 8 !== 0) this.busy[this.busy.length - 1] = (0xff << (blocks % 8)) & 0xff;
  }

  get blockBytes(): number {
    return 2 ** this.blockLog2;
  }

  get bytes(): number {
    return this.blocks * this.blockBytes;
  }

  get usedCount(): number {
    return this.usedBlocks;
  }

  get busyCount(): number {
    return this.busyBlocks;
  }

  get freeCount(): number {
    return this.blocks - this.busyBlocks;
  }

  refs(block: number): number {
    assert(block < this.blocks, `block ${block} of ${this.blocks}`);
    if (!bit(this.used, block)) return 0;
    return this.shared.get(block) ?? 1;
  }

  /** The count that a durable record states. A block that lost its last reference stays busy. */
  setRefs(block: number, refs: number): void {
    assert(block < this.blocks, `block ${block} of ${this.blocks}`);
    if (refs > 0 !== bit(this.used, block)) {
      flip(this.used, block);
      this.usedBlocks += refs > 0 ? 1 : -1;
    }
    if (refs > 1) this.shared.set(block, refs);
    else this.shared.delete(block);
    if (refs > 0 && !bit(this.busy, block)) {
      flip(this.busy, block);
      this.busyBlocks++;
    }
  }

  /** Makes a free block busy; undefined when there is none. */
  take(): number | undefined {
    if (this.busyBlocks === this.blocks) return undefined;
    for (let step = 0; step <= this.busy.length; step++) {
      const at = (this.cursor + step) % this.busy.length;
      const byte = this.busy[at] as number;
      if (byte === 0xff) continue;
      const block = at * 8 + (31 - Math.clz32(~byte & (byte + 1)));
      flip(this.busy, block);
      this.busyBlocks++;
      this.cursor = at;
      return block;
    }
    assert(false, 'a slab with free blocks has one');
  }

  /** `take` of this very block; false when it is busy already. */
  claim(block: number): boolean {
    if (block >= this.blocks || bit(this.busy, block)) return false;
    flip(this.busy, block);
    this.busyBlocks++;
    return true;
  }

  isBusy(block: number): boolean {
    return bit(this.busy, block);
  }

  /** The opposite of `take`, for a block without references. */
  release(block: number): void {
    assert(bit(this.busy, block) && !bit(this.used, block), `release of block ${block}`);
    flip(this.busy, block);
    this.busyBlocks--;
  }

  /** The row of the slab: only what durable records stated. */
  encode(): Buffer {
    const writer = new ByteWriter(16 + this.used.length + 4 * this.shared.size);
    writer.u8(rowVersion).u8(this.blockLog2).u32(this.blocks).raw(this.used);
    writer.u32(this.shared.size);
    for (const [block, refs] of this.shared) writer.u16(block).u16(refs);
    return writer.finish();
  }

  /** @throws CoreError CORRUPT, VERSION_UNSUPPORTED */
  static decode(number: number, row: Uint8Array): Slab {
    const reader = new ByteReader(row);
    try {
      const format = reader.u8();
      if (format !== rowVersion)
        throw new CoreError('VERSION_UNSUPPORTED', `slab row of format ${format}`);
      const blockLog2 = reader.u8();
      const blocks = reader.u32();
      need(
        blockLog2 >= blockLog2Min &&
          blockLog2 <= blockLog2Max &&
          blocks > 0 &&
          blocks <= slabBlocksMax,
        `${blocks} blocks of 2^${blockLog2} bytes`,
      );
      const slab = new Slab(number, blockLog2, blocks);
      slab.load(reader.raw(slab.used.length));
      for (let left = reader.u32(); left > 0; left--) slab.share(reader.u16(), reader.u16());
      reader.end();
      return slab;
    } catch (error) {
      if (!isCoreError(error, 'PROTOCOL') && !isCoreError(error, 'CORRUPT')) throw error;
      throw new CoreError('CORRUPT', `row of slab ${number}: ${error.message}`, { cause: error });
    }
  }

  /** An entry of a row: a used block with several references, each block once. */
  private share(block: number, refs: number): void {
    const sound = block < this.blocks && refs > 1 && bit(this.used, block);
    need(sound && !this.shared.has(block), `${refs} references of block ${block}`);
    this.shared.set(block, refs);
  }

  private load(used: Uint8Array): void {
    // Bits past the last block are busy and never used.
    const past = this.busy.at(-1) as number;
    need(((used.at(-1) as number) & past) === 0, 'a used block past the last one');
    for (let at = 0; at < used.length; at++) {
      const byte = used[at] as number;
      this.used[at] = byte;
      this.busy[at] = (this.busy[at] as number) | byte;
      this.usedBlocks += bitsSet(byte);
    }
    this.busyBlocks = this.usedBlocks;
  }
}

function need(condition: boolean, what: string): asserts condition {
  if (!condition) throw new CoreError('CORRUPT', what);
}

const slabPrefix = 0x73; // 's'

export function slabKey(slab: number): Buffer {
  const key = Buffer.allocUnsafe(5);
  key[0] = slabPrefix;
  key.writeUInt32BE(slab, 1);
  return key;
}

export function slabOfKey(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.length).getUint32(1);
}

/** First key and end of all slab rows. */
export const slabKeys = {
  from: Buffer.from([slabPrefix]),
  to: Buffer.from([slabPrefix + 1]),
} as const;

function bit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >>> 3] as number) & (1 << (index & 7))) !== 0;
}

function flip(bits: Uint8Array, index: number): void {
  bits[index >>> 3] = (bits[index >>> 3] as number) ^ (1 << (index & 7));
}

function bitsSet(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
