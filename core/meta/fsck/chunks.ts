// fsck between metadata and a chunk store: every blob has its chunks at full length, and every chunk belongs to
// a blob, or to a range of ids that a session was granted.

import { id } from '../../base/ids.ts';
import type { BlobId, ChunkId } from '../../base/ids.ts';
import { mapParallel } from '../../base/parallel.ts';
import * as k from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import { grantedRanges, isGranted } from '../namespace/grants.ts';
import { pagesOf } from '../namespace/pages.ts';
import { BlobRow, decodeRow } from '../rows.ts';
import type { Finding } from './finding.ts';
import type { CheckedChunks, Suspicion } from './fsck.ts';

const blobsParallel = 16;
const chunksPerScan = 1000;

export async function chunkSuspicions(
  reader: MetaReader,
  local: CheckedChunks,
  counts: Record<string, number>,
): Promise<Suspicion[]> {
  const suspicions: Suspicion[] = [];
  for await (const rows of pagesOf(reader, k.spaceRange(k.space.blob))) {
    const blobs = rows.map(([key]) => id<BlobId>(k.decodeNumber(key)));
    const found = await mapParallel(blobs, blobsParallel, (blob) => checkBlob(reader, local, blob));
    for (const [at, blob] of blobs.entries()) {
      if ((found[at] as Finding[]).length > 0) {
        suspicions.push((context) => checkBlob(context.reader, local, blob));
      }
    }
  }
  counts['chunk'] = 0;
  for (let after: ChunkId | undefined, more = true; more;) {
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const page = await local.chunks.scan(local.target, after, chunksPerScan);
    counts['chunk'] += page.length;
    // oxlint-disable-next-line no-await-in-loop
    const unknown = await unknownOf(
      reader,
      page.map(({ chunk }) => chunk),
    );
    suspicions.push(...unknown.map((chunk) => again(local, chunk)));
    after = page.at(-1)?.chunk;
    more = page.length === chunksPerScan;
  }
  return suspicions;
}

/** The chunks of a blob: there, and as long as its length says. */
async function checkBlob(
  reader: MetaReader,
  local: CheckedChunks,
  blob: BlobId,
): Promise<Finding[]> {
  const [row, dead] = await reader.getMany([k.blobKey(blob), k.garbageKey({ kind: 'blob', blob })]);
  // What the janitor is removing has lost some chunks already.
  if (row === undefined || dead !== undefined) return [];
  const { length, layout } = decodeRow(BlobRow, row);
  const findings: Finding[] = [];
  for (let index = 0; index * layout.chunkBytes < length; index++) {
    // oxlint-disable-next-line no-await-in-loop -- a blob's chunks one after another
    const state = await local.chunks.stat(local.target, { blob, index });
    const expected = Math.min(layout.chunkBytes, length - index * layout.chunkBytes);
    const subject = `chunk ${blob}/${index}`;
    if (state === undefined) {
      findings.push({ kind: 'chunk-missing', subject, detail: `${expected} bytes are missing` });
    } else if (state.length < expected) {
      findings.push({
        kind: 'chunk-short',
        subject,
        detail: `${state.length} of ${expected} bytes`,
      });
    }
  }
  return findings;
}

/** Chunks without a blob row that nobody may still name: of no granted range, not queued. */
async function unknownOf(reader: MetaReader, chunks: readonly ChunkId[]): Promise<ChunkId[]> {
  const rows = await reader.getMany(chunks.map(({ blob }) => k.blobKey(blob)));
  const unnamed = chunks.filter((_, at) => rows[at] === undefined);
  if (unnamed.length === 0) return [];
  const granted = await grantedRanges(reader);
  const queued = await reader.getMany(
    unnamed.flatMap(({ blob }) => [
      k.garbageKey({ kind: 'blob', blob }),
      k.garbageKey({
        kind: 'reference',
        referent: { kind: 'blob', blob },
        referrer: { kind: 'none' },
      }),
    ]),
  );
  return unnamed.filter(({ blob }, at) => {
    if (queued[at * 2] !== undefined || queued[at * 2 + 1] !== undefined) return false;
    return !isGranted(granted, blob);
  });
}

function again(local: CheckedChunks, chunk: ChunkId): Suspicion {
  return async ({ reader }) => {
    if ((await local.chunks.stat(local.target, chunk)) === undefined) return [];
    if ((await unknownOf(reader, [chunk])).length === 0) return [];
    const subject = `chunk ${chunk.blob}/${chunk.index}`;
    return [{ kind: 'chunk-unknown', subject, detail: 'no blob row, no granted range' }];
  };
}
