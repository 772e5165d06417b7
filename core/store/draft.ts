// Drafts of updates: from a chunk's row and a change to its next row, with blocks reserved and large bytes
// written and synced (design 4.6 rules 2 and 3). A draft is invisible: it becomes an update when its record
// is durable, or is dropped and its blocks go back. The caller holds the chunk's engine lock throughout.
//
// Small bytes are copied once, unless they were given to us, into sections that live until they are placed;
// large bytes are written from the caller's buffer, which is not referred to afterwards.

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { crc32c, crc32cCombine, crc32cZeros } from '../base/crc32c.ts';
import { CoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Allocator } from './allocator.ts';
import { Arena } from './arena.ts';
import type { ChunkReader, Place } from './chunk-reader.ts';
import type { Section } from './chunk-record.ts';
import { type ChunkRow, type Content, type Piece, emptyContent, positionsOf } from './chunk-row.ts';
import { type Plan, type Range, patchesBelow, planExtend, planWrite } from './plan.ts';
import {
  type Position,
  blockLog2For,
  blockOf,
  noPosition,
  pageCeil,
  pageFloor,
  slabOf,
} from './position.ts';
import { type SlabFiles, zeros } from './slab-files.ts';
import type { SpaceManager } from './space.ts';
import { appendUnits, combineUnits, replaceInCrc, unitChecksums } from './unit-checksums.ts';

/** New content of a chunk, its blocks reserved and its large bytes synced. */
export interface Draft {
  readonly content: Content;
  /** Blocks that the new content refers to and the old one did not. */
  readonly taken: readonly Position[];
  /** Blocks that only the old content refers to. */
  readonly freed: readonly Position[];
  readonly sections: readonly Section[];
}

/** Bytes to write, with the checksums that verifying them gave: of units counted from their start. */
export interface Written {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly crc32c: number;
  readonly checksums: readonly number[];
  /** A first block is chosen for this length, when it is more than what is written. */
  readonly expectedBytes: number;
  /** Nobody changes the bytes any more. */
  readonly given: boolean;
}

export interface DrafterParts {
  readonly allocator: Allocator;
  readonly files: SlabFiles;
  readonly reader: ChunkReader;
  readonly space: SpaceManager;
  readonly journaledBytesMax: number;
  readonly rewriteBytesMax: number;
}

interface DirectWrite {
  readonly position: Position;
  readonly from: number;
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

/** What one draft has gathered so far. */
interface Work {
  readonly place: Place;
  readonly old: Content;
  readonly unitBytes: number;
  readonly taken: Position[];
  readonly sections: Section[];
  readonly direct: DirectWrite[];
}

export class Drafter {
  private readonly parts: DrafterParts;
  private readonly arena = new Arena();

  constructor(parts: DrafterParts) {
    this.parts = parts;
  }

  write(place: Place, row: ChunkRow, written: Written): Draft | Promise<Draft> {
    return (
      this.writeSmall(row.content, written) ??
      this.draft(place, row, async (work) => {
        const { old } = work;
        const plan = this.planWrite(work, written);
        if (plan.kind === 'keep') return old;
        if (plan.kind === 'replace') return this.replace(work, written);
        if (plan.kind === 'edit') return this.edit(work, plan, written);
        mark('draft.fold');
        const length = Math.max(old.length, written.offset + written.bytes.length);
        return this.fold(work, length, written);
      })
    );
  }

  /** The common case without a single wait: a small chunk written whole, into a free block. */
  private writeSmall(old: Content, written: Written): Draft | undefined {
    const { offset, bytes, crc32c: crc, checksums, expectedBytes } = written;
    const { length } = bytes;
    if (offset > 0 || length === 0 || length < old.length) return undefined;
    if (Math.max(length, expectedBytes) > this.parts.journaledBytesMax) return undefined;
    const blockLog2 = blockLog2For(Math.max(length, expectedBytes));
    const position = this.parts.space.reserve(blockLog2, this.mayBeWarm(blockLog2));
    if (position === undefined) return undefined;
    mark('draft.whole');
    const base = { offset, length, position, checksums };
    return {
      content: { length, crc32c: crc, base, patches: [] },
      taken: [position],
      freed: positionsOf(old),
      sections: [
        { position, from: 0, bytes: written.given ? bytes : this.arena.copy([bytes]), crc32c: crc },
      ],
    };
  }

