// Suspicions about things that belong to an upload. Uploads are found by bucket and key, not by the number that
// parts and references state, so their numbers are gathered by a walk, and again when suspicions are judged.
//
// Why that proves a finding: an upload that is open all the time is seen by the second walk. One that is not
// seen had ended, or was made later. Ending queues what it leaves as garbage, in the same transaction, until
// all of it is gone; so what is still there afterwards, in a transaction that finds nothing queued, is nobody's.

import { isCoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { decodeReferenceKey, garbageKey, uploadsRange } from '../keys.ts';
import type { KeyRange } from '../meta-store.ts';
import { UploadRow, decodeRow } from '../rows.ts';
import type { Subject } from './finding.ts';
import { SortedNumbers } from './sorted-numbers.ts';
import type { Check, Walk } from './walk.ts';

/** Numbers of open uploads, and the contents that are being completed. */
export class OpenUploads {
  private readonly numbers: SortedNumbers;
  private readonly contents: SortedNumbers;
  /** There are more uploads than are held. */
  readonly truncated: boolean;

  private constructor(numbers: number[], contents: number[], truncated: boolean) {
    this.numbers = new SortedNumbers(numbers);
    this.contents = new SortedNumbers(contents);
    this.truncated = truncated;
  }

  static async load(walk: Walk): Promise<OpenUploads> {
    const numbers: number[] = [];
    const contents: number[] = [];
    let truncated = false;
    for await (const page of walk.pages(openUploadsRange)) {
      for (const [, value] of page) {
        const row = readableUpload(value);
        truncated ||= numbers.length >= limits.fsckUploadsMax;
        if (row === undefined || truncated) continue;
        numbers.push(row.number);
        if (row.content !== undefined) contents.push(row.content);
      }
    }
    return new OpenUploads(numbers, contents, truncated);
  }

  has(upload: number): boolean {
    return this.numbers.has(upload);
  }

  completes(content: number): boolean {
    return this.contents.has(content);
  }
}

/** Open uploads of every bucket. */
const openUploadsRange: KeyRange = {
  from: uploadsRange('open', id<InodeId>(0)).from,
  to: uploadsRange('open', id<InodeId>(Number.MAX_SAFE_INTEGER)).to,
};

/** undefined for a damaged row, which its own check reports. */
function readableUpload(value: Uint8Array): UploadRow | undefined {
  try {
    return decodeRow(UploadRow, value);
  } catch (error) {
    if (isCoreError(error)) return undefined;
    throw error;
  }
}

interface Suspicion {
  readonly subject: Subject;
  /** What would explain it. */
  readonly upload?: number;
  readonly content?: number;
  readonly check: Check;
}

export class Deferred {
  private readonly suspicions: Suspicion[] = [];
  private dropped = 0;
  /** As of the first walk. */
  readonly open: OpenUploads;

  constructor(open: OpenUploads) {
    this.open = open;
  }

  add(suspicion: Suspicion): void {
    if (this.suspicions.length < limits.fsckDeferredMax) this.suspicions.push(suspicion);
    else this.dropped++;
  }

  async settle(walk: Walk): Promise<void> {
    if (this.suspicions.length === 0) return;
    const open = await OpenUploads.load(walk);
    for (const { subject, upload, content, check } of this.suspicions) {
      if (upload !== undefined && open.has(upload)) continue;
      if (content !== undefined && open.completes(content)) continue;
      // oxlint-disable-next-line no-await-in-loop -- rare
      if (!open.truncated) await walk.confirm(subject, check);
    }
    const unjudged = this.dropped + (open.truncated ? this.suspicions.length : 0);
    if (unjudged === 0) return;
    const subject = { kind: 'text', text: 'uploads' } as const;
    await walk.add([{ kind: 'undecided', subject, detail: `${unjudged} rows were not judged` }]);
  }
}

/** Defers a reference to `subject` by an upload that is not open. Of one that ended what is left is queued. */
export function deferReference(deferred: Deferred, key: Uint8Array, subject: Subject): void {
  const { referent, referrer } = decodeReferenceKey(key);
  if (referrer.kind !== 'upload' || deferred.open.has(referrer.upload)) return;
  const { upload } = referrer;
  const check: Check = async (reader) => {
    const [row, ends, dropped] = await reader.getMany([
      key,
      garbageKey({ kind: 'upload', upload }),
      garbageKey({ kind: 'reference', referent, referrer }),
    ]);
    if (row === undefined || ends !== undefined || dropped !== undefined) return [];
    const detail = `upload ${upload}, which refers to it, is gone`;
    return [{ kind: 'reference-without-owner', subject, detail }];
  };
  deferred.add({ subject, upload, check });
}
