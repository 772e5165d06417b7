// One blob being written: pieces of content are gathered, as they are and without copying, until a chunk or a
// fair piece of one is full, and go to the chunk's store with a checksum and a tag. Several chunks are on
// their way at once, the pieces of one chunk one after another, so that each appends to the one before.

import { assert } from '../base/assert.ts';
import { crc32cParts } from '../base/crc32c.ts';
import { CoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Clock } from '../env/clock.ts';
import { writeChunk } from './chunk-calls.ts';
import { withRetry } from './retry.ts';
import type { Routing } from './routing.ts';
import type { BlobWriter, WrittenBlob } from './types.ts';
import type { WriteHolder, WriteMemory } from './write-memory.ts';
import type { FreshBlob } from './writer-session.ts';

interface Piece {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  readonly index: number;
  /** In the chunk. */
  readonly offset: number;
  /** No more comes for this chunk. */
  readonly completes: boolean;
}

export interface BlobWriterParts {
  readonly clock: Clock;
  readonly routing: Routing;
  readonly memory: WriteMemory;
}

export class ChunkedBlobWriter implements BlobWriter, WriteHolder {
  private readonly parts: BlobWriterParts;
  private readonly fresh: FreshBlob;
  /** Given and not yet sent: what follows byte `sentBytes` of the blob. */
  private pending: Uint8Array[] = [];
  pendingBytes = 0;
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
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(!this.ended, 'a blob that was finished takes no bytes');
    this.throwFailure();
    if (bytes.length === 0) return;
    const waiting = this.parts.memory.take(bytes.length);
    if (waiting !== undefined) await waiting;
    this.pending.push(bytes);
    this.pendingBytes += bytes.length;
    this.sendFull();
    while (this.onTheWayBytes > limits.clientWriterWindowBytes && this.failure === undefined)
      // oxlint-disable-next-line no-await-in-loop -- until the window is open
      await Promise.race(this.onTheWay);
    this.throwFailure();
  }

  async finish(): Promise<WrittenBlob> {
    this.ended = true;
    const { chunkBytes } = this.fresh.layout;
    while (this.pendingBytes > 0) {
      const inChunk = this.sentBytes % chunkBytes;
      this.send(Math.min(this.pendingBytes, chunkBytes - inChunk), true);
    }
    await this.settled();
    this.throwFailure();
    this.parts.memory.leave(this);
    return { blob: this.fresh.blob, length: this.sentBytes, layout: this.fresh.layout };
  }

  async abandon(): Promise<void> {
    this.ended = true;
    this.failure ??= new CoreError('CANCELLED', 'the blob was given up');
    this.parts.memory.leave(this);
    this.parts.memory.giveBack(this.pendingBytes);
    this.pending = [];
    this.pendingBytes = 0;
    // A chunk that is written after the blob was discarded would outlive it.
    await this.settled();
    await this.fresh.discard();
  }

  /** Memory is short: sends what is there, in whole checksum units. */
  relieve(): void {
    if (this.failure !== undefined || this.ended) return;
    const unit = limits.checksumUnitBytes;
    const { chunkBytes } = this.fresh.layout;
    const rest = chunkBytes - (this.sentBytes % chunkBytes);
    const whole = Math.min(rest, Math.floor(this.pendingBytes / unit) * unit);
    if (whole > 0) this.send(whole, whole === rest);
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  private sendFull(): void {
    const { chunkBytes } = this.fresh.layout;
    for (;;) {
      const rest = chunkBytes - (this.sentBytes % chunkBytes);
      const piece = Math.min(rest, this.parts.memory.pieceBytes(chunkBytes));
      if (this.pendingBytes < piece) return;
      this.send(piece, piece === rest);
    }
  }

  private send(bytes: number, completes: boolean): void {
    const { chunkBytes } = this.fresh.layout;
    const offset = this.sentBytes % chunkBytes;
    const index = Math.floor(this.sentBytes / chunkBytes);
    const piece = { parts: this.takePending(bytes), bytes, index, offset, completes };
    this.sentBytes += bytes;
    this.onTheWayBytes += bytes;
    const before = offset === 0 ? undefined : this.previousPiece;
    const stored = this.store(piece, before)
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => {
        this.onTheWayBytes -= bytes;
        this.onTheWay.delete(stored);
        this.parts.memory.giveBack(bytes);
      });
    this.previousPiece = stored;
    this.onTheWay.add(stored);
  }

  private async store(piece: Piece, before: Promise<void> | undefined): Promise<void> {
    if (before !== undefined) await before;
    if (this.failure !== undefined) return;
    const crc32c = crc32cParts(piece.parts);
    const { blob, layout, channels } = this.fresh;
    const chunk = { blob, index: piece.index };
    // An attempt of unknown outcome may have made the chunk.
    let fresh = piece.offset === 0;
    await channels.use((tag) =>
      withRetry(
        this.parts.clock,
        () => {
          const { rpc, target, chainVersion } = this.parts.routing.forWrite(layout, chunk);
          const { index, offset } = piece;
          const request = {
            target,
            chainVersion,
            blob,
            index,
            offset,
            crc32c,
            ...tag,
            fresh,
            ...(piece.completes ? {} : { expectedBytes: layout.chunkBytes }),
          };
          fresh = false;
          return rpc.call(writeChunk, request, { payload: piece.parts });
        },
        () => this.failure !== undefined,
      ),
    );
  }

  /** Views of the first `bytes` that are pending. */
  private takePending(bytes: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let rest = bytes;
    let at = 0;
    while (rest > 0) {
      const part = this.pending[at] as Uint8Array;
      if (part.length > rest) {
        taken.push(part.subarray(0, rest));
        this.pending[at] = part.subarray(rest);
        break;
      }
      taken.push(part);
      rest -= part.length;
      at++;
    }
    this.pending.splice(0, at);
    this.pendingBytes -= bytes;
    return taken;
  }

  private async settled(): Promise<void> {
    while (this.onTheWay.size > 0)
      // oxlint-disable-next-line no-await-in-loop -- pieces may follow each other
      await Promise.all(this.onTheWay);
  }
}
