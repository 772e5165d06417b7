// Background work of a chunk store, in steps that somebody else paces: folding patched chunks, emptying
// sparse slabs, removing empty ones, placing what waits in memory. Everything goes through ordinary chunk
// records, so a crash in the middle loses nothing and repeats nothing that matters.
//
// Folding follows hints of updates, and a pass over the index finds patched chunks of earlier runs. The
// same pass moves chunks out of frozen slabs: the index has no way from a block to its chunk, and needs
// none, since one pass empties all slabs that are sparse when it begins.

import { isCoreError } from '../base/errors.ts';
import type { ChunkId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import { type ChunkRow, positionsOf } from './chunk-row.ts';
import type { ChunkEngine } from './engine.ts';
import { blockLog2Max, blockLog2Min, slabOf } from './position.ts';
import type { Slab } from './slab.ts';

export interface MaintenanceReport {
  /** Chunks whose patches were folded into a new base. */
  readonly folded: number;
  /** Chunks moved out of sparse slabs. */
  readonly moved: number;
  readonly removedSlabs: number;
  /** Content bytes rewritten. */
  readonly bytes: number;
  /** Nothing is left to do until something changes. */
  readonly idle: boolean;
}

interface Patched {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  patches: number;
  /** Step of the last update. */
  step: number;
}

interface Pass {
  readonly targets: TargetId[];
  after: ChunkId | undefined;
}

interface Work {
  folded: number;
  moved: number;
  removedSlabs: number;
  bytes: number;
  readonly budget: number;
}

/** A slab is emptied only if this share of its class stays free without it: twice what makes a new one. */
const freeShareKept = 1 / 4;
/** A chunk that was not written for this many steps is folded whatever its number of patches. */
const quietSteps = 2;
const sweepPerStep = 16_384;

export class Maintenance {
  private readonly engine: ChunkEngine;
  private readonly patched = new Map<string, Patched>();
  private steps = 0;
  /** Patched chunks may exist that no hint names. */
  private passWanted = true;
  private pass: Pass | undefined;
  private readonly frozen = new Set<Slab>();
  /** Of the allocator when slabs were last looked at. */
  private freedCount = -1;

  constructor(engine: ChunkEngine) {
    this.engine = engine;
    engine.commits.onPatched = (target, chunk, patches) => this.note(target, chunk, patches);
  }

  private note(target: TargetId, chunk: ChunkId, patches: number): void {
    const key = `${target}/${chunk.blob}/${chunk.index}`;
    if (this.patched.size >= limits.foldHintsMax && !this.patched.has(key)) {
      this.passWanted = true;
      return;
    }
    this.patched.set(key, { target, chunk, patches, step: this.steps });
  }

  /** One bounded piece of work: at most about `budgetBytes` of content are rewritten, a page of the index
   *  is looked at. One step at a time. @throws CoreError DISK_OFFLINE */
  async step(budgetBytes: number): Promise<MaintenanceReport> {
    const { allocator, placements, space } = this.engine.parts;
    this.steps++;
    const work: Work = { folded: 0, moved: 0, removedSlabs: 0, bytes: 0, budget: budgetBytes };
    await space.refresh();
    allocator.drain();
    allocator.sweep(sweepPerStep);
    if (placements.pendingBytes > 0) await placements.place();
    await this.foldHinted(work);
    this.beginPass();
    await this.passStep(work);
    await this.removeEmptied(work);
    const idle =
      this.patched.size === 0 && this.pass === undefined && !this.passWanted && work.bytes === 0;
    const { folded, moved, removedSlabs, bytes } = work;
    return { folded, moved, removedSlabs, bytes, idle };
  }

  // --- folding -----------------------------------------------------------------------------------

  private async foldHinted(work: Work): Promise<void> {
    for (const [key, hint] of this.patched) {
      if (work.bytes >= work.budget) return;
      const due = hint.patches >= limits.foldPatchesMin || this.steps - hint.step >= quietSteps;
      if (!due) continue;
      this.patched.delete(key);
      // oxlint-disable-next-line no-await-in-loop -- within the budget
      if (!(await this.rewrite(hint.target, hint.chunk, isPatched, work))) continue;
      mark('maintenance.foldHinted');
      work.folded++;
    }
  }

  private async rewrite(
    target: TargetId,
    chunk: ChunkId,
    wanted: (row: ChunkRow) => boolean,
    work: Work,
  ): Promise<boolean> {
    try {
      const length = await this.engine.rewrite(target, chunk, wanted);
      if (length === undefined) return false;
      work.bytes += length;
      mark('maintenance.rewrite');
      return true;
    } catch (error) {
      // A full disk folds when there is room again; a damaged chunk stays as it is for repair.
      if (!isCoreError(error, 'DISK_FULL') && !isCoreError(error, 'CORRUPT')) throw error;
      mark('maintenance.skipped');
      this.engine.parts.events.emit('warn', 'chunk-not-rewritten', {
        target,
        blob: chunk.blob,
        index: chunk.index,
        reason: error.message,
      });
      return false;
    }
  }

  // --- compaction --------------------------------------------------------------------------------

  /** Freezes what is sparse now, and starts over at the first target. */
  private beginPass(): void {
    if (this.pass !== undefined) return;
    const { freedCount } = this.engine.parts.allocator;
    if (freedCount !== this.freedCount) {
      this.freedCount = freedCount;
      for (let log2 = blockLog2Min; log2 <= blockLog2Max; log2++) this.freezeSparse(log2);
    }
    const crowded = [...this.frozen].some((slab) => slab.usedCount > 0);
    if (!crowded && !this.passWanted) return;
    this.passWanted = false;
    this.pass = { targets: this.engine.targets, after: undefined };
  }

  private freezeSparse(blockLog2: number): void {
    const { allocator } = this.engine.parts;
    const sparse: Slab[] = [];
    let blocks = 0;
    let free = 0;
    for (const slab of allocator.slabsOf(blockLog2)) {
      if (slab.frozen) continue;
      blocks += slab.blocks;
      free += slab.freeCount;
      if (slab.usedCount < slab.blocks * limits.sparseSlabShare) sparse.push(slab);
    }
    for (const slab of sparse.toSorted((a, b) => a.usedCount - b.usedCount)) {
      const blocksLeft = blocks - slab.blocks;
      const freeLeft = free - slab.freeCount - slab.usedCount;
      if (freeLeft < blocksLeft * freeShareKept) return;
      mark('maintenance.freeze');
      allocator.freeze(slab, true);
      this.frozen.add(slab);
      blocks = blocksLeft;
      free = freeLeft;
    }
  }

  private async passStep(work: Work): Promise<void> {
    const { pass } = this;
    const target = pass?.targets[0];
    if (pass === undefined || target === undefined || work.bytes >= work.budget) return;
    const rows = await this.engine.rows(target, pass.after, limits.scanRowsMax);
    for (const [chunk, row] of rows) {
      if (work.bytes >= work.budget) return;
      pass.after = chunk;
      const inFrozen = this.isFrozen(row);
      if (!inFrozen && !isPatched(row)) continue;
      const wanted = (now: ChunkRow): boolean => isPatched(now) || this.isFrozen(now);
      // oxlint-disable-next-line no-await-in-loop -- within the budget
      if (!(await this.rewrite(target, chunk, wanted, work))) continue;
      if (inFrozen) {
        mark('maintenance.move');
        work.moved++;
      } else {
        mark('maintenance.foldFound');
        work.folded++;
      }
    }
    if (rows.length === limits.scanRowsMax) return;
    pass.targets.shift();
    pass.after = undefined;
    if (pass.targets.length === 0) this.pass = undefined;
  }

  private isFrozen(row: ChunkRow): boolean {
    const { allocator } = this.engine.parts;
    return positionsOf(row.content).some(
      (position) => allocator.slab(slabOf(position))?.frozen === true,
    );
  }

  /** After a pass: what is empty goes; what is not could not be moved, and serves again. */
  private async removeEmptied(work: Work): Promise<void> {
    const { allocator, space } = this.engine.parts;
    for (const slab of this.frozen) {
      if (allocator.isEmpty(slab)) {
        this.frozen.delete(slab);
        // oxlint-disable-next-line no-await-in-loop -- one file at a time
        await space.removeSlab(slab);
        work.removedSlabs++;
      } else if (this.pass === undefined && slab.usedCount > 0) {
        mark('maintenance.thaw');
        this.frozen.delete(slab);
        allocator.freeze(slab, false);
      }
    }
  }
}

function isPatched(row: ChunkRow): boolean {
  return row.content.patches.length > 0;
}
