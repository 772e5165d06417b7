// Scrubbing: reads every stored byte of a target and compares it with its checksums, so that decay is found
// while other copies exist. In steps that the caller paces; reads beside updates, like any reader.

import { isCoreError } from '../base/errors.ts';
import type { ChunkId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { ChunkRow, Content, Piece } from './chunk-row.ts';
import type { Place } from './chunk-reader.ts';
import type { ChunkEngine } from './engine.ts';
import { noPosition } from './position.ts';

export interface ScrubCursor {
  readonly target: TargetId;
  /** The last chunk that was read. */
  readonly after: ChunkId | undefined;
}

export interface ScrubFinding {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  /** Names file and offset. */
  readonly detail: string;
}

export interface ScrubStep {
  /** Where to go on; undefined when the target is done. */
  readonly next: ScrubCursor | undefined;
  readonly findings: readonly ScrubFinding[];
  readonly chunks: number;
  readonly bytes: number;
}

/** Reads chunks behind the cursor until `budgetBytes` were read or a page of the index is done. */
export async function scrub(
  engine: ChunkEngine,
  cursor: ScrubCursor,
  budgetBytes: number,
): Promise<ScrubStep> {
  const { target } = cursor;
  const findings: ScrubFinding[] = [];
  let { after } = cursor;
  let chunks = 0;
  let bytes = 0;
  const page = await engine.rows(target, after, limits.scanRowsMax);
  for (const [chunk] of page) {
    if (bytes >= budgetBytes) return { next: { target, after }, findings, chunks, bytes };
    after = chunk;
    chunks++;
    try {
      // oxlint-disable-next-line no-await-in-loop -- at the caller's pace
      bytes += await engine.reading(target, async () => {
        const row = engine.rowSync(target, chunk);
        // Removed since the page was read.
        return row === undefined ? 0 : verifyChunk(engine, { target, chunk }, row);
      });
    } catch (error) {
      if (!isCoreError(error, 'CORRUPT')) throw error;
      findings.push({ target, chunk, detail: error.message });
    }
  }
  const next = page.length === limits.scanRowsMax ? { target, after } : undefined;
  return { next, findings, chunks, bytes };
}

/** Reads every piece whole, what patches cover included, and the contents as a reader sees them. */
async function verifyChunk(engine: ChunkEngine, place: Place, row: ChunkRow): Promise<number> {
  const { reader } = engine.parts;
  const { content, pending, unitBytes } = row;
  const shared = piecesOf(content);
  const own = piecesOf(pending?.content).filter((piece) => !shared.some(isSamePiece(piece)));
  let bytes = 0;
  for (const piece of [...shared, ...own]) {
    if (piece.position === noPosition) continue;
    // oxlint-disable-next-line no-await-in-loop -- at the caller's pace
    await reader.own(place, piece, unitBytes, 0, piece.length);
    bytes += piece.length;
  }
  await reader.whole(place, content, unitBytes);
  if (pending?.content !== undefined) await reader.whole(place, pending.content, unitBytes);
  return bytes;
}

function piecesOf(content: Content | undefined): Piece[] {
  return content?.base === undefined ? [] : [content.base, ...content.patches];
}

function isSamePiece({ position, length }: Piece): (other: Piece) => boolean {
  return (other) => other.position === position && other.length === length;
}
