// What the models use of core/client: blobs written and read as streams, the writer session that grants blob
// ids, and the read lease that keeps content from collection while it is read (design 4.7 and 5).

import type { BlobId, SessionId } from '../base/ids.ts';
import type { StorePlaces } from '../store/place.ts';

/** How a blob's chunks lie on chains (design 4.1); byte n of a blob is in chunk floor(n / chunkBytes). */
export interface BlobLayout {
  readonly table: number;
  readonly tableVersion: number;
  readonly chunkBytes: number;
  readonly stripe: number;
  readonly seed: number;
}

/** A blob whose bytes are durable, ready to be named by metadata. */
export interface WrittenBlob {
  readonly blob: BlobId;
  readonly length: number;
  readonly layout: BlobLayout;
}

export interface BlobWriter {
  /** Copies `bytes` and resolves when more may be given: what is in flight is bounded per writer and per process.
   *  One write at a time. @throws what an earlier write met: DISK_FULL, … */
  write(bytes: Uint8Array): Promise<void>;
  /** Waits until every byte is durable. */
  finish(): Promise<WrittenBlob>;
  /** Gives the blob up; never throws: what cannot be said now, the end of the session says. */
  abandon(): Promise<void>;
}

/** A run of bytes of a blob whose content never changes. */
export interface BlobRun {
  readonly blob: BlobId;
  readonly layout: BlobLayout;
  readonly offset: number;
  readonly lengthBytes: number;
  /** Of its first `limits.placesMax` chunks, when they came with the run. */
  readonly places?: StorePlaces;
}

export interface BlobClient {
  /** Whether places that come with a run are of use. */
  readonly readsDirectly: boolean;
  /** A writer of a fresh blob of this process's session. @throws SESSION_ENDED, UNAVAILABLE */
  create(): Promise<BlobWriter>;
  /** The run's bytes in order, verified end to end, with bounded readahead. A piece is valid until the next one is
   *  pulled: its memory is used again. `return` of the iterator stops it.
   *  @throws CORRUPT, CHUNK_NOT_FOUND, UNAVAILABLE in the middle */
  read(run: BlobRun): AsyncIterable<Uint8Array>;
}

export interface WriterSession {
  /** Present session number; every commit names it. @throws UNAVAILABLE while there is none */
  readonly session: SessionId;
  /** Content up to this size travels with the metadata call; 0: always as a blob. */
  readonly payloadBytesMax: number;
}

/** One running read. */
export interface ReadHold {
  /** @throws UNAVAILABLE when the process's lease ended meanwhile: the content may be gone. */
  check(): void;
  release(): void;
}

export interface ReadLease {
  /** Name of this process in lease calls. */
  readonly reader: string;
  /** Holds the epoch at which a read resolved. */
  hold(epoch: number): ReadHold;
}
