// Whether all replicas that serve hold the same: rows side by side, page by page, and on demand every byte. The system
// may run: what differs is looked at again until it has come to rest, or it is a finding.

import { crc32c } from '../base/crc32c.ts';
import { CoreError, toCoreError } from '../base/errors.ts';
import type { ChunkId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { type Chain, type ChainTarget, targetsIn } from '../chain/chain.ts';
import type { ChainChunks, FoundChunk } from '../client/chain-chunks.ts';
import type { RoutingCache } from '../client/routing-cache.ts';
import { compareChunks } from './inventory.ts';

export interface ReplicaFinding {
  readonly chain: Chain['id'];
  readonly chunk: ChunkId;
  readonly detail: string;
}

export interface Comparison {
  readonly chunks: ChainChunks;
  readonly routing: RoutingCache;
  /** Read the content of every replica, too. */
  readonly bytes: boolean;
  readonly cancelled: () => boolean;
  count(what: string, by: number): void;
  found(finding: ReplicaFinding): void | Promise<void>;
}

/** A chunk whose update is on its way settles within some of these. */
const looks = 20;
const lookMs = 100;

/** @throws CoreError UNAVAILABLE when a replica stops serving in the middle, CANCELLED */
export async function compareReplicas(comparison: Comparison): Promise<void> {
  const { routing } = comparison;
  comparison.count('replicas compared', 0);
  for (const { id } of routing.all) {
    const chain = routing.chain(id);
    if (chain === undefined) continue;
    // oxlint-disable-next-line no-await-in-loop -- chain after chain
    await compareChain(comparison, chain);
  }
}

async function compareChain(comparison: Comparison, chain: Chain): Promise<void> {
  const serving = targetsIn(chain, 'SERVING');
  let after: ChunkId | undefined;
  for (;;) {
    if (comparison.cancelled()) throw new CoreError('CANCELLED', 'the check was given up');
    const limit = limits.scanRowsMax;
    const from = after;
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const pages = await Promise.all(
      serving.map((target) => comparison.chunks.scanOf(chain, target, from, limit)),
    );
    const ends = pages.flatMap((page) =>
      page.length < limit ? [] : [page.at(-1)?.chunk as ChunkId],
    );
    const upTo = ends.toSorted(compareChunks)[0];
    const keys = new Map<string, ChunkId>();
    for (const { chunk } of pages.flat())
      if (upTo === undefined || compareChunks(chunk, upTo) <= 0)
        keys.set(`${chunk.blob}/${chunk.index}`, chunk);
    const rows = pages.map(
      (page) => new Map(page.map((row) => [`${row.chunk.blob}/${row.chunk.index}`, row])),
    );
    for (const [key, chunk] of keys) {
      const held = rows.map((page) => page.get(key));
      // oxlint-disable-next-line no-await-in-loop
      await compareChunk(comparison, chain, serving, chunk, held);
    }
    comparison.count('replicas compared', keys.size * serving.length);
    if (upTo === undefined) return;
    after = upTo;
  }
}

async function compareChunk(
  comparison: Comparison,
  chain: Chain,
  serving: readonly ChainTarget[],
  chunk: ChunkId,
  first: readonly (FoundChunk | undefined)[],
): Promise<void> {
  let held = first;
  for (let look = 1; !areEqual(held) && look < looks; look++) {
    // oxlint-disable-next-line no-await-in-loop -- until it rests
    await comparison.routing.changed(lookMs);
    // oxlint-disable-next-line no-await-in-loop
    held = await Promise.all(serving.map((target) => lookAt(comparison, chain, target, chunk)));
  }
  if (!areEqual(held)) {
    const each = serving.map(({ id }, at) => `target ${id} has ${describe(held[at])}`);
    await comparison.found({ chain: chain.id, chunk, detail: each.join(', ') });
  } else if (comparison.bytes && held[0] !== undefined) {
    for (const target of serving) {
      // oxlint-disable-next-line no-await-in-loop -- one chunk in memory at a time
      await verify(comparison, chain, target, held[0]);
    }
  }
}

async function lookAt(
  { chunks }: Comparison,
  chain: Chain,
  target: ChainTarget,
  chunk: ChunkId,
): Promise<FoundChunk | undefined> {
  const { blob, index } = chunk;
  const after =
    index > 0
      ? { blob, index: index - 1 }
      : { blob: Math.max(0, blob - 1) as ChunkId['blob'], index: 0xffff_ffff };
  const [found] = await chunks.scanOf(chain, target, after, 1);
  return found !== undefined && compareChunks(found.chunk, chunk) === 0 ? found : undefined;
}

function areEqual(held: readonly (FoundChunk | undefined)[]): boolean {
  const [first] = held;
  return held.every(
    (each) =>
      each?.pending !== true &&
      each?.version === first?.version &&
      each?.length === first?.length &&
      each?.crc32c === first?.crc32c,
  );
}

function describe(found: FoundChunk | undefined): string {
  if (found === undefined) return 'nothing';
  const { version, length, pending } = found;
  return `version ${version} of ${length} bytes${pending ? ' and a pending update' : ''}`;
}

async function verify(
  comparison: Comparison,
  chain: Chain,
  target: ChainTarget,
  row: FoundChunk,
): Promise<void> {
  const { chunk, length } = row;
  let detail: string;
  try {
    const bytes = await comparison.chunks.readOf(chain, target, { chunk, offset: 0, length });
    comparison.count('bytes verified', bytes.length);
    if (crc32c(bytes) === row.crc32c) return;
    detail = `target ${target.id} holds other bytes than its row says`;
  } catch (error) {
    const { errorName, message } = toCoreError(error);
    if (errorName === 'CHUNK_NOT_FOUND') return;
    if (errorName !== 'CORRUPT' && errorName !== 'CHECKSUM_MISMATCH') throw error;
    detail = `target ${target.id}: ${message}`;
  }
  // Written or removed meanwhile: another check sees what it is now.
  if ((await lookAt(comparison, chain, target, chunk))?.version !== row.version) return;
  await comparison.found({ chain: chain.id, chunk, detail });
}
