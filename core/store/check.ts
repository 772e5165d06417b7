// fsck of a chunk store: whether the allocator and the index agree block by block, and whether the index
// has the rows that were written. Reads rows, not content (core/store/scrub.ts reads content). Runs beside
// updates: blocks that change during the check are left out of the comparison.

import { Buffer } from 'node:buffer';
import { isCoreError, toCoreError } from '../base/errors.ts';
import { compareBytes } from '../base/bytes.ts';
import type { ChunkId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { blocksOf, chunkKeys, chunkOfKey, decodeRow, isPending, rowKey } from './chunk-row.ts';
import { targetOfKey } from './chunk-row.ts';
import type { ChunkEngine } from './engine.ts';
import { type Position, blockOf, positionOf, slabOf, slabPath } from './position.ts';
import type { TableCheck } from './table-flush.ts';

export interface CheckFinding {
  readonly problem:
    /** Allocated, but no row refers to it: space is lost, data may be (a row was lost). */
    | 'leaked block'
    /** A row refers to a block that the allocator may hand out: writes may destroy the chunk. */
    | 'unallocated block'
    /** Two rows refer to one block that is not shared. */
    | 'doubly used block'
    | 'no such block'
    | 'damaged row'
    | 'unknown target'
    /** The list of pending updates, which are brought to their end after a start, and the rows differ. */
    | 'unlisted pending update'
    | 'missing or short slab file';
  readonly detail: string;
  readonly file?: string;
  /** Of the block in the file. */
  readonly offset?: number;
  readonly target?: TargetId;
  readonly chunk?: ChunkId;
}

export interface StoreCheck {
  readonly chunks: number;
  readonly blocks: number;
  /** Whether the index holds exactly the rows that were written to it. */
  readonly table: TableCheck;
  /** At most `findingsMax`. */
  readonly findings: readonly CheckFinding[];
  readonly findingsCount: number;
  readonly ok: boolean;
}

const findingsMax = 1000;

interface Owner {
  readonly target: TargetId;
  readonly chunk: ChunkId;
}

/** Compares allocator, slab files and index. Memory: two bits a block. */
export async function checkStore(engine: ChunkEngine): Promise<StoreCheck> {
  const check = new Check(engine);
  const { allocator, table } = engine.parts;
  const changed = new Set<Position>();
  allocator.watch(changed);
  try {
    const rows = await table.verify();
    await check.index(rows);
    check.pendings();
    check.leaks(changed);
    await check.files();
    return check.result(rows, changed);
  } finally {
    allocator.watch(undefined);
  }
}

class Check {
  private readonly engine: ChunkEngine;
  /** References found per block of a slab; 255 stands for more. */
  private readonly found = new Map<number, Uint8Array>();
  private readonly findings: (CheckFinding & { position?: Position })[] = [];
  private count = 0;
  private chunks = 0;
  private blocks = 0;

  constructor(engine: ChunkEngine) {
    this.engine = engine;
  }

  private add(finding: CheckFinding, position?: Position): void {
    this.count++;
    if (this.findings.length >= findingsMax) return;
    this.findings.push(position === undefined ? finding : { ...finding, position });
  }

  /** Every row between the damaged ones, which a range does not get past. */
  async index(rows: TableCheck): Promise<void> {
    const damaged = rows.damaged.toSorted(compareBytes);
    for (const key of damaged)
      this.add({ problem: 'damaged row', detail: `row ${Buffer.from(key).toString('hex')}` });
    let { from } = chunkKeys;
    for (const key of [...damaged, chunkKeys.to]) {
      // oxlint-disable-next-line no-await-in-loop -- in key order
      if (compareBytes(from, key) < 0) await this.rows(from, key);
      const behind = Buffer.concat([key, Buffer.alloc(1)]);
      if (compareBytes(behind, from) > 0) from = behind;
    }
  }

  private async rows(start: Uint8Array, to: Uint8Array): Promise<void> {
    const { table } = this.engine.parts;
    let from = start;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- page after page
      const page = await table.range({ from, to, limit: limits.scanRowsMax });
      for (const [key, value] of page) this.row(key, value);
      const last = page.at(-1);
      if (last === undefined || page.length < limits.scanRowsMax) return;
      from = Buffer.concat([last[0], Buffer.alloc(1)]);
    }
  }

  private row(key: Uint8Array, value: Uint8Array): void {
    const owner = { target: targetOfKey(key), chunk: chunkOfKey(key) };
    this.chunks++;
    if (!this.engine.parts.targets.has(owner.target))
      this.add({ problem: 'unknown target', detail: `target ${owner.target}`, ...owner });
    const { target, chunk } = owner;
    if (isPending(value) !== this.engine.parts.pendings.has(target, chunk))
      this.listed(target, chunk);
    try {
      for (const position of blocksOf(decodeRow(value))) this.reference(position, owner);
    } catch (error) {
      this.add({ problem: 'damaged row', detail: toCoreError(error).message, ...owner });
    }
  }

  /** List and rows change in one turn: what a page of rows shows may be older. */
  private listed(target: TargetId, chunk: ChunkId): void {
    const { pendings, table } = this.engine.parts;
    if (isPending(table.getSync(rowKey(target, chunk))) === pendings.has(target, chunk)) return;
    const detail = `chunk ${target}/${chunk.blob}/${chunk.index}`;
    this.add({ problem: 'unlisted pending update', detail, target, chunk });
  }

  /** Listed chunks without a row; those with one were compared when it was read. */
  pendings(): void {
    for (const target of this.engine.targets)
      for (const chunk of this.engine.parts.pendings.of(target)) this.listed(target, chunk);
  }

  private reference(position: Position, owner: Owner): void {
    const { allocator } = this.engine.parts;
    const slab = allocator.slab(slabOf(position));
    this.blocks++;
    if (slab === undefined || blockOf(position) >= slab.blocks) {
      const detail = `block ${blockOf(position)} of slab ${slabOf(position)}`;
      this.add({ problem: 'no such block', detail, ...owner }, position);
      return;
    }
    const counts = this.found.get(slab.number) ?? new Uint8Array(slab.blocks);
    this.found.set(slab.number, counts);
    const count = Math.min(255, (counts[blockOf(position)] as number) + 1);
    counts[blockOf(position)] = count;
    const refs = allocator.refs(position);
    if (refs === 0) this.block('unallocated block', position, owner);
    else if (count > refs) this.block('doubly used block', position, owner);
  }

  private block(problem: CheckFinding['problem'], position: Position, owner?: Owner): void {
    const slab = this.engine.parts.allocator.slab(slabOf(position));
    if (slab === undefined) return;
    const offset = blockOf(position) * slab.blockBytes;
    const file = slabPath(slab.blockLog2, slab.number);
    const whose =
      owner === undefined ? '' : `, chunk ${owner.target}/${owner.chunk.blob}/${owner.chunk.index}`;
    const detail = `${slab.blockBytes} bytes at ${offset} of ${file}${whose}`;
    this.add({ problem, detail, file, offset, ...owner }, position);
  }

  leaks(changed: ReadonlySet<Position>): void {
    for (const slab of this.engine.parts.allocator.slabs()) {
      const counts = this.found.get(slab.number);
      for (let block = 0; block < slab.blocks; block++) {
        const position = positionOf(slab.number, block);
        if (slab.refs(block) > (counts?.[block] ?? 0) && !changed.has(position))
          this.block('leaked block', position);
      }
    }
  }

  async files(): Promise<void> {
    const { allocator, files } = this.engine.parts;
    for (const slab of allocator.slabs()) {
      const file = slabPath(slab.blockLog2, slab.number);
      // oxlint-disable-next-line no-await-in-loop -- one file at a time
      const size = await files.size(slab.number).catch((error: unknown) => {
        if (isCoreError(error, 'CORRUPT')) return 0;
        throw error;
      });
      if (size < slab.bytes && allocator.slab(slab.number) === slab)
        this.add({
          problem: 'missing or short slab file',
          detail: `${file} has ${size} of ${slab.bytes} bytes`,
          file,
        });
    }
  }

  result(table: TableCheck, changed: ReadonlySet<Position>): StoreCheck {
    const findings: CheckFinding[] = [];
    for (const { position, ...finding } of this.findings) {
      // What moved while we looked was seen in two states.
      if (position !== undefined && changed.has(position)) this.count--;
      else findings.push(finding);
    }
    const { chunks, blocks } = this;
    const ok = this.count === 0 && table.ok;
    return { chunks, blocks, table, findings, findingsCount: this.count, ok };
  }
}
