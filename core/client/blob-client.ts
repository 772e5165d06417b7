// Blobs over the chunk calls: what core/client/types.ts promises to the models, put together.

import { BlobReader } from './blob-reader.ts';
import { ChunkedBlobWriter } from './blob-writer.ts';
import type { ChunkClient } from './chunk-client.ts';
import type { DirectReader } from './direct-reader.ts';
import type { BlobClient, BlobRun, BlobWriter } from './types.ts';
import { WriteMemory } from './write-memory.ts';
import type { FreshBlob } from './writer-session.ts';

export interface BlobClientParts {
  readonly chunks: ChunkClient;
  /** @throws CoreError ACCESS_DENIED in a process that may only read */
  readonly takeBlob: () => Promise<FreshBlob>;
  /** Reads what lies on this machine past the store's process. */
  readonly direct?: DirectReader;
}

export class ChunkBlobClient implements BlobClient {
  private readonly parts: BlobClientParts;
  private readonly reader: BlobReader;
  private readonly memory = new WriteMemory();

  constructor(parts: BlobClientParts) {
    this.parts = parts;
    this.reader = new BlobReader(parts.chunks, parts.direct);
  }

  get readsDirectly(): boolean {
    return this.parts.direct?.usable === true;
  }

  async create(): Promise<BlobWriter> {
    const { chunks, takeBlob } = this.parts;
    return new ChunkedBlobWriter({ chunks, memory: this.memory }, await takeBlob());
  }

  read(run: BlobRun): AsyncIterable<Uint8Array> {
    return this.reader.read(run);
  }
}
