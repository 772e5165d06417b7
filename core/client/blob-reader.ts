// Content of blobs on its way out: pieces are asked for a little ahead of the consumer, verified, and passed
// on as they arrived. Their memory is used again: a piece is the consumer's until it pulls the next one. How large a piece is depends on how many reads share the memory of the process.

import { isCoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { ChunkClient, ChunkRange } from './chunk-client.ts';
import type { DirectReader, FoundPlace, LentBytes } from './direct-reader.ts';
import { RunPlaces } from './run-places.ts';
import type { BlobRun } from './types.ts';

interface PieceRequest extends ChunkRange {
  /** Where to read it past the store. */
  readonly found: FoundPlace | undefined;
}

export class BlobReader {
  private readonly chunks: ChunkClient;
  private readonly direct: DirectReader | undefined;
  /** Reads that are being consumed. */
  private running = 0;

  constructor(chunks: ChunkClient, direct?: DirectReader) {
    this.chunks = chunks;
    this.direct = direct;
  }

  /** A piece is valid until the next one is pulled, or the iteration ends. */
  async *read(run: BlobRun): AsyncGenerator<Uint8Array> {
    const abort = new AbortController();
    const places = this.placesOf(run);
    const ahead: Promise<LentBytes>[] = [];
    const end = run.offset + run.lengthBytes;
    let next = run.offset;
    let aheadMax: number = limits.clientReadAhead;
    this.running++;
    try {
      for (;;) {
        while (next < end && ahead.length <= aheadMax) {
          const index = Math.floor(next / run.layout.chunkBytes);
          // oxlint-disable-next-line no-await-in-loop -- once in many chunks
          if (places?.knows(index) === false) await places.load();
          const found = places?.of(index);
          aheadMax = (found && this.direct?.aheadMax) ?? limits.clientReadAhead;
          const request = this.pieceAt(run, next, end, found, abort.signal);
          const piece = this.fetch(request, places);
          piece.catch(() => undefined); // reported when its turn comes, or never when the read ends
          ahead.push(piece);
          next += request.length;
        }
        const first = ahead.shift();
        if (first === undefined) return;
        // oxlint-disable-next-line no-await-in-loop -- in order; the others are on their way
        const { bytes, release } = await first;
        yield bytes;
        release?.();
      }
    } finally {
      this.running--;
      abort.abort();
    }
  }

  private placesOf(run: BlobRun): RunPlaces | undefined {
    if (this.direct?.usable !== true) return undefined;
    return new RunPlaces(run, this.chunks, this.direct);
  }

  /** The piece from byte `from` of the blob: not beyond its chunk, its end on a checksum unit. */
  private pieceAt(
    run: BlobRun,
    from: number,
    end: number,
    found: FoundPlace | undefined,
    signal: AbortSignal,
  ): PieceRequest {
    const { layout, blob } = run;
    const { chunkBytes } = layout;
    const index = Math.floor(from / chunkBytes);
    const offset = from % chunkBytes;
    const unit = limits.checksumUnitBytes;
    const most = found === undefined ? this.pieceBytes : this.directPieceBytes;
    const full = Math.floor((offset + most) / unit) * unit;
    const to = Math.min(full, chunkBytes, end - index * chunkBytes);
    return { layout, chunk: { blob, index }, offset, length: to - offset, found, signal };
  }

  private get pieceBytes(): number {
    const share = limits.clientReadBytesMax / ((2 + limits.clientReadAhead) * this.running);
    return Math.max(
      limits.clientReadPieceBytesMin,
      Math.min(limits.clientReadPieceBytesMax, share),
    );
  }

  private get directPieceBytes(): number {
    const share = limits.clientReadBytesMax / ((2 + limits.directReadAhead) * this.running);
    return Math.max(limits.checksumUnitBytes, Math.min(limits.directPieceBytesMax, share));
  }

  private async fetch(request: PieceRequest, places: RunPlaces | undefined): Promise<LentBytes> {
    const { found, offset, length } = request;
    if (found === undefined || this.direct === undefined) return this.ask(request);
    const read = await this.direct.read(found, offset, length);
    if (read !== undefined) return read;
    places?.drop(found);
    return this.ask(request);
  }

  /** Through the store, which may know better where the bytes are, or that they are damaged. */
  private async ask(request: PieceRequest): Promise<LentBytes> {
    try {
      return await this.chunks.read(request);
    } catch (error) {
      if (!isCoreError(error, 'CHECKSUM_MISMATCH')) throw error;
      // Damaged on the way from the store: its own checksums held. Once more, then it is an error.
      return await this.chunks.read(request);
    }
  }
}
