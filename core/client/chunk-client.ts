// Chunks as the blob reader and writer see them: somewhere, written exactly once per tag, read with their bytes
// verified. Where they are, and what is tried again, is the business of the implementation: one target behind one
// connection (single-target-chunks.ts), or chains of replicas (chain-chunks.ts).

import type { BlobId, ChunkId } from '../base/ids.ts';
import type { StorePlaces } from '../store/place.ts';
import type { UpdateTag } from '../store/types.ts';
import type { LentBytes } from './direct-reader.ts';
import type { BlobLayout } from './types.ts';

export interface ChunkPiece {
  readonly layout: BlobLayout;
  readonly chunk: ChunkId;
  readonly offset: number;
  readonly parts: readonly Uint8Array[];
  /** Of all parts together. */
  readonly crc32c: number;
  readonly tag: UpdateTag;
  /** No more comes for this chunk. */
  readonly completes: boolean;
}

export interface ChunkRange {
  readonly layout: BlobLayout;
  readonly chunk: ChunkId;
  readonly offset: number;
  readonly length: number;
  readonly signal: AbortSignal;
}

/** A run of a blob whose content never changes. */
export interface PlacedRun {
  readonly blob: BlobId;
  readonly chunkBytes: number;
  /** In the blob. */
  readonly offset: number;
  readonly length: number;
}

export interface ChunkClient {
  /** Resolves when the bytes are durable. Tries again with the same tag while another attempt may help.
   *  @param stopped no further attempt is made once it answers true
   *  @returns whether nobody reads the parts any more: an attempt that failed may still be on its way
   *  @throws CoreError DISK_FULL, CHECKSUM_MISMATCH, …; DEADLINE_EXCEEDED when nobody knows whether it was written */
  write(piece: ChunkPiece, stopped: () => boolean): Promise<boolean>;
  /** Exactly the asked-for bytes. @throws CoreError CHUNK_NOT_FOUND, CORRUPT, UNAVAILABLE, CHECKSUM_MISMATCH */
  read(range: ChunkRange): Promise<LentBytes>;
  /** Where the first chunks of a run lie in files of this machine; absent when that is not told. */
  places?(run: PlacedRun): Promise<StorePlaces>;
}
