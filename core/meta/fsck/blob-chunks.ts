// fsck between blob rows and a chunk store. Walks the store's chunks beside the windows of blobs, in one order:
// each blob has all its chunks at full length, each chunk belongs to a blob, or to a range of ids that a session
// was granted.

import { isCoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { BlobId, ChunkId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mapParallel } from '../../base/parallel.ts';
import * as k from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import type { InventoryEntry } from '../chunk-inventory.ts';
import { BlobRow, SessionGrantRow, decodeRow } from '../rows.ts';
import { FoundList } from './finding.ts';
import type { Found, Subject } from './finding.ts';
import { SortedNumbers } from './sorted-numbers.ts';
import type { CheckedChunks, Walk } from './walk.ts';

/** Blobs by number; undefined for a row that does not decode. */
export type BlobWindow = ReadonlyMap<number, BlobRow | undefined>;

type Chunk = InventoryEntry;

/** Chunks of a blob, as they were met in order. */
interface Seen {
  /** Chunks that are there at full length. */
  whole: number;
  /** One was short, or beyond the blob's length. */
  odd: boolean;
}

export class BlobChunks {
  private readonly walk: Walk;
  private readonly chunks: CheckedChunks;
  private page: readonly Chunk[] = [];
  private at = 0;
  private ended = false;

  constructor(walk: Walk, chunks: CheckedChunks) {
    this.walk = walk;
    this.chunks = chunks;
    walk.report.count('chunks', 0);
  }

  /** Compares the window with the chunks up to those of blob `last`. Windows come in order. */
  async compare(window: BlobWindow, last: BlobId): Promise<void> {
    const seen = new Map<number, Seen>();
    const unknown = new Set<BlobId>();
    for await (const chunk of this.upTo(last)) {
      const { blob } = chunk.chunk;
      const row = window.get(blob);
      if (row !== undefined) meet(seen, row, chunk);
      else if (!window.has(blob)) unknown.add(blob);
      if (unknown.size < limits.scanRowsMax) continue;
      await this.confirmUnknown([...unknown]);
      unknown.clear();
    }
    for (const [number, row] of window) {
      const met = seen.get(number);
      const sound = row === undefined || (met?.whole ?? 0) === chunksOf(row);
      // oxlint-disable-next-line no-await-in-loop -- rare
      if (!sound || met?.odd === true) await this.confirmBlob(id<BlobId>(number));
    }
    await this.confirmUnknown([...unknown]);
  }

  private async *upTo(last: BlobId): AsyncGenerator<Chunk> {
    for (;;) {
      const next = this.page[this.at];
      if (next === undefined) {
        // oxlint-disable-next-line no-await-in-loop -- page after page
        if (!(await this.nextPage())) return;
      } else if (next.chunk.blob > last) return;
      else {
        this.at++;
        yield next;
      }
    }
  }

  private async nextPage(): Promise<boolean> {
    if (this.ended) return false;
    this.page = await this.scan(this.page.at(-1)?.chunk, limits.scanRowsMax);
    this.at = 0;
    this.ended = this.page.length < limits.scanRowsMax;
    this.walk.report.count('chunks', this.page.length);
    return this.page.length > 0;
  }

  /** Ends at a damaged row of the index; the blobs that follow are then looked at chunk by chunk. */
  private async scan(after: ChunkId | undefined, limit: number): Promise<readonly Chunk[]> {
    try {
      return await this.chunks.scan(after, limit);
    } catch (error) {
      if (!isCoreError(error, 'CORRUPT')) throw error;
      const text = after === undefined ? 'all chunks' : `chunks after ${after.blob}/${after.index}`;
      const subject: Subject = { kind: 'text', text };
      await this.walk.add([{ kind: 'rows-unchecked', subject, detail: error.message }]);
      return [];
    }
  }

  // --- confirmation ----------------------------------------------------------------------------------

  private async confirmBlob(blob: BlobId): Promise<void> {
    const value = await this.walk.store.get(k.blobKey(blob));
    if (value === undefined) return;
    const found = await this.look(blob, decodeRow(BlobRow, value));
    if (found.length === 0) return;
    const subject: Subject = { kind: 'blob', blob };
    await this.walk.confirm(subject, async (reader) => ((await isKept(reader, blob)) ? found : []));
  }

  private async look(blob: BlobId, row: BlobRow): Promise<readonly Found[]> {
    const count = chunksOf(row);
    const found = new FoundList({ kind: 'blob', blob });
    const indexes = Array.from({ length: count }, (_, index) => index);
    const lengths = await mapParallel(indexes, limits.fsckParallel, (index) =>
      this.lengthOf({ blob, index }),
    );
    const missing = indexes.filter((index) => lengths[index] === undefined);
    const damaged = indexes.filter((index) => lengths[index] === 'damaged');
    const short = indexes.filter((index) => Number(lengths[index]) < lengthOf(row, index));
    const some = (list: readonly number[]): string =>
      `${list.length} of ${count} chunks of blob ${blob}, the first ${blob}/${list[0]}`;
    found.unless(missing.length === 0, 'chunk-missing', `${some(missing)}, are missing`);
    found.unless(
      damaged.length === 0,
      'chunk-missing',
      `${some(damaged)}, have damaged index rows`,
    );
    found.unless(short.length === 0, 'chunk-short', `${some(short)}, are too short`);
    const beyond = await this.nextOf({ blob, index: count - 1 });
    const detail = `chunk ${beyond?.index}, of ${count}`;
    found.unless(beyond === undefined, 'chunk-beyond-blob', detail);
    return found.list;
  }

  private async lengthOf(chunk: ChunkId): Promise<number | 'damaged' | undefined> {
    try {
      return (await this.chunks.stat(chunk))?.length;
    } catch (error) {
      if (isCoreError(error, 'CORRUPT')) return 'damaged';
      throw error;
    }
  }

  /** Blobs that have chunks and had no row. Sessions are read after the rows: what was named meanwhile was
   *  granted before. */
  private async confirmUnknown(blobs: readonly BlobId[]): Promise<void> {
    if (blobs.length === 0) return;
    const grants = await Grants.load(this.walk);
    const strange = blobs.filter((blob) => !grants.has(blob));
    this.walk.report.count('blobs not named yet', blobs.length - strange.length);
    for (const blob of strange) {
      // oxlint-disable-next-line no-await-in-loop -- rare
      if ((await this.nextOf({ blob, index: -1 })) === undefined) continue;
      const subject: Subject = { kind: 'text', text: `chunks of blob ${blob}` };
      // oxlint-disable-next-line no-await-in-loop
      await this.walk.confirm(subject, async (reader) => {
        if (await isKnown(reader, blob)) return [];
        return [{ kind: 'chunk-unknown', subject, detail: 'no metadata names the blob' }];
      });
    }
  }

  /** The next chunk of the blob behind an index; -1 stands before the first. */
  private async nextOf({ blob, index }: ChunkId): Promise<ChunkId | undefined> {
    const before = { blob: id<BlobId>(Math.max(0, blob - 1)), index: 0xffffffff };
    const [next] = await this.scan(index < 0 ? before : { blob, index }, 1);
    return next?.chunk.blob === blob ? next.chunk : undefined;
  }
}

function meet(seen: Map<number, Seen>, row: BlobRow, { chunk, state }: Chunk): void {
  const met = seen.get(chunk.blob) ?? { whole: 0, odd: false };
  seen.set(chunk.blob, met);
  const { index } = chunk;
  if (index >= chunksOf(row) || state.length < lengthOf(row, index)) met.odd = true;
  else met.whole++;
}

function chunksOf({ length, layout }: BlobRow): number {
  return Math.ceil(length / layout.chunkBytes);
}

/** Bytes that a chunk of the blob has at least. */
function lengthOf({ length, layout }: BlobRow, index: number): number {
  return Math.min(layout.chunkBytes, length - index * layout.chunkBytes);
}

/** True while the blob has a row and is not queued as garbage. */
export async function isKept(reader: MetaReader, blob: BlobId): Promise<boolean> {
  const keys = [k.blobKey(blob), k.garbageKey({ kind: 'blob', blob })];
  const [row, dead] = await reader.getMany(keys);
  return row !== undefined && dead === undefined;
}

/** A row, or a queue of the janitor, knows the blob. */
async function isKnown(reader: MetaReader, blob: BlobId): Promise<boolean> {
  const none = { kind: 'reference', referent: { kind: 'blob', blob }, referrer: { kind: 'none' } };
  const rows = await reader.getMany([
    k.blobKey(blob),
    k.garbageKey({ kind: 'blob', blob }),
    k.garbageKey(none as k.Garbage),
  ]);
  return rows.some((row) => row !== undefined);
}

/** 0 for a damaged row, which its own check reports. */
function countOf(grant: Uint8Array): number {
  try {
    return decodeRow(SessionGrantRow, grant).count;
  } catch (error) {
    if (isCoreError(error)) return 0;
    throw error;
  }
}

/** Granted ranges of blob ids: of live sessions, which may still name a blob, and of ended ones whose leftovers
 *  the janitor has not been through yet. */
class Grants {
  private readonly firsts: SortedNumbers;
  private readonly counts: ReadonlyMap<number, number>;

  private constructor(counts: ReadonlyMap<number, number>) {
    this.counts = counts;
    this.firsts = new SortedNumbers([...counts.keys()]);
  }

  static async load(walk: Walk): Promise<Grants> {
    const counts = new Map<number, number>();
    for await (const page of walk.pages(k.sessionsRange('grant'), { key: k.decodeSessionKey }))
      for (const [key, value] of page)
        counts.set(k.decodeSessionKey(key).firstBlob, countOf(value));
    return new Grants(counts);
  }

  has(blob: BlobId): boolean {
    const first = this.firsts.floor(blob);
    return first !== undefined && blob < first + (this.counts.get(first) ?? 0);
  }
}
