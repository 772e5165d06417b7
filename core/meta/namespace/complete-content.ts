// Step 2 of Complete: the pages and references of a content that nothing names yet, in bounded transactions
// each of which checks the claim. What fits goes along with the last transaction instead. A page and its
// references are one transaction: whoever takes the content apart finds the references by the pages.

import { assert } from '../../base/assert.ts';
import { id } from '../../base/ids.ts';
import type { ContentId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import { referenceKey } from '../keys.ts';
import type { MetaReader, MetaStore, MetaTransaction } from '../meta-store.ts';
import { emptyRow } from '../rows.ts';
import { PageWriter, placedExtents } from './content.ts';
import type { ContentPage, PlacedExtent } from './content.ts';
import type { NumberedPart } from './parts.ts';

/** Rows and bytes of pages of one step; with the claim's reads well below the limits of a transaction. */
const stepRowsMax = 80;
const stepBytesMax = 512 * 1024;
assert(limits.contentPageBlobsMax < stepRowsMax, 'a page and its references are one step');

/** Rows that the last transaction takes along: a PUT with all its parents still fits it. */
const lastRowsMax = 12;

/** Pages on their way into bounded transactions. */
export class ContentSteps {
  private readonly store: MetaStore;
  private readonly check: (transaction: MetaTransaction) => Promise<void>;
  private rows: (readonly [key: Uint8Array, value: Uint8Array])[] = [];
  private bytes = 0;

  constructor(store: MetaStore, check: (transaction: MetaTransaction) => Promise<void>) {
    this.store = store;
    this.check = check;
  }

  /** Takes a page and its references, writing what was taken before when they do not fit beside it. */
  async add(content: ContentId, { key, value, blobs }: ContentPage): Promise<void> {
    const referrer = { kind: 'content', content } as const;
    const references = blobs.map((blob) => referenceKey({ kind: 'blob', blob }, referrer));
    const rowsLeft = stepRowsMax - this.rows.length;
    const full = references.length >= rowsLeft || this.bytes + value.length > stepBytesMax;
    if (this.rows.length > 0 && full) await this.flush();
    this.rows.push([key, value]);
    for (const reference of references) this.rows.push([reference, emptyRow]);
    this.bytes += value.length;
  }

  /** Writes what the last transaction has no room for. */
  async finish(): Promise<void> {
    if (this.rows.length > lastRowsMax) await this.flush();
  }

  private async flush(): Promise<void> {
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
  const pages = new PageWriter(content);
  let firstByte = 0;
  // oxlint-disable no-await-in-loop -- part after part, step after step
  for (const { partNumber, row } of parts) {
    for await (const extent of extentsOf(reader, row)) {
      const page = pages.extent(extent);
      if (page !== undefined) await steps.add(content, page);
    }
    const { sizeBytes, etag, modifiedMs, checksum } = row;
    const page = pages.part({ partNumber, firstByte, sizeBytes, etag, modifiedMs, checksum });
    if (page !== undefined) await steps.add(content, page);
    firstByte += sizeBytes;
  }
  for (const page of pages.finish()) await steps.add(content, page);
  // oxlint-enable no-await-in-loop
  await steps.finish();
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
