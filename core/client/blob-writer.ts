// One blob being written: content is copied into segments of memory until a chunk or a fair piece of one is full,
// and goes to the chunk's store with a checksum and a tag. Several chunks are on their way at once, the pieces of
// one chunk one after another, so that each appends to the one before.

import type { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { crc32c, crc32cCombine } from '../base/crc32c.ts';
import { CoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { ChunkClient } from './chunk-client.ts';
import type { BlobWriter, WrittenBlob } from './types.ts';
import { type WriteHolder, type WriteMemory, segmentBytes } from './write-memory.ts';
import type { FreshBlob } from './writer-session.ts';

interface Piece {
  /** All full, but perhaps the last. */
  readonly segments: readonly Buffer[];
  readonly bytes: number;
  readonly crc32c: number;
  readonly index: number;
  /** In the chunk. */
  readonly offset: number;
  /** No more comes for this chunk. */
  readonly completes: boolean;
}

export interface BlobWriterParts {
  readonly chunks: ChunkClient;
  readonly memory: WriteMemory;
}

export class ChunkedBlobWriter implements BlobWriter, WriteHolder {
  private readonly parts: BlobWriterParts;
  private readonly fresh: FreshBlob;
  /** Full and not yet sent, with their checksums: what follows byte `sentBytes` of the blob. */
  private full: Buffer[] = [];
  private checksums: number[] = [];
  /** The one that is being filled, behind them. */
  private filling: Buffer | undefined;
  private filledBytes = 0;
  private sentBytes = 0;
  private onTheWayBytes = 0;
  /** Of the newest piece of each chunk that is on its way. */
  private readonly onTheWay = new Set<Promise<void>>();
  private previousPiece: Promise<void> = Promise.resolve();
  private failure: unknown;
  private ended = false;

  constructor(parts: BlobWriterParts, fresh: FreshBlob) {
    this.parts = parts;
    this.fresh = fresh;
    parts.memory.enter(this);
    assert(fresh.layout.chunkBytes % segmentBytes === 0, 'a chunk is whole segments');
  }

  get fullSegments(): number {
    return this.full.length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(!this.ended, 'a blob that was finished takes no bytes');
    this.throwFailure();
    for (let at = 0; at < bytes.length;) {
      const segment = this.filling ?? this.parts.memory.take();
      // oxlint-disable-next-line no-await-in-loop -- until there is memory
      this.filling = segment instanceof Promise ? await segment : segment;
      const count = Math.min(bytes.length - at, segmentBytes - this.filledBytes);
      this.filling.set(bytes.subarray(at, at + count), this.filledBytes);
      this.filledBytes += count;
      at += count;
      if (this.filledBytes === segmentBytes) this.closeSegment();
    }
    while (this.onTheWayBytes > limits.clientWriterWindowBytes && this.failure === undefined)
      // oxlint-disable-next-line no-await-in-loop -- until the window is open
      await Promise.race(this.onTheWay);
    this.throwFailure();
  }

  async finish(): Promise<WrittenBlob> {
    this.ended = true;
    this.sendFull();
    const { bytes, checksum, filling } = this.takeFilling();
    if (filling !== undefined) {
      this.full.push(filling);
      this.checksums.push(checksum);
    }
    const count = this.full.length;
    if (count > 0) this.send(count, bytes === 0 ? segmentBytes : bytes, true);
    await this.settled();
    this.throwFailure();
    this.parts.memory.leave(this);
    return { blob: this.fresh.blob, length: this.sentBytes, layout: this.fresh.layout };
  }

  async abandon(): Promise<void> {
    this.ended = true;
    this.failure ??= new CoreError('CANCELLED', 'the blob was given up');
    this.parts.memory.leave(this);
    const { filling } = this.takeFilling();
    this.parts.memory.giveBack(filling === undefined ? this.full : [...this.full, filling], true);
    this.full = [];
    this.checksums = [];
    // A chunk that is written after the blob was discarded would outlive it.
    await this.settled();
    await this.fresh.discard();
  }

  /** Memory is short: sends what is there, in whole checksum units. */
  relieve(): void {
    if (this.failure !== undefined || this.ended) return;
    const rest = this.restOfChunk();
    const count = Math.min(rest, this.full.length);
    if (count > 0) this.send(count, segmentBytes, count === rest);
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  /** The segment is full: its checksum is taken while it is in the processor's cache. */
  private closeSegment(): void {
    const { filling, checksum } = this.takeFilling();
    this.full.push(filling as Buffer);
    this.checksums.push(checksum);
    this.sendFull();
  }

  private takeFilling(): { filling: Buffer | undefined; bytes: number; checksum: number } {
    const { filling, filledBytes: bytes } = this;
    this.filling = undefined;
    this.filledBytes = 0;
    const checksum = filling === undefined ? 0 : crc32c(filling.subarray(0, bytes));
    return { filling, bytes, checksum };
  }

  /** Segments that the present chunk still takes. */
  private restOfChunk(): number {
    const { chunkBytes } = this.fresh.layout;
    return (chunkBytes - (this.sentBytes % chunkBytes)) / segmentBytes;
  }

  private sendFull(): void {
    const { chunkBytes } = this.fresh.layout;
    for (;;) {
      const rest = this.restOfChunk();
      const piece = Math.min(rest, this.parts.memory.pieceBytes(chunkBytes) / segmentBytes);
      if (this.full.length < piece) return;
      this.send(piece, segmentBytes, piece === rest);
    }
  }

  /** The first `count` segments; `lastBytes` are in the last of them. */
  private send(count: number, lastBytes: number, completes: boolean): void {
    const { chunkBytes } = this.fresh.layout;
    const offset = this.sentBytes % chunkBytes;
    const index = Math.floor(this.sentBytes / chunkBytes);
    const segments = this.full.splice(0, count);
    const bytes = (count - 1) * segmentBytes + lastBytes;
    const crc = combined(this.checksums.splice(0, count), lastBytes);
    this.sentBytes += bytes;
    this.onTheWayBytes += bytes;
    const before = offset === 0 ? undefined : this.previousPiece;
    const piece = { segments, bytes, crc32c: crc, index, offset, completes };
    let reusable = false;
    const stored = this.store(piece, before)
      .then((clean) => void (reusable = clean))
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => {
        this.onTheWayBytes -= bytes;
        this.onTheWay.delete(stored);
        this.parts.memory.giveBack(segments, reusable);
      });
    this.previousPiece = stored;
    this.onTheWay.add(stored);
  }

  /** Answers whether nobody reads the piece any more: an attempt that failed may still be on its way. */
  private async store(piece: Piece, before: Promise<void> | undefined): Promise<boolean> {
    if (before !== undefined) await before;
    if (this.failure !== undefined) return true;
    const { blob, layout, channels } = this.fresh;
    const { index, offset, bytes, segments, completes, crc32c: crc } = piece;
    const chunk = { blob, index };
    const parts = partsOf(segments, bytes);
    return channels.use((tag) =>
      this.parts.chunks.write(
        { layout, chunk, offset, parts, crc32c: crc, tag, completes },
        () => this.failure !== undefined,
      ),
    );
  }

  private async settled(): Promise<void> {
    while (this.onTheWay.size > 0)
      // oxlint-disable-next-line no-await-in-loop -- pieces may follow each other
      await Promise.all(this.onTheWay);
  }
}

/** Views of the first `bytes` of the segments. */
function partsOf(segments: readonly Buffer[], bytes: number): Uint8Array[] {
  const parts: Uint8Array[] = [...segments];
  const last = segments.length - 1;
  parts[last] = (segments[last] as Buffer).subarray(0, bytes - last * segmentBytes);
  return parts;
}

/** Checksum of consecutive segments from theirs. */
function combined(checksums: readonly number[], lastBytes: number): number {
  let crc = checksums[0] as number;
  for (let at = 1; at < checksums.length; at++)
    crc = crc32cCombine(
      crc,
      checksums[at] as number,
      at === checksums.length - 1 ? lastBytes : segmentBytes,
    );
  return crc;
}
