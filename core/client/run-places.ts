// The places of one run's chunks: stated with the run, or asked for a batch ahead of the reading. A chunk whose place
// is not known, or turned out wrong, is read through its store; so is everything when the question fails.

import { toCoreError } from '../base/errors.ts';
import { type ChunkPlace, type StorePlaces, noPlaces } from '../store/place.ts';
import { limits } from '../base/limits.ts';
import type { ChunkClient } from './chunk-client.ts';
import type { DirectReader, FoundPlace } from './direct-reader.ts';
import type { BlobRun } from './types.ts';

export class RunPlaces {
  private readonly run: BlobRun;
  private readonly chunks: ChunkClient;
  private readonly direct: DirectReader;
  /** Of the chunks below `knownTo`, by index. */
  private found = new Map<number, FoundPlace>();
  private knownTo: number;

  constructor(run: BlobRun, chunks: ChunkClient, direct: DirectReader) {
    this.run = run;
    this.chunks = chunks;
    this.direct = direct;
    this.knownTo = Math.floor(run.offset / run.layout.chunkBytes);
    if (run.places !== undefined) this.take(run.places, direct.link());
  }

  /** False: `load` first. */
  knows(index: number): boolean {
    return index < this.knownTo;
  }

  /** The place of a chunk, when it covers the run's bytes of it. */
  of(index: number): FoundPlace | undefined {
    return this.found.get(index);
  }

  /** It proved wrong: the chunk's other bytes will not be there either. */
  drop({ place }: FoundPlace): void {
    this.found.delete(place.index);
  }

  /** Asks for the places from the first unknown chunk on. Never throws: without an answer there are none. */
  async load(): Promise<void> {
    const { blob, layout, offset, lengthBytes } = this.run;
    const { chunkBytes } = layout;
    const from = Math.max(offset, this.knownTo * chunkBytes);
    this.found.clear();
    try {
      const length = offset + lengthBytes - from;
      const link = this.direct.link();
      const asked = { blob, chunkBytes, offset: from, length };
      this.take((await this.chunks.places?.(asked)) ?? noPlaces, link);
    } catch (error) {
      this.direct.events.emit('debug', 'direct-read.no-places', {
        error: toCoreError(error).message,
      });
      this.take(noPlaces, undefined);
    }
  }

  private take({ directory, places }: StorePlaces, link: number | undefined): void {
    this.knownTo += limits.placesMax;
    if (directory === '') return;
    for (const place of places)
      if (this.covers(place)) this.found.set(place.index, { directory, place, link });
  }

  /** Everything that the run wants of the chunk lies in it. */
  private covers({ index, offset, length }: ChunkPlace): boolean {
    const { chunkBytes } = this.run.layout;
    const start = index * chunkBytes;
    const from = Math.max(this.run.offset - start, 0);
    const to = Math.min(this.run.offset + this.run.lengthBytes - start, chunkBytes);
    return offset <= from && offset + length >= to;
  }
}