  truncate(place: Place, row: ChunkRow, length: number): Promise<Draft> {
    return this.draft(place, row, async (work) => {
      const { old } = work;
      if (length === old.length) return old;
      if (length < old.length) return this.shorten(work, length);
      mark('draft.extend');
      const plan = planExtend(old, this.blockBytes(old), length, this.planLimits(work));
      const nothing = { ...nothingWritten, offset: length };
      if (plan.kind === 'replace') return this.replace(work, nothing);
      if (plan.kind === 'fold') return this.fold(work, length, undefined);
      assert(plan.kind === 'edit', 'an extension changes the content');
      return this.edit(work, plan, nothing);
    });
  }

  /** The same content in a block of its own: folds patches, moves out of a sparse slab. */
  rewrite(place: Place, row: ChunkRow): Promise<Draft> {
    return this.draft(place, row, (work) => this.fold(work, work.old.length, undefined));
  }

  drop(draft: Draft): void {
    for (const position of draft.taken) this.parts.allocator.abort(position);
  }

  // --- the frame of every draft --------------------------------------------------------------------

  private async draft(
    place: Place,
    row: ChunkRow,
    change: (work: Work) => Promise<Content>,
  ): Promise<Draft> {
    const old = row.content;
    const work: Work = {
      place,
      old,
      unitBytes: row.unitBytes,
      taken: [],
      sections: [],
      direct: [],
    };
    try {
      const content = await change(work);
      await this.writeDirect(work);
      const live = new Set(positionsOf(content));
      const freed = positionsOf(old).filter((position) => !live.has(position));
      return { content, taken: work.taken, freed, sections: work.sections };
    } catch (error) {
      for (const position of work.taken) this.parts.allocator.abort(position);
      throw error;
    }
  }

  /** Rule 2, large bytes: write, then sync, before the record may be submitted. */
  private async writeDirect(work: Work): Promise<void> {
    if (work.direct.length === 0) return;
    const { files } = this.parts;
    const writes = work.direct.map(async ({ position, from, parts, bytes }) => {
      const slab = this.slab(position);
      const at = blockOf(position) * slab.blockBytes + from;
      // To the end of the page: the kernel then need not read it first.
      const padding = zeros(pageCeil(from + bytes) - (from + bytes));
      await files.write(slab.number, [...parts, ...padding], at);
      await files.sync(slab.number);
    });
    // All of them end before the blocks could go back.
    for (const result of await Promise.allSettled(writes))
      if (result.status === 'rejected') throw result.reason;
  }

  // --- changes -------------------------------------------------------------------------------------

  /** A new base: zeros up to the write, then its bytes. */
  private async replace(work: Work, written: Written): Promise<Content> {
    const { offset, bytes } = written;
    const length = offset + bytes.length;
    if (length === 0) return emptyContent;
    mark('draft.replace');
    const parts = offset === 0 ? [bytes] : [...zeros(offset), bytes];
    const checksums = offset === 0 ? written.checksums : unitChecksums(parts, work.unitBytes);
    const { expectedBytes } = written;
    const base = await this.newPiece(work, 0, length, parts, checksums, expectedBytes);
    const crc =
      offset === 0
        ? written.crc32c
        : crc32cCombine(crc32cZeros(offset), written.crc32c, bytes.length);
    return { length, crc32c: crc, base, patches: [] };
  }

  /** A new base of the verified old content, with `written` over it and zeros in between. */
  private async fold(work: Work, length: number, written: Written | undefined): Promise<Content> {
    const { old, place, unitBytes } = work;
    if (length === 0) return emptyContent;
    const bytes = Buffer.allocUnsafe(length);
    const kept = Math.min(old.length, length);
    const { reader } = this.parts;
    const before =
      kept === old.length
        ? await reader.whole(place, old, unitBytes)
        : await reader.read(place, old, unitBytes, 0, kept);
    bytes.set(before.bytes);
    bytes.fill(0, kept);
    if (written !== undefined) bytes.set(written.bytes, written.offset);
    const checksums = unitChecksums([bytes], unitBytes);
    const base = await this.newPiece(work, 0, length, [bytes], checksums);
    return { length, crc32c: combineUnits(checksums, length, unitBytes), base, patches: [] };
  }

