// fsck of blobs: who refers to them, and their chunks. A merge of three sorted walks: a window of blob rows, the
// references to them, the chunks of the store. A blob's chunks are there before its row, and go only while the
// blob is queued as garbage, which is never taken back; so a chunk that is missing between two looks at a row
// that stays is missing.

import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { BlobId } from '../../base/ids.ts';
import * as k from '../keys.ts';
import type { MetaEntry } from '../meta-store.ts';
import { BlobRow, decodeRow } from '../rows.ts';
import { BlobChunks, isKept } from './blob-chunks.ts';
import type { BlobWindow } from './blob-chunks.ts';
import { deferReference } from './deferred.ts';
import type { Deferred } from './deferred.ts';
import type { Found, Subject } from './finding.ts';
import { holds, rowAgain } from './walk.ts';
import type { Check, RowCheck, Walk } from './walk.ts';

const lastBlob = id<BlobId>(Number.MAX_SAFE_INTEGER);

export async function checkBlobs(walk: Walk, deferred: Deferred): Promise<void> {
  const chunks = walk.chunks === undefined ? undefined : new BlobChunks(walk, walk.chunks);
  walk.report.count('blobs', 0);
  let next = id<BlobId>(0);
  const check = async (rows: readonly MetaEntry[], last: BlobId): Promise<void> => {
    const window = await readWindow(walk, rows);
    await checkReferences(walk, deferred, window, next, last);
    await chunks?.compare(window, last);
  };
  for await (const rows of walk.pages(k.spaceRange(k.space.blob), { key: k.decodeNumber })) {
    walk.report.count('blobs', rows.length);
    const last = id<BlobId>(k.decodeNumber((rows.at(-1) as MetaEntry)[0]));
    await check(rows, last);
    next = id<BlobId>(last + 1);
  }
  await check([], lastBlob);
}

/** More chunks than any door writes: the row cannot be right. */
const blobChunksMax = 2 ** 24;

async function readWindow(walk: Walk, rows: readonly MetaEntry[]): Promise<BlobWindow> {
  const window = new Map<number, BlobRow | undefined>();
  for (const [key] of rows) window.set(k.decodeNumber(key), undefined);
  const found = await walk.judge(rows, async (_reader, [key, value]) => {
    const row = decodeRow(BlobRow, value);
    if (!(row.length / row.layout.chunkBytes <= blobChunksMax))
      throw new CoreError('CORRUPT', `a blob of ${row.length} bytes`);
    window.set(k.decodeNumber(key), row);
    return [];
  });
  await walk.add(found.flat());
  return window;
}

// --- references ------------------------------------------------------------------------------------------

async function checkReferences(
  walk: Walk,
  deferred: Deferred,
  window: BlobWindow,
  first: BlobId,
  last: BlobId,
): Promise<void> {
  const { from } = k.referencesRange({ kind: 'blob', blob: first });
  const { to } = k.referencesRange({ kind: 'blob', blob: last });
  const referred = new Set<number>();
  for await (const page of walk.pages({ from, to }, { key: k.decodeReferenceKey })) {
    walk.report.count('references', page.length);
    const found = await walk.judge(page, checkOwner);
    for (const [at, [key]] of page.entries()) {
      const blob = blobOf(key);
      referred.add(blob);
      const subject: Subject = { kind: 'blob', blob };
      // oxlint-disable-next-line no-await-in-loop -- rare
      if (!window.has(blob)) await walk.confirm(subject, dangling(key, blob));
      deferReference(deferred, key, subject);
      if ((found[at] as readonly Found[]).length > 0) deferOwner(deferred, key, subject);
    }
  }
  for (const number of window.keys()) {
    const blob = id<BlobId>(number);
    // oxlint-disable-next-line no-await-in-loop
    if (!referred.has(number)) await walk.confirm({ kind: 'blob', blob }, withoutOwner(blob));
  }
}

function blobOf(key: Uint8Array): BlobId {
  const { referent } = k.decodeReferenceKey(key);
  // The range holds references to blobs only.
  return referent.kind === 'blob' ? referent.blob : id<BlobId>(0);
}

/** Whether who refers to a blob is there; but for uploads, which `deferReference` looks for. */
const checkOwner: RowCheck = async (reader, [key]) => {
  const { referrer } = k.decodeReferenceKey(key);
  const subject: Subject = { kind: 'blob', blob: blobOf(key) };
  const missing = (detail: string): Found[] => [
    { kind: 'reference-without-owner', subject, detail },
  ];
  switch (referrer.kind) {
    case 'content': {
      const { content } = referrer;
      const keys = [k.extentPageKey(content, 0), k.garbageKey({ kind: 'content', content })];
      const rows = await reader.getMany(keys);
      if (rows.some((row) => row !== undefined)) return [];
      if (await holds(reader, k.contentRange(content))) return [];
      return missing(`content ${content}, which refers to it, is gone`);
    }
    case 'inode': {
      const row = await reader.get(k.inodeKey(referrer.inode));
      return row === undefined ? missing(`inode ${referrer.inode} is gone`) : [];
    }
    case 'upload':
    case 'pin':
      return [];
    case 'none':
      return missing('nobody can refer to it so');
  }
};

function deferOwner(deferred: Deferred, key: Uint8Array, subject: Subject): void {
  const { referrer } = k.decodeReferenceKey(key);
  const check = rowAgain(key, checkOwner);
  if (referrer.kind !== 'content') deferred.add({ subject, check });
  // A Complete refers to blobs before it writes the page that names them.
  else if (!deferred.open.completes(referrer.content))
    deferred.add({ subject, content: referrer.content, check });
}

function dangling(key: Uint8Array, blob: BlobId): Check {
  return async (reader) => {
    const [reference, row] = await reader.getMany([key, k.blobKey(blob)]);
    if (reference === undefined || row !== undefined) return [];
    const subject: Subject = { kind: 'blob', blob };
    return [{ kind: 'reference-dangling', subject, detail: `blob ${blob} is missing` }];
  };
}

function withoutOwner(blob: BlobId): Check {
  return async (reader) => {
    if (!(await isKept(reader, blob))) return [];
    if (await holds(reader, k.referencesRange({ kind: 'blob', blob }))) return [];
    const subject: Subject = { kind: 'blob', blob };
    return [{ kind: 'blob-without-owner', subject, detail: 'nothing refers to it' }];
  };
}
