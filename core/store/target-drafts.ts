// Next rows of a replicated chunk: with a pending update, whole, erased, without what was pending. The caller holds the
// chunk's engine lock. A pending content may share blocks with the committed one; nothing is freed before one of them
// goes.

import { CoreError } from '../base/errors.ts';
import type { ChainVer, ChunkId, UpdateVer } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Place } from './chunk-reader.ts';
import { type ChunkRow, blocksOf, emptyContent, withoutPending } from './chunk-row.ts';
import type { Draft } from './draft.ts';
import type { ChunkEngine, NextRow } from './engine.ts';
import type { ChunkChange, ChunkShape, UpdateTag } from './types.ts';
import { checkChange, newRow, noTag } from './update-checks.ts';

/** A version, and the chain version under which the head assigned it: names one update for ever. */
export interface Assigned {
  readonly version: UpdateVer;
  readonly chainVersion: ChainVer;
}

export interface WholeContent {
  readonly bytes: Uint8Array;
  readonly crc32c: number;
  readonly sealed: boolean;
}

export interface PendingUpdate extends Assigned {
  readonly chunk: ChunkId;
  readonly tag: UpdateTag;
  readonly body: ChunkChange | { readonly kind: 'whole'; readonly content: WholeContent };
  readonly shape?: ChunkShape | undefined;
}

export interface Replacement extends Assigned {
  readonly chunk: ChunkId;
  readonly tag: UpdateTag | undefined;
  readonly content: WholeContent;
  readonly shape?: ChunkShape | undefined;
}

export interface Erasure {
  readonly chunk: ChunkId;
  /** Enters the exactly-once table. */
  readonly tagged: { readonly tag: UpdateTag; readonly version: UpdateVer } | undefined;
}

/** A chunk that is being written for the first time, or again as a whole, begins with this row. */
interface Start {
  readonly row: ChunkRow;
  readonly unitBytes: number;
}

/** The row that an update starts from: the committed one, or that of a chunk which is not there. */
interface Start {
  readonly row: ChunkRow;
  readonly unitBytes: number;
}

const nothing: Draft = { content: emptyContent, taken: [], freed: [], sections: [] };

/** @throws CoreError CHUNK_VERSION_MISMATCH, and what the change is refused for */
export async function nextPending(
  engine: ChunkEngine,
  place: Place,
  row: ChunkRow | undefined,
  update: PendingUpdate,
): Promise<NextRow> {
  const { chunk, tag, body, version, chainVersion } = update;
  if (row?.pending !== undefined || (row?.version ?? 0) >= version)
    throw new CoreError(
      'CHUNK_VERSION_MISMATCH',
      `update ${version} of chunk ${chunk.blob}/${chunk.index} comes after ` +
        `${row?.pending?.version ?? row?.version}`,
    );
  mark('target.pending');
  const start = startOf(row, update);
  const draft = await draftPending(engine, place, row, { ...start, update });
  const content = body.kind === 'remove' ? undefined : draft.content;
  const seals =
    body.kind === 'whole' ? body.content.sealed : start.row.sealed || body.kind === 'seal';
  const sealed = seals && content !== undefined;
  const pending = { version, chainVersion, tag, result: 0, content, sealed };
  // Nothing is freed before the commit: both contents can be read until then.
  return { next: { ...start.row, pending }, draft: { ...draft, freed: [] }, tag, tagged: version };
}

function draftPending(
  engine: ChunkEngine,
  place: Place,
  row: ChunkRow | undefined,
  { update, ...start }: Start & { readonly update: PendingUpdate },
): Draft | Promise<Draft> {
  const { body, shape } = update;
  if (body.kind === 'remove') return nothing;
  if (body.kind === 'whole') return draftWhole(engine, place, start, { ...update, ...body });
  const { row: before, unitBytes } = start;
  const written = checkChange(body, unitBytes, shape?.expectedBytes);
  return engine.draft(place, body, row, { before, written, unitBytes });
}

/** @throws CoreError CHECKSUM_MISMATCH, LIMIT_EXCEEDED, DISK_FULL */
export async function nextWhole(
  engine: ChunkEngine,
  place: Place,
  before: ChunkRow | undefined,
  replacement: Replacement,
): Promise<NextRow> {
  mark('target.replace');
  const { tag, version, chainVersion, content } = replacement;
  const start = startOf(before, replacement);
  const draft = await draftWhole(engine, place, start, replacement);
  const { sealed } = content;
  const next = { ...start.row, version, chainVersion, sealed, content: draft.content };
  const replaced = { ...draft, freed: blocksOf(before) };
  return { next, draft: replaced, tag: tag ?? noTag, tagged: tag && version };
}

async function draftWhole(
  engine: ChunkEngine,
  place: Place,
  { row, unitBytes }: Start,
  { content, shape }: Pick<Replacement, 'content' | 'shape'>,
): Promise<Draft> {
  const { bytes, crc32c } = content;
  const change = { kind: 'write', offset: 0, bytes, crc32c } as const;
  const written = checkChange(change, unitBytes, shape?.expectedBytes);
  if (written === undefined || bytes.length === 0) return nothing;
  return engine.parts.drafter.write(place, { ...row, content: emptyContent }, written);
}

/** @returns undefined when nothing is there, and nothing to note */
export async function nextErased(
  before: ChunkRow | undefined,
  { tagged }: Erasure,
): Promise<NextRow | undefined> {
  if (before === undefined && tagged === undefined) return undefined;
  mark('target.erase');
  const draft = { ...nothing, freed: blocksOf(before) };
  return { next: undefined, draft, tag: tagged?.tag ?? noTag, tagged: tagged?.version };
}

/** @returns undefined when nothing is pending */
export async function nextDropped(row: ChunkRow | undefined): Promise<NextRow | undefined> {
  if (row?.pending === undefined) return undefined;
  const next = withoutPending(row);
  const kept = new Set(blocksOf(next));
  const freed = blocksOf(row).filter((position) => !kept.has(position));
  return { next, draft: { ...nothing, freed }, tag: noTag };
}

function startOf(
  row: ChunkRow | undefined,
  { chainVersion, shape }: { chainVersion: ChainVer; shape?: ChunkShape | undefined },
): Start {
  const unitBytes = row?.unitBytes ?? shape?.checksumUnitBytes ?? limits.checksumUnitBytes;
  if (row === undefined) return { row: newRow({ chainVersion }, unitBytes), unitBytes };
  const { pending, ...committed } = row;
  if (pending !== undefined) mark('target.overPending');
  return { row: committed, unitBytes };
}
