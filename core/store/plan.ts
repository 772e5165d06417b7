// How an update changes a chunk's pieces: pure decisions of design 4.6 rule 3, no bytes and no blocks.
//
// Bytes are written in place only behind the longest length ever committed in the base's block; an
// overwrite of anything before that becomes a patch, or the whole content moves to a new base. Bytes past
// the chunk's length are garbage, so an extension states its zeros: as a patch without a block where the
// base had bytes before, as zeros in place behind them.

import { assert } from '../base/assert.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import { type Content, type Piece, pieceRowBytes } from './chunk-row.ts';

export interface Range {
  readonly from: number;
  readonly to: number;
}

export type Plan =
  /** Nothing of the content changes. */
  | { readonly kind: 'keep' }
  /** A new base of zeros up to the offset, then the bytes; no old byte is needed. */
  | { readonly kind: 'replace' }
  /** A new base of the old content with the change applied: the update folds. */
  | { readonly kind: 'fold' }
  | {
      readonly kind: 'edit';
      /** Old patches that stay, in order. */
      readonly kept: readonly Piece[];
      /** A patch of zeros: the part of the gap that lies where the base has bytes. */
      readonly zeros: Range | undefined;
      /** The part of the written range that becomes a patch. */
      readonly patch: Range | undefined;
      /** From the base's end: zeros up to the write, then its bytes. */
      readonly append: Range | undefined;
    };

export interface PlanLimits {
  /** Content up to this size is rewritten rather than patched. */
  readonly rewriteBytesMax: number;
  readonly unitBytes: number;
}

const fold: Plan = { kind: 'fold' };

/** Plan of writing `length` bytes at `offset`. `blockBytes` is the size of the base's block. */
export function planWrite(
  content: Content,
  blockBytes: number,
  offset: number,
  length: number,
  options: PlanLimits,
): Plan {
  assert(offset >= 0 && length >= 0, `write of ${length} at ${offset}`);
  if (length === 0) return { kind: 'keep' };
  const end = offset + length;
  const { base } = content;
  if (base === undefined || (offset === 0 && end >= content.length)) return { kind: 'replace' };
  if (content.length === 0) return { kind: 'replace' };
  const overwrites = offset < content.length;
  const newLength = Math.max(content.length, end);
  if (overwrites && newLength <= options.rewriteBytesMax) {
    mark('plan.foldSmall');
    return fold;
  }
  return planEdit(content, base, blockBytes, { from: offset, to: end }, options);
}

/** Plan of extending the content with zeros up to `length`. */
export function planExtend(
  content: Content,
  blockBytes: number,
  length: number,
  options: PlanLimits,
): Plan {
  assert(length > content.length, 'an extension');
  if (content.base === undefined || content.length === 0) return { kind: 'replace' };
  return planEdit(content, content.base, blockBytes, { from: length, to: length }, options);
}

function planEdit(
  content: Content,
  base: Piece,
  blockBytes: number,
  written: Range,
  options: PlanLimits,
): Plan {
  if (written.to > blockBytes) {
    mark('plan.foldBlock');
    return fold;
  }
  const gap = range(content.length, Math.min(written.from, base.length));
  const patch = range(written.from, Math.min(written.to, base.length));
  const append = range(base.length, written.to);
  const kept = content.patches.filter(
    (piece) => !within(piece, gap) && !within(piece, patch) && piece.offset < content.length,
  );
  if (kept.length < content.patches.length) mark('plan.covered');
  const patches = kept.length + (gap === undefined ? 0 : 1) + (patch === undefined ? 0 : 1);
  if (patches > limits.chunkPatchesMax) {
    mark('plan.foldPatches');
    return fold;
  }
  let rowBytes = pieceRowBytes(Math.max(base.length, written.to), options.unitBytes);
  for (const piece of kept) rowBytes += pieceRowBytes(piece.length, options.unitBytes);
  if (patch !== undefined) rowBytes += pieceRowBytes(patch.to - patch.from, options.unitBytes);
  if (rowBytes > limits.chunkRowBytesMax) {
    mark('plan.foldRow');
    return fold;
  }
  return { kind: 'edit', kept, zeros: gap, patch, append };
}

/** Patches that still show after the content was cut to `length`. */
export function patchesBelow(content: Content, length: number): Piece[] {
  return content.patches.filter((piece) => piece.offset < length);
}

function range(from: number, to: number): Range | undefined {
  return from < to ? { from, to } : undefined;
}

function within(piece: Piece, by: Range | undefined): boolean {
  return by !== undefined && piece.offset >= by.from && piece.offset + piece.length <= by.to;
}
