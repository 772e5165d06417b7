// Reads at places that a store stated, past the store's process (docs/internals/direct-read.md). What is shown is
// decided after the read: every unit must have the checksum of the place, else the caller asks the store. So a block
// that was moved, given to another chunk or damaged meanwhile, a file that is gone, or a foreign machine's directory
// are a detour and never wrong bytes, zeros or "not found".

import { Buffer } from 'node:buffer';
import { asBuffer } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Clock } from '../env/clock.ts';
import type { Disk } from '../env/disk.ts';
import type { Events } from '../env/events.ts';
import { PayloadPool } from '../rpc/payload-pool.ts';
import type { ChunkPlace } from '../store/place.ts';
import { StoreFiles } from './store-files.ts';

/** Verified bytes whose memory is used again after `release`. */
export interface LentBytes {
  readonly bytes: Uint8Array;
  readonly release?: () => void;
}

export interface DirectReaderOptions {
  /** A directory of this machine as a Disk. */
  readonly openDisk: (directory: string) => Disk;
  readonly clock: Clock;
  readonly events: Events;
  /** Number of the present connection to the stores; undefined while there is none. */
  readonly link: () => number | undefined;
}

/** A place, and how its store told of it. */
export interface FoundPlace {
  readonly directory: string;
  readonly place: ChunkPlace;
  /** A place is good while the connection lasts over which it came: a store that starts anew may use blocks again
   *  that the one before had only just moved. */
  readonly link: number | undefined;
}

export class DirectReader {
  private readonly clock: Clock;
  readonly events: Events;
  readonly link: () => number | undefined;
  private readonly files: StoreFiles;
  private readonly memory = new PayloadPool();
  /** In a row. */
  private misses = 0;
  private pausedUntilMs = 0;

  constructor({ openDisk, clock, events, link }: DirectReaderOptions) {
    this.link = link;
    this.clock = clock;
    this.events = events;
    this.files = new StoreFiles(openDisk, clock);
  }

  /** Whether it is worth asking for places. */
  get usable(): boolean {
    return this.pausedUntilMs === 0 || this.clock.now() >= this.pausedUntilMs;
  }

  /** Pieces to read ahead of the one in hand. */
  get aheadMax(): number {
    return this.files.prompt ? 0 : limits.directReadAhead;
  }

  /** Bytes [offset, offset + length) of the place's chunk, which lie in the place.
   *  @returns undefined when what lies there now is not, or not provably, the chunk's */
  async read(
    { directory, place, link }: FoundPlace,
    offset: number,
    length: number,
  ): Promise<LentBytes | undefined> {
    const { unitBytes } = place;
    const from = offset - place.offset;
    const start = Math.floor(from / unitBytes) * unitBytes;
    const end = Math.min(Math.ceil((from + length) / unitBytes) * unitBytes, place.length);
    const memory = this.memory.take(end - start);
    let reason: string | undefined = 'its bytes do not match the checksums';
    try {
      const read = await this.files.read(directory, place.file, memory, place.at + start);
      if (link === undefined || link !== this.link()) {
        reason = undefined;
      } else if (read === memory.length && matches(memory, place, start)) {
        mark('direct.read');
        this.misses = 0;
        const bytes = memory.subarray(from - start, from - start + length);
        return { bytes, release: () => this.memory.giveBack(memory) };
      }
    } catch (error) {
      reason = String(error);
    }
    this.memory.giveBack(memory);
    if (reason !== undefined) this.missed(directory, place, reason);
    return undefined;
  }

  close(): void {
    this.files.closeAll();
  }

  private missed(directory: string, { file }: ChunkPlace, reason: string): void {
    mark('direct.missed');
    this.events.emit('debug', 'direct-read.missed', { directory, file, reason });
    if (++this.misses < limits.directMissesMax) return;
    mark('direct.paused');
    this.misses = 0;
    this.pausedUntilMs = this.clock.now() + limits.directPauseMs;
    this.events.emit('warn', 'direct-read.paused', { directory, reason });
  }
}

/** Whether `bytes`, from byte `start` of the place on, are what the store summed. */
function matches(bytes: Buffer, { unitBytes, checksums }: ChunkPlace, start: number): boolean {
  const sums = asBuffer(checksums);
  let at = (start / unitBytes) * 4;
  for (let from = 0; from < bytes.length; from += unitBytes, at += 4) {
    const unit = bytes.subarray(from, Math.min(from + unitBytes, bytes.length));
    if (crc32c(unit) !== sums.readUInt32BE(at)) return false;
  }
  return true;
}
