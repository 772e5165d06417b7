// Reads the pages of contents in order and adds them up: extents without gaps, each on a blob that is there, is
// long enough and is held by the content; parts without gaps. Any number of pages, one page of rows at a time.

import { id } from '../../base/ids.ts';
import type { BlobId, ContentId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mapParallel } from '../../base/parallel.ts';
import * as k from '../keys.ts';
import type { Extent, Layout } from '../messages.ts';
import type { KeyRange, MetaEntry, MetaReader } from '../meta-store.ts';
import { sameLayout } from '../namespace/content.ts';
import { BlobRow, ExtentPage, PartPage, decodeRow } from '../rows.ts';
import { FoundList } from './finding.ts';
import type { Found } from './finding.ts';
import { readable } from './walk.ts';
import type { Walk } from './walk.ts';

/** A content as its pages tell. */
export interface ContentSum {
  readonly content: ContentId;
  readonly bytes: number;
  readonly parts: number;
  readonly found: readonly Found[];
}

/** Sums of every content of a range, in order. */
export async function* contentSums(walk: Walk, range: KeyRange): AsyncGenerator<ContentSum> {
  let sum: Summing | undefined;
  for await (const page of walk.pages(range, contentPages)) {
    const blobs = await mapParallel(page, pagesParallel, (row) => checkBlobs(walk.store, row));
    for (const [at, row] of page.entries()) {
      const { content } = k.decodeContentKey(row[0]);
      if (sum?.content !== content) {
        if (sum !== undefined) yield sum.result();
        sum = new Summing(content);
      }
      sum.add(row, blobs[at] as readonly Found[]);
    }
  }
  if (sum !== undefined) yield sum.result();
}

const contentPages = { rows: limits.fsckContentRowsMax, key: k.decodeContentKey } as const;
const pagesParallel = 8;

class Summing {
  readonly content: ContentId;
  private readonly found: FoundList;
  private bytes = 0;
  private partBytes = 0;
  private parts = 0;
  private lastPart = 0;

  constructor(content: ContentId) {
    this.content = content;
    this.found = new FoundList({ kind: 'content', content });
  }

  add([key, value]: MetaEntry, blobs: readonly Found[]): void {
    const { kind, start } = k.decodeContentKey(key);
    this.found.list.push(...blobs);
    // An unreadable page was reported with its blobs; what follows it cannot be placed.
    if (blobs.some((found) => found.kind === 'row-unreadable')) return;
    if (kind === 'extents') this.addExtents(start, decodeRow(ExtentPage, value));
    else this.addParts(start, decodeRow(PartPage, value));
  }

  private addExtents(start: number, { map }: ExtentPage): void {
    const detail = `bytes ${this.bytes} to ${start} have no page`;
    this.found.unless(start === this.bytes, 'content-incomplete', detail);
    this.bytes = map.extents.reduce((end, { length }) => end + length, start);
  }

  private addParts(start: number, { parts }: PartPage): void {
    const named = parts[0]?.partNumber === start;
    this.found.unless(named, 'parts-differ', `a page from part ${start} on begins with another`);
    for (const { partNumber, firstByte, sizeBytes } of parts) {
      const follows = partNumber > this.lastPart && firstByte === this.partBytes;
      this.found.unless(
        follows,
        'parts-differ',
        `part ${partNumber} does not follow the one before`,
      );
      this.lastPart = partNumber;
      this.partBytes = firstByte + sizeBytes;
    }
    this.parts += parts.length;
  }

  result(): ContentSum {
    const { content, bytes, parts, partBytes, found } = this;
    // While a Complete writes, extents are there before their parts are.
    const fits = parts === 0 || partBytes === bytes;
    found.unless(fits, 'parts-differ', `parts of ${partBytes} bytes, extents of ${bytes}`);
    return { content, bytes, parts, found: found.list };
  }
}

// --- extents against blobs ---------------------------------------------------------------------------------

function checkBlobs(reader: MetaReader, [key, value]: MetaEntry): Promise<readonly Found[]> {
  return readable({ kind: 'row', key }, async () => {
    const { content, kind } = k.decodeContentKey(key);
    if (kind === 'parts') {
      decodeRow(PartPage, value);
      return [];
    }
    const { extents, layouts } = decodeRow(ExtentPage, value).map;
    const found = new FoundList({ kind: 'content', content });
    checkInline(extents, found);
    const stored = extents.filter(({ inline }) => inline === undefined);
    for (let at = 0; at < stored.length; at += blobsPerRead)
      // oxlint-disable-next-line no-await-in-loop -- bounded reads
      await checkStored(reader, content, stored.slice(at, at + blobsPerRead), layouts, found);
    return found.list;
  });
}

const blobsPerRead = 256;

function checkInline(extents: readonly Extent[], found: FoundList): void {
  for (const { inline, length } of extents)
    if (inline !== undefined && inline.length !== length)
      found.add('content-incomplete', `${inline.length} of ${length} bytes in a page`);
}

async function checkStored(
  reader: MetaReader,
  content: ContentId,
  extents: readonly Extent[],
  layouts: readonly Layout[],
  found: FoundList,
): Promise<void> {
  const blobs = [...new Set(extents.map(({ blob }) => id<BlobId>(blob)))];
  const referrer = { kind: 'content', content } as const;
  const references = blobs.map((blob) => k.referenceKey({ kind: 'blob', blob }, referrer));
  const rows = await reader.getMany([...blobs.map(k.blobKey), ...references]);
  const known = new Map<number, BlobRow>();
  for (const [at, blob] of blobs.entries()) {
    const row = rows[at];
    if (row === undefined) found.add('blob-missing', `blob ${blob} is missing`);
    else known.set(blob, decodeRow(BlobRow, row));
    const held = rows[blobs.length + at] !== undefined;
    found.unless(held, 'reference-missing', `it does not hold blob ${blob}`);
  }
  for (const extent of extents) compareExtent(extent, known.get(extent.blob), layouts, found);
}

function compareExtent(
  { blob, offset, length, layout: index }: Extent,
  row: BlobRow | undefined,
  layouts: readonly Layout[],
  found: FoundList,
): void {
  if (row === undefined) return;
  const end = offset + length;
  const detail = `it needs ${end} bytes of blob ${blob}, which has ${row.length}`;
  found.unless(end <= row.length, 'content-incomplete', detail);
  const layout = layouts[index];
  const same = layout !== undefined && sameLayout(layout, row.layout);
  found.unless(same, 'content-incomplete', `it places blob ${blob} otherwise than the blob itself`);
}