  private async shorten(work: Work, length: number): Promise<Content> {
    const { old, place, unitBytes } = work;
    if (length === 0) return emptyContent;
    mark('draft.shorten');
    const patches = patchesBelow(old, length);
    const { base } = old;
    assert(base !== undefined, 'content has a base');
    if (patches.length > 0) {
      mark('draft.shortenPatched');
      const kept = await this.parts.reader.read(place, old, unitBytes, 0, length);
      return { length, crc32c: kept.crc32c, base, patches };
    }
    // Whole units are known by their checksums; only the cut unit is read.
    const whole = length - (length % unitBytes);
    const units = base.checksums.slice(0, whole / unitBytes);
    const rest = await this.parts.reader.read(place, old, unitBytes, whole, length);
    const crc = combineUnits(units, whole, unitBytes);
    return { length, crc32c: crc32cCombine(crc, rest.crc32c, length - whole), base, patches };
  }

  private async edit(
    work: Work,
    plan: Plan & { kind: 'edit' },
    written: Written,
  ): Promise<Content> {
    const { old } = work;
    const length = Math.max(old.length, written.offset + written.bytes.length);
    if (plan.append !== undefined && !this.mayAppend(old.base as Piece, plan.append)) {
      mark('draft.foldDropped');
      return this.fold(work, length, written);
    }
    const crc = await this.editedCrc(work, written);
    const patches = plan.kept.slice();
    if (plan.zeros !== undefined) {
      mark('draft.zeroPatch');
      patches.push(zeroPatch(plan.zeros));
    }
    if (plan.patch !== undefined) {
      mark('draft.patch');
      patches.push(await this.patch(work, plan.patch, written));
    }
    let base = old.base as Piece;
    if (plan.append !== undefined) base = await this.append(work, base, plan.append, written);
    return { length, crc32c: crc, base, patches };
  }

  /** A pending append that was dropped left bytes in the journal, behind the base, which replay or a late placement
   *  would write over bytes that go straight to the slab. Journaled ones come after them in both. */
  private mayAppend({ position }: Piece, { from, to }: Range): boolean {
    const journaled = to - pageFloor(from) <= this.parts.journaledBytesMax;
    return journaled || this.parts.allocator.directAllowed(position, pageCeil(from));
  }

  private async patch(work: Work, { from, to }: Range, written: Written): Promise<Piece> {
    const bytes = written.bytes.subarray(from - written.offset, to - written.offset);
    const checksums =
      bytes.length === written.bytes.length
        ? written.checksums
        : unitChecksums([bytes], work.unitBytes);
    return this.newPiece(work, from, bytes.length, [bytes], checksums);
  }

  /** Behind the base's longest length, in its block (rule 3). A page that already holds committed bytes is
   *  written only from a record that carries its whole image. */
  private async append(
    work: Work,
    base: Piece,
    { from, to }: Range,
    written: Written,
  ): Promise<Piece> {
    const { place, unitBytes } = work;
    const { position } = base;
    const gap = zeros(Math.max(0, written.offset - from));
    const added = [...gap, written.bytes.subarray(Math.max(0, from - written.offset))];
    const image = pageFloor(from);
    const head =
      image === from
        ? noBytes
        : (await this.parts.reader.own(place, base, unitBytes, image, from)).bytes;
    if (to - image <= this.parts.journaledBytesMax) {
      mark('draft.appendJournaled');
      this.journal(work, position, image, [head, ...added]);
    } else {
      mark('draft.appendDirect');
      // Replay would write journaled bytes over ours. It has none here: those of this chunk end before (mayAppend),
      // and a block that is large enough for an append of this size was cold when it was taken (mayBeWarm).
      assert(
        this.parts.allocator.directAllowed(position, pageCeil(from)),
        'append over warm bytes',
      );
      const first = firstBytes(added, pageCeil(from) - from);
      if (head.length > 0) {
        mark('draft.appendDirectHead');
        this.journal(work, position, image, [head, ...first]);
      }
      const rest = skipBytes(added, pageCeil(from) - from);
      work.direct.push({ position, from: pageCeil(from), parts: rest, bytes: to - pageCeil(from) });
    }
    const checksums = appendUnits(base.checksums, base.length, added, unitBytes);
    return { ...base, length: to, checksums };
  }

