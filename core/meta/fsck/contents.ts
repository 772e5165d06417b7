// fsck of contents: their pages, and who refers to them. A merge of two sorted keyspaces: a window of contents,
// then the references to them. A content may have more pages than a transaction reads, so a suspicion is
// confirmed in steps; that is exact because a content never changes: it is written by one Complete before an
// inode names it, and taken apart only while it is queued as garbage, which is never taken back.

import { id } from '../../base/ids.ts';
import type { ContentId } from '../../base/ids.ts';
import * as k from '../keys.ts';
import type { Referrer } from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import { InodeRow, decodeRow } from '../rows.ts';
import { contentSums } from './content-map.ts';
import type { ContentSum } from './content-map.ts';
import { deferReference } from './deferred.ts';
import type { Deferred } from './deferred.ts';
import { FoundList } from './finding.ts';
import type { Found, Subject } from './finding.ts';
import { holds } from './walk.ts';
import type { Check, Walk } from './walk.ts';

const windowContents = 256;
const lastContent = id<ContentId>(Number.MAX_SAFE_INTEGER);

export async function checkContents(walk: Walk, deferred: Deferred): Promise<void> {
  walk.report.count('references', 0);
  let window = new Map<number, ContentSum>();
  let next = id<ContentId>(0);
  for await (const sum of contentSums(walk, k.spaceRange(k.space.content))) {
    walk.report.count('contents', 1);
    if (sum.found.length > 0) await confirmContent(walk, sum.content);
    window.set(sum.content, sum);
    if (window.size < windowContents) continue;
    await checkWindow(walk, deferred, window, next, sum.content);
    next = id<ContentId>(sum.content + 1);
    window = new Map();
  }
  await checkWindow(walk, deferred, window, next, lastContent);
}

/** References to the contents from `first` to `last`, all of which that have pages are in the window. */
async function checkWindow(
  walk: Walk,
  deferred: Deferred,
  window: ReadonlyMap<number, ContentSum>,
  first: ContentId,
  last: ContentId,
): Promise<void> {
  const { from } = k.referencesRange({ kind: 'content', content: first });
  const { to } = k.referencesRange({ kind: 'content', content: last });
  const referred = new Set<number>();
  for await (const page of walk.pages({ from, to }, { key: k.decodeReferenceKey })) {
    walk.report.count('references', page.length);
    const found = await walk.judge(page, (reader, [key]) => {
      const { content } = contentReference(key);
      referred.add(content);
      return checkReference(reader, key, window.get(content));
    });
    for (const [at, [key]] of page.entries()) {
      const { content } = contentReference(key);
      deferReference(deferred, key, { kind: 'content', content });
      // oxlint-disable-next-line no-await-in-loop -- rare
      if ((found[at] as readonly Found[]).length > 0) await confirmReference(walk, key);
    }
  }
  for (const content of window.keys())
    if (!referred.has(content)) deferOrphan(deferred, id<ContentId>(content));
}

function contentReference(key: Uint8Array): { content: ContentId; referrer: Referrer } {
  const { referent, referrer } = k.decodeReferenceKey(key);
  // The range holds references to contents only.
  return { content: referent.kind === 'content' ? referent.content : id<ContentId>(0), referrer };
}

// --- references ------------------------------------------------------------------------------------------

/** Whether who refers is there, and has the content that its pages tell. `sum` undefined: it has no pages. */
async function checkReference(
  reader: MetaReader,
  key: Uint8Array,
  sum: ContentSum | undefined,
): Promise<readonly Found[]> {
  const { content, referrer } = contentReference(key);
  const found = new FoundList({ kind: 'content', content });
  switch (referrer.kind) {
    case 'inode': {
      const row = await reader.get(k.inodeKey(referrer.inode));
      const inode = row === undefined ? undefined : decodeRow(InodeRow, row);
      if (inode?.content === content) compare(inode, content, sum, found);
      else if (await isKept(reader, key)) {
        found.add('reference-without-owner', `inode ${referrer.inode} has it no more`);
      }
      break;
    }
    case 'upload':
      // Whether the upload is there: `deferReference`.
      if (sum === undefined) found.add('content-missing', `upload ${referrer.upload} refers to it`);
      break;
    case 'pin':
      break;
    case 'content':
    case 'none':
      found.add('reference-without-owner', 'nobody can refer to it so');
  }
  return found.list;
}

/** False when the janitor has been told to drop the reference. */
async function isKept(reader: MetaReader, key: Uint8Array): Promise<boolean> {
  const item = k.garbageKey({ kind: 'reference', ...k.decodeReferenceKey(key) });
  return (await reader.get(item)) === undefined;
}

function compare(
  { sizeBytes, partCount }: InodeRow,
  content: ContentId,
  sum: ContentSum | undefined,
  found: FoundList,
): void {
  if (sum === undefined) {
    found.add('content-missing', `content ${content} has no pages`);
    return;
  }
  const { bytes, parts } = sum;
  found.unless(
    bytes === sizeBytes,
    'content-incomplete',
    `pages of ${bytes} of ${sizeBytes} bytes`,
  );
  found.unless(parts === partCount, 'parts-differ', `${parts} of ${partCount} parts`);
}

// --- confirmation ------------------------------------------------------------------------------------------

/** Its pages once more; they count only if it is not being taken apart afterwards. */
async function confirmContent(walk: Walk, content: ContentId): Promise<void> {
  const { found } = (await sumOf(walk, content)) ?? { found: [] };
  if (found.length === 0) return;
  const subject = { kind: 'content', content } as const;
  await walk.confirm(subject, async (reader) => ((await stays(reader, content)) ? found : []));
}

async function sumOf(walk: Walk, content: ContentId): Promise<ContentSum | undefined> {
  for await (const sum of contentSums(walk, k.contentRange(content))) return sum;
  return undefined;
}

/** Not queued to be taken apart, and not gone. */
async function stays(reader: MetaReader, content: ContentId): Promise<boolean> {
  if ((await reader.get(k.garbageKey({ kind: 'content', content }))) !== undefined) return false;
  if (await holds(reader, k.contentRange(content))) return true;
  return holds(reader, k.referencesRange({ kind: 'content', content }));
}

/** First who refers, then the pages: they were all there before somebody referred to them. */
async function confirmReference(walk: Walk, key: Uint8Array): Promise<void> {
  const { content } = contentReference(key);
  if ((await walk.store.get(key)) === undefined) return;
  const subject: Subject = { kind: 'content', content };
  const sum = await sumOf(walk, content);
  await walk.confirm(subject, async (reader) => {
    if ((await reader.get(key)) === undefined || !(await stays(reader, content))) return [];
    return checkReference(reader, key, sum);
  });
}

/** What nothing refers to, unless a Complete is about to. */
function deferOrphan(deferred: Deferred, content: ContentId): void {
  if (deferred.open.completes(content)) return;
  const subject: Subject = { kind: 'content', content };
  const check: Check = async (reader) => {
    const referred = await holds(reader, k.referencesRange({ kind: 'content', content }));
    if (referred || !(await stays(reader, content))) return [];
    return [{ kind: 'content-without-owner', subject, detail: 'nothing refers to it' }];
  };
  deferred.add({ subject, content, check });
}
