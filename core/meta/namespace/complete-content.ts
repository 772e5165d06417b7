// Step 2 of Complete: the pages and references of a content that nothing names yet, in bounded transactions
// each of which checks the claim. What fits goes along with the last transaction instead.

import { id } from '../../base/ids.ts';
import type { BlobId, ContentId } from '../../base/ids.ts';
import { mark } from '../../base/mark.ts';
import { referenceKey } from '../keys.ts';
import type { MetaReader, MetaStore, MetaTransaction } from '../meta-store.ts';
import { emptyRow } from '../rows.ts';
import { PageWriter, placedExtents } from './content.ts';
import type { PlacedExtent } from './content.ts';
import type { NumberedPart } from './parts.ts';

/** Rows and bytes of one step; with the claim's reads well below the limits of a transaction. */
const stepRowsMax = 80;
const stepBytesMax = 512 * 1024;

/** Rows that the last transaction takes along: a PUT with all its parents still fits it. */
const lastRowsMax = 12;

/** Rows on their way into bounded transactions. */
export class ContentSteps {
  private readonly store: MetaStore;
  private readonly check: (transaction: MetaTransaction) => Promise<void>;
  private rows: (readonly [key: Uint8Array, value: Uint8Array])[] = [];
  private bytes = 0;

  constructor(store: MetaStore, check: (transaction: MetaTransaction) => Promise<void>) {
    this.store = store;
    this.check = check;
  }

  add(key: Uint8Array, value: Uint8Array): void {
    this.rows.push([key, value]);
    this.bytes += key.length + value.length;
  }

  get full(): boolean {
    return this.rows.length >= stepRowsMax || this.bytes >= stepBytesMax;
  }

  get fitsLast(): boolean {
    return this.rows.length <= lastRowsMax;
  }

  async flush(): Promise<void> {
    mark('complete.step');
    await this.store.transact(async (transaction) => {
      await this.check(transaction);
      this.apply(transaction);
    });
    this.rows = [];
    this.bytes = 0;
  }

  /** Puts what is left into a transaction. */
  apply(transaction: MetaTransaction): void {
    for (const [key, value] of this.rows) transaction.set(key, value);
  }
}

export async function writeContent(
  reader: MetaReader,
  steps: ContentSteps,
  content: ContentId,
  parts: readonly NumberedPart[],
): Promise<void> {
  const pages = new PageWriter(content, (key, value) => steps.add(key, value));
  let firstByte = 0;
  let lastBlob = 0;
  for (const { partNumber, row } of parts) {
    // oxlint-disable-next-line no-await-in-loop -- part after part
    for await (const extent of extentsOf(reader, row)) {
      pages.extent(extent);
      if (extent.inline === undefined && extent.blob !== lastBlob) {
        lastBlob = extent.blob;
        steps.add(blobReference(extent.blob, content), emptyRow);
      }
      if (steps.full) await steps.flush();
    }
    const { sizeBytes, etag, modifiedMs, checksum } = row;
    pages.part({ partNumber, firstByte, sizeBytes, etag, modifiedMs, checksum });
    firstByte += sizeBytes;
  }
  pages.finish();
  if (!steps.fitsLast) await steps.flush();
}

function blobReference(blob: number, content: ContentId): Uint8Array {
  return referenceKey({ kind: 'blob', blob: id<BlobId>(blob) }, { kind: 'content', content });
}

async function* extentsOf(
  reader: MetaReader,
  { sizeBytes: length, blob, inline, content, contentFirst }: NumberedPart['row'],
): AsyncGenerator<PlacedExtent> {
  if (length === 0) return;
  if (blob !== undefined) yield { length, blob: blob.blob, offset: 0, layout: blob.layout };
  else if (inline !== undefined) yield { length, blob: 0, offset: 0, layout: undefined, inline };
  else if (content !== undefined) {
    yield* placedExtents(reader, id<ContentId>(content), contentFirst ?? 0, length);
  }
}