  /** The content checksum after an edit, from verified old bytes and the new ones. */
  private async editedCrc(work: Work, written: Written): Promise<number> {
    const { old, place, unitBytes } = work;
    const { offset, bytes } = written;
    const end = offset + bytes.length;
    let crc = old.crc32c;
    const overlapEnd = Math.min(end, old.length);
    let tail = written.crc32c;
    if (offset < overlapEnd) {
      const before = await this.parts.reader.read(place, old, unitBytes, offset, overlapEnd);
      const over =
        overlapEnd === end ? written.crc32c : crc32c(bytes.subarray(0, overlapEnd - offset));
      crc = replaceInCrc(crc, {
        before: before.crc32c,
        after: over,
        bytesAfter: old.length - overlapEnd,
      });
      if (end <= old.length) return crc;
      tail = crc32c(bytes.subarray(overlapEnd - offset));
    }
    const gap = Math.max(0, offset - old.length);
    crc = crc32cCombine(crc, crc32cZeros(gap), gap);
    return crc32cCombine(crc, tail, end - Math.max(offset, old.length));
  }

  // --- bytes and blocks ----------------------------------------------------------------------------

  private async newPiece(
    work: Work,
    offset: number,
    length: number,
    parts: readonly Uint8Array[],
    checksums: readonly number[],
    expectedBytes = 0,
  ): Promise<Piece> {
    const { journaledBytesMax } = this.parts;
    const journaled = length <= journaledBytesMax;
    const blockLog2 = blockLog2For(Math.max(length, expectedBytes));
    const position = await this.parts.space.allocate(blockLog2, this.mayBeWarm(blockLog2));
    work.taken.push(position);
    if (journaled) this.journal(work, position, 0, parts);
    else work.direct.push({ position, from: 0, parts, bytes: length });
    return { offset, length, position, checksums };
  }

  /** Whether a block that records after the checkpoint have bytes for will do: every append to a block of
   *  this size travels in the journal too. A larger block may get direct appends and must be cold. */
  private mayBeWarm(blockLog2: number): boolean {
    return 2 ** blockLog2 <= this.parts.journaledBytesMax;
  }

  private journal(
    work: Work,
    position: Position,
    from: number,
    parts: readonly Uint8Array[],
  ): void {
    work.sections.push({ position, from, bytes: this.arena.copy(parts) });
  }

  private planWrite(work: Work, { offset, bytes }: Written): Plan {
    const { old } = work;
    return planWrite(old, this.blockBytes(old), offset, bytes.length, this.planLimits(work));
  }

  private planLimits(work: Work): { rewriteBytesMax: number; unitBytes: number } {
    return { rewriteBytesMax: this.parts.rewriteBytesMax, unitBytes: work.unitBytes };
  }

  private blockBytes(content: Content): number {
    return content.base === undefined ? 0 : this.slab(content.base.position).blockBytes;
  }

  private slab(position: Position): { readonly number: number; readonly blockBytes: number } {
    const slab = this.parts.allocator.slab(slabOf(position));
    if (slab === undefined)
      throw new CoreError(
        'CORRUPT',
        `the index names slab ${slabOf(position)}, which is not there`,
      );
    return slab;
  }
}

const noBytes = new Uint8Array(0);

/** An extension by zeros alone, but for its offset. */
const nothingWritten = { bytes: noBytes, crc32c: 0, checksums: [], expectedBytes: 0, given: true };

function zeroPatch({ from, to }: Range): Piece {
  return { offset: from, length: to - from, position: noPosition, checksums: [] };
}

function firstBytes(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const first: Uint8Array[] = [];
  let left = bytes;
  for (const part of parts) {
    if (left === 0) break;
    first.push(part.subarray(0, left));
    left -= Math.min(left, part.length);
  }
  return first;
}

function skipBytes(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (left < part.length) rest.push(part.subarray(left));
    left -= Math.min(left, part.length);
  }
  return rest;
}

assert(
  limits.journaledBytesMax * 2 + limits.chunkRowBytesMax < limits.journalRecordBytesMax,
  'a patch, an append and the row fit a record',
);
