// Content maps: extents of a content, in pages of at most limits.contentPageBytesMax keyed by their first byte,
// so that any range is found by one seek (docs/internals/metadata.md). Reading clips to the asked-for range.

import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { BlobId, ContentId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import {
  blobKey,
  decodeContentKey,
  extentPageKey,
  extentPagesRange,
  partPageKey,
  partPagesRange,
  referenceKey,
} from '../keys.ts';
import type { ContentMap, Extent, Layout, WrittenBlob } from '../messages.ts';
import type { MetaEntry, MetaReader, MetaTransaction } from '../meta-store.ts';
import { BlobRow, ExtentPage, PartPage, decodeRow, emptyRow, encodeRow } from '../rows.ts';
import type { ContentPart } from '../rows.ts';

/** A run of extents from `firstByte` of the content. */
export interface MapRun {
  readonly firstByte: number;
  readonly map: ContentMap;
}

// --- writing ---------------------------------------------------------------------------------------

/** Puts a new blob and a content of one extent that covers it. */
export function setBlobContent(
  transaction: MetaTransaction,
  content: ContentId,
  blob: WrittenBlob,
  session: number,
): void {
  setBlob(transaction, blob, session);
  const blobId = id<BlobId>(blob.blob);
  const extent: Extent = { length: blob.length, blob: blob.blob, offset: 0, layout: 0 };
  const page = encodeRow(ExtentPage, { map: { extents: [extent], layouts: [blob.layout] } });
  transaction.set(extentPageKey(content, 0), page);
  transaction.set(
    referenceKey({ kind: 'blob', blob: blobId }, { kind: 'content', content }),
    emptyRow,
  );
}

export function setBlob(transaction: MetaTransaction, blob: WrittenBlob, session: number): void {
  const row: BlobRow = { length: blob.length, layout: blob.layout, session };
  transaction.set(blobKey(id<BlobId>(blob.blob)), encodeRow(BlobRow, row));
}

/** One extent that knows its layout itself, on the way into a page. */
export interface PlacedExtent {
  readonly length: number;
  readonly blob: number;
  readonly offset: number;
  readonly layout: Layout | undefined;
  readonly inline?: Uint8Array;
}

/** A page with the blobs that it names, each once: their references go into the same transaction. */
export interface ContentPage {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly blobs: readonly BlobId[];
}

/** Fills pages of extents and of parts; answers each when it is full. */
export class PageWriter {
  private readonly content: ContentId;
  private map: ContentMap = { extents: [], layouts: [] };
  private mapBytes = 0;
  private mapFirst = 0;
  private readonly blobs = new Set<BlobId>();
  private nextByte = 0;
  private parts: ContentPart[] = [];
  private partBytes = 0;

  constructor(content: ContentId) {
    this.content = content;
  }

  extent(extent: PlacedExtent): ContentPage | undefined {
    const bytes = extentFrameBytes + (extent.inline?.length ?? 0);
    const full = this.mapBytes + bytes > limits.contentPageBytesMax || !this.takesBlob(extent);
    const page = full ? this.extentPage() : undefined;
    const { layout, ...rest } = extent;
    const { layouts, extents } = this.map;
    const before = layouts.length;
    extents.push({ ...rest, layout: layoutIndex(layouts, layout) });
    if (extent.inline === undefined) this.blobs.add(id<BlobId>(extent.blob));
    this.mapBytes += bytes + (layouts.length - before) * layoutFrameBytes;
    this.nextByte += extent.length;
    return page;
  }

  private takesBlob({ blob, inline }: PlacedExtent): boolean {
    if (inline !== undefined || this.blobs.size < limits.contentPageBlobsMax) return true;
    return this.blobs.has(id<BlobId>(blob));
  }

  part(part: ContentPart): ContentPage | undefined {
    const bytes = partFrameBytes + part.etag.length + (part.checksum?.value.length ?? 0);
    const full = this.partBytes + bytes > limits.contentPageBytesMax;
    const page = full ? this.partPage() : undefined;
    this.parts.push(part);
    this.partBytes += bytes;
    return page;
  }

  /** What is left. */
  finish(): ContentPage[] {
    return [
      ...(this.map.extents.length > 0 ? [this.extentPage()] : []),
      ...(this.parts.length > 0 ? [this.partPage()] : []),
    ];
  }

  private extentPage(): ContentPage {
    const page = {
      key: extentPageKey(this.content, this.mapFirst),
      value: encodeRow(ExtentPage, { map: this.map }),
      blobs: [...this.blobs],
    };
    this.map = { extents: [], layouts: [] };
    this.mapBytes = 0;
    this.mapFirst = this.nextByte;
    this.blobs.clear();
    return page;
  }

  private partPage(): ContentPage {
    const first = (this.parts[0] as ContentPart).partNumber;
    const key = partPageKey(this.content, first);
    const page = { key, value: encodeRow(PartPage, { parts: this.parts }), blobs: [] };
    this.parts = [];
    this.partBytes = 0;
    return page;
  }
}

/** Largest encodings without their strings: an upper bound is enough to keep pages below the limit. */
const extentFrameBytes = 40;
const layoutFrameBytes = 48;
const partFrameBytes = 80;

export function sameLayout(a: Layout, b: Layout): boolean {
  return (
    a.chunkBytes === b.chunkBytes &&
    a.table === b.table &&
    a.tableVersion === b.tableVersion &&
    a.stripe === b.stripe &&
    a.seed === b.seed
  );
}

// --- reading ---------------------------------------------------------------------------------------

/** The map of [firstByte, firstByte + lengthBytes), clipped to it; shorter when limits.mapExtentsMax or
 *  limits.mapInlineBytesMax end it. `mapBytes` says how many bytes it covers. @throws CORRUPT when a page is missing */
export async function readMap(
  reader: MetaReader,
  content: ContentId,
  firstByte: number,
  lengthBytes: number,
): Promise<{ map: ContentMap; mapBytes: number }> {
  const map: ContentMap = { extents: [], layouts: [] };
  let mapBytes = 0;
  let inlineBytes = 0;
  for await (const { layout, ...extent } of placedExtents(
    reader,
    content,
    firstByte,
    lengthBytes,
  )) {
    if (map.extents.length === limits.mapExtentsMax) break;
    if (inlineBytes > limits.mapInlineBytesMax) break;
    map.extents.push({ ...extent, layout: layoutIndex(map.layouts, layout) });
    mapBytes += extent.length;
    inlineBytes += extent.inline?.length ?? 0;
  }
  return { map, mapBytes };
}

/** Index of a layout in the list, put there when it is new. Inline extents have none. */
function layoutIndex(layouts: Layout[], layout: Layout | undefined): number {
  if (layout === undefined) return 0;
  const known = layouts.findIndex((other) => sameLayout(other, layout));
  return known >= 0 ? known : layouts.push(layout) - 1;
}

/** Pages that hold [firstByte, firstByte + lengthBytes), in order. @throws CORRUPT when one is missing */
export async function* mapRuns(
  reader: MetaReader,
  content: ContentId,
  firstByte: number,
  lengthBytes: number,
): AsyncGenerator<MapRun> {
  const end = firstByte + lengthBytes;
  const only = await onlyPage(reader, content, firstByte, end);
  if (only !== undefined) {
    yield { firstByte: 0, map: only };
    return;
  }
  const { from } = extentPagesRange(content);
  const after = extentPageKey(content, firstByte + 1);
  let [pages, more] = await firstPages(reader, from, after, extentPageKey(content, end));
  for (let next = firstByte; next < end;) {
    const began = next;
    for (const [key, value] of pages) {
      const { start } = decodeContentKey(key);
      if (start > next) break;
      const { map } = decodeRow(ExtentPage, value);
      yield { firstByte: start, map };
      next = start + map.extents.reduce((sum, { length }) => sum + length, 0);
      if (next >= end) return;
    }
    if (!more || next === began) {
      throw new CoreError('CORRUPT', `content ${content} has no map of byte ${next}`);
    }
    const range = { from: extentPageKey(content, next), to: extentPageKey(content, end) };
    // oxlint-disable-next-line no-await-in-loop -- page after page
    pages = await reader.range({ ...range, limit: pagesPerRead });
    more = pages.length === pagesPerRead;
  }
}

const pagesPerRead = 8;

/** A first page up to this size is decoded on the chance that it is the only one. */
const onlyPageBytesMax = 2048;

/** The first page when it reaches up to `end`, as that of most contents does: found by its key, which costs a
 *  fraction of a seek. */
async function onlyPage(
  reader: MetaReader,
  content: ContentId,
  firstByte: number,
  end: number,
): Promise<ContentMap | undefined> {
  const row = await reader.get(extentPageKey(content, 0));
  if (row === undefined || (firstByte > 0 && row.length > onlyPageBytesMax)) return undefined;
  const { map } = decodeRow(ExtentPage, row);
  const bytes = map.extents.reduce((sum, { length }) => sum + length, 0);
  return bytes >= end ? map : undefined;
}

/** The page that holds the byte before `after`, and those from `after` on. */
async function firstPages(
  reader: MetaReader,
  from: Uint8Array,
  after: Uint8Array,
  to: Uint8Array,
): Promise<[pages: MetaEntry[], more: boolean]> {
  const [before, following] = await reader.rangeMany([
    { from, to: after, limit: 1, reverse: true },
    { from: after, to, limit: pagesPerRead },
  ]);
  const pages = [...(before as MetaEntry[]), ...(following as MetaEntry[])];
  return [pages, (following as MetaEntry[]).length === pagesPerRead];
}

/** Extents of [firstByte, firstByte + lengthBytes) in order, clipped to it. @throws CORRUPT when a page is missing */
export async function* placedExtents(
  reader: MetaReader,
  content: ContentId,
  firstByte: number,
  lengthBytes: number,
): AsyncGenerator<PlacedExtent> {
  for await (const run of mapRuns(reader, content, firstByte, lengthBytes)) {
    yield* clipped(run, firstByte, firstByte + lengthBytes);
  }
}

function* clipped(run: MapRun, first: number, end: number): Generator<PlacedExtent> {
  const { extents, layouts } = run.map;
  let start = run.firstByte;
  for (const extent of extents) {
    const skip = Math.max(first - start, 0);
    const length = Math.min(start + extent.length, end) - start - skip;
    start += extent.length;
    if (length <= 0) continue;
    if (extent.inline !== undefined) {
      const inline = extent.inline.subarray(skip, skip + length);
      yield { length, blob: 0, offset: 0, layout: undefined, inline };
      continue;
    }
    const layout = layouts[extent.layout];
    if (layout === undefined) throw new CoreError('CORRUPT', 'an extent names no layout');
    yield { length, blob: extent.blob, offset: extent.offset + skip, layout };
  }
}

// --- parts of a multipart object -----------------------------------------------------------------------

/** The part of that number. */
export async function readPart(
  reader: MetaReader,
  content: ContentId,
  partNumber: number,
): Promise<ContentPart | undefined> {
  const { from } = partPagesRange(content);
  const to = partPageKey(content, partNumber + 1);
  const [page] = await reader.range({ from, to, limit: 1, reverse: true });
  if (page === undefined) return undefined;
  const { parts } = decodeRow(PartPage, page[1]);
  return parts.find((part) => part.partNumber === partNumber);
}

/** Parts with numbers above `after`, at most `limit`. */
export async function readParts(
  reader: MetaReader,
  content: ContentId,
  after: number,
  limit: number,
): Promise<ContentPart[]> {
  const range = partPagesRange(content);
  const boundary = partPageKey(content, after + 1);
  const found: ContentPart[] = [];
  const take = (pages: readonly MetaEntry[]): void => {
    for (const [, value] of pages) {
      found.push(
        ...decodeRow(PartPage, value).parts.filter(({ partNumber }) => partNumber > after),
      );
    }
  };
  take(await reader.range({ from: range.from, to: boundary, limit: 1, reverse: true }));
  // A page holds at least one part, and far more as a rule: `limit` pages are never needed at once.
  for (let from = boundary; found.length < limit;) {
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const pages = await reader.range({ from, to: range.to, limit: pagesPerRead });
    take(pages);
    const last = pages.at(-1);
    if (pages.length < pagesPerRead || last === undefined) break;
    from = partPageKey(content, decodeContentKey(last[0]).start + 1);
  }
  return found.slice(0, limit);
}
