// Random operations on a chunk store against a map in memory: concurrent updates and reads, checkpoints,
// maintenance, clean reopenings, kills (the page cache survives) and power losses. Per chunk the model keeps
// every state that updates in flight may have produced; a read must see one of those that were possible
// while it ran, and after a crash the chunk must be in the last acknowledged state or a later one. On a small
// disk updates may be refused, and others fill it and empty it again; removing must go on.

import assert from 'node:assert/strict';
import { crc32c } from '../../../core/base/crc32c.ts';
import { type ErrorName, isCoreError } from '../../../core/base/errors.ts';
import type { ChunkId, TargetId } from '../../../core/base/ids.ts';
import { KiB } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import { checkStore } from '../../../core/store/check.ts';
import { Maintenance } from '../../../core/store/maintenance.ts';
import { type ScrubCursor, type ScrubStep, scrub } from '../../../core/store/scrub.ts';
import type { StoreTuning } from '../../../core/store/chunk-store.ts';
import type { ChunkChange, ChunkUpdate } from '../../../core/store/types.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import {
  type Rig,
  changed,
  chunkOf,
  openRig,
  smallTuning,
  target1,
  target2,
  updateOf,
  writeOf,
} from './engine-rig.ts';

interface State {
  readonly bytes: Buffer | undefined;
  readonly sealed: boolean;
}

interface ModelChunk {
  readonly target: TargetId;
  readonly chunk: ChunkId;
  /** Possible states, oldest first; the last is what all submitted updates lead to. */
  states: State[];
  /** Index of the newest acknowledged one. */
  acked: number;
  /** Updates in flight. */
  updates: number;
}

export interface ModelOptions {
  readonly seed: number;
  readonly operations: number;
  readonly chunks?: number;
  readonly chunkBytesMax?: number;
  /** Size of the disk: updates are refused when it is full. Absent: it never is. */
  readonly totalBytes?: number;
  readonly tuning?: StoreTuning;
  /** Steps of maintenance in 1,000 operations. */
  readonly maintenance?: number;
  /** Large chunks are overwritten in small pieces and little else: patches gather. */
  readonly patching?: boolean;
}

export interface ModelReport {
  readonly counts: Record<string, number>;
  readonly mutations: number;
  readonly reopenings: number;
}

const absent: State = { bytes: undefined, sealed: false };

export async function runModel(options: ModelOptions): Promise<ModelReport> {
  const run = new ModelRun(options);
  await run.all();
  return run.report();
}

class ModelRun {
  private readonly options: ModelOptions;
  private readonly prng: Prng;
  private readonly chunkBytesMax: number;
  private readonly chunks: ModelChunk[] = [];
  private readonly counts: Record<string, number> = {};
  private disk: SimDisk;
  private kv: SimKv;
  private rig: Rig | undefined;
  private maintenance: Maintenance | undefined;
  private maintaining: Promise<void> = Promise.resolve();
  /** Operations of earlier openings are nobody's business any more. */
  private generation = 0;
  private inFlight = new Set<Promise<void>>();
  private filling = false;
  private failure: unknown;

  constructor(options: ModelOptions) {
    this.options = options;
    this.prng = new Prng(options.seed);
    this.chunkBytesMax = options.chunkBytesMax ?? 64 * KiB;
    this.disk = new SimDisk(this.diskOptions());
    this.kv = new SimKv(this.diskOptions());
    for (let i = 0; i < (options.chunks ?? 40); i++)
      this.chunks.push({
        target: i % 3 === 0 ? target2 : target1,
        chunk: chunkOf(1 + Math.floor(i / 4), i % 4),
        states: [absent],
        acked: 0,
        updates: 0,
      });
  }

  report(): ModelReport {
    const { counts } = this;
    const sum = (names: readonly string[]): number =>
      names.reduce((total, name) => total + (counts[name] ?? 0), 0);
    const mutations = sum([
      'overwrite',
      'append',
      'gap',
      'whole',
      'truncate',
      'remove',
      'seal',
      'abort',
    ]);
    return { counts, mutations, reopenings: sum(['kill', 'powerLoss', 'reopen']) };
  }

  /** Operations take a random few turns, so that every interleaving has its chance. */
  private diskOptions(): { delay: () => Promise<void>; totalBytes?: number } {
    const prng = this.prng.fork('delay');
    const { totalBytes } = this.options;
    return {
      ...(totalBytes === undefined ? {} : { totalBytes }),
      delay: async () => {
        // oxlint-disable-next-line no-await-in-loop -- turns
        for (let turns = prng.below(4); turns > 0; turns--) await Promise.resolve();
      },
    };
  }

  async all(): Promise<void> {
    await this.open();
    for (let i = 0; i < this.options.operations; i++) {
      // oxlint-disable-next-line no-await-in-loop -- one step after another
      await this.step();
      if (this.failure !== undefined) throw this.failure;
    }
    await this.quiet();
    await this.reopen('reopen');
  }

  private count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  private async step(): Promise<void> {
    const { prng } = this;
    const chosen = prng.below(1000);
    const chunk = prng.pick(this.chunks);
    const maintenance = this.options.maintenance ?? 12;
    if (chosen < 710 && this.takesUpdate(chunk)) this.start(() => this.mutate(chunk));
    else if (chosen < 986 - maintenance) this.start(() => this.read(chunk));
    else if (chosen < 986) this.start(() => this.maintain());
    else if (chosen < 990) this.start(() => this.checkpoint());
    else if (chosen < 994) this.start(() => this.fill());
    else if (chosen < 997) await this.rig?.clock.advance(200);
    else if (chosen < 998) this.purge();
    else await this.reopen(prng.pick(['kill', 'powerLoss', 'powerLoss', 'reopen'] as const));
    if (this.inFlight.size > prng.below(12)) await Promise.race(this.inFlight);
    if (prng.chance(0.02)) await this.quiet();
  }

  private start(operation: () => Promise<void>): void {
    const { generation } = this;
    const running = operation()
      .catch((error: unknown) => {
        if (generation === this.generation) this.failure ??= error;
      })
      .finally(() => this.inFlight.delete(running));
    this.inFlight.add(running);
  }

  private async quiet(): Promise<void> {
    await Promise.all(this.inFlight);
    if (this.failure !== undefined) throw this.failure;
    for (const chunk of this.chunks) {
      chunk.states = [chunk.states.at(-1) as State];
      chunk.acked = 0;
    }
  }

  // --- updates -----------------------------------------------------------------------------------

  /** Where an update may be refused, the next one of the chunk waits for the answer: it builds on it. */
  private takesUpdate({ updates }: ModelChunk): boolean {
    return this.options.totalBytes === undefined || updates === 0;
  }

  /** Whether a full disk may refuse a change: never what needs no block. */
  private mayBeRefused({ bytes }: State, change: ChunkChange): boolean {
    if (this.options.totalBytes === undefined) return false;
    if (change.kind === 'truncate') return change.length > (bytes?.length ?? 0);
    return change.kind === 'write';
  }

  private async mutate(chunk: ModelChunk): Promise<void> {
    const { prng } = this;
    const before = chunk.states.at(-1) as State;
    const { name, change } = this.change(before);
    const expected = expectedError(before, change);
    const more = {
      target: chunk.target,
      checksumUnitBytes: chunk.chunk.index === 0 ? 16 * KiB : 4 * KiB,
      ...(before.bytes === undefined && prng.chance(0.5) && chunk.states.length === 1
        ? { fresh: true }
        : {}),
      ...(prng.chance(0.2) ? { expectedBytes: prng.below(this.chunkBytesMax) } : {}),
    };
    const update = updateOf(chunk.chunk, change, more);
    if (expected !== undefined) {
      this.count(`refused ${expected}`);
      // A full disk says so before it looks at the chunk.
      const full = this.mayBeRefused(before, change);
      await assert.rejects(
        this.engine().stage(update),
        (error) => isCoreError(error, expected) || (full && isCoreError(error, 'DISK_FULL')),
      );
      return;
    }
    if (prng.chance(0.02)) {
      await this.stageAndAbort(update, this.mayBeRefused(before, change));
      return;
    }
    await this.apply(chunk, name, change, more);
  }

  private async stageAndAbort(update: ChunkUpdate, mayBeRefused: boolean): Promise<void> {
    this.count('abort');
    try {
      (await this.engine().stage(update)).abort();
    } catch (error) {
      if (!mayBeRefused || !isCoreError(error, 'DISK_FULL')) throw error;
      this.count('refused DISK_FULL');
    }
  }

  private async apply(
    chunk: ModelChunk,
    name: string,
    change: ChunkChange,
    more: Partial<ChunkUpdate> = { target: chunk.target },
  ): Promise<void> {
    this.count(name);
    const before = chunk.states.at(-1) as State;
    const update = updateOf(chunk.chunk, change, more);
    const after = {
      bytes: changed(before.bytes, change),
      sealed: change.kind === 'remove' ? false : before.sealed || change.kind === 'seal',
    };
    const { generation } = this;
    chunk.states.push(after);
    const index = chunk.states.length - 1;
    const states = chunk.states;
    chunk.updates++;
    const refused = (error: unknown): 'refused' => {
      if (this.mayBeRefused(before, change) && isCoreError(error, 'DISK_FULL')) return 'refused';
      throw error;
    };
    const state = await this.engine().update(update).catch(refused);
    if (generation !== this.generation) return;
    chunk.updates--;
    assert.equal(states, chunk.states);
    if (state === 'refused') {
      this.count('refused DISK_FULL');
      this.counts[name] = (this.counts[name] ?? 0) - 1;
      assert.equal(states.pop(), after);
      return;
    }
    chunk.acked = Math.max(chunk.acked, index);
    assert.equal(state?.length, after.bytes?.length);
    assert.equal(state?.crc32c, after.bytes === undefined ? undefined : crc32c(after.bytes));
  }

  private change(before: State): { name: string; change: ChunkChange } {
    const { prng } = this;
    const length = before.bytes?.length ?? 0;
    const most = this.chunkBytesMax;
    if (this.options.patching === true && length > most / 2 && prng.chance(0.98)) {
      const offset = prng.below(length - 1);
      const bytes = Math.min(1 + prng.below(3000), length - offset);
      return { name: 'overwrite', change: this.write(offset, bytes) };
    }
    const chosen = prng.below(100);
    if (chosen < 40 && length > 0) {
      const offset = prng.below(length);
      return { name: 'overwrite', change: this.write(offset, this.size(most - offset)) };
    }
    if (chosen < 62 && length < most)
      return { name: 'append', change: this.write(length, this.size(most - length)) };
    if (chosen < 70 && length < most) {
      const offset = length + prng.below(most - length);
      return { name: 'gap', change: this.write(offset, this.size(most - offset)) };
    }
    if (chosen < 80) return { name: 'whole', change: this.write(0, this.size(most)) };
    if (chosen < 90) {
      const to = prng.chance(0.6) ? prng.below(length + 1) : prng.below(most);
      return { name: 'truncate', change: { kind: 'truncate', length: to } };
    }
    if (chosen < 99) return { name: 'remove', change: { kind: 'remove' } };
    return { name: 'seal', change: { kind: 'seal' } };
  }

  private write(offset: number, length: number): ChunkChange {
    const bytes = Buffer.allocUnsafe(length);
    // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
    if (length < 64) this.prng.fill(bytes);
    else {
      this.prng.fill(bytes.subarray(0, 64));
      // Repeats of a random piece of 61 bytes: cheap to make, and no two pages are alike.
      for (let at = 61; at < length; at *= 2) bytes.copyWithin(at, 0, at);
      bytes.writeUInt32BE(this.prng.u32(), length - 4);
    }
    return writeOf(offset, bytes);
  }

  /** Mostly small, sometimes up to `most`, often at page borders. */
  private size(most: number): number {
    const { prng } = this;
    const size = prng.pick([
      prng.below(200),
      prng.below(5000),
      prng.below(most) + 1,
      4 * KiB,
      (1 + prng.below(6)) * 4 * KiB,
    ]);
    return Math.max(0, Math.min(size, most));
  }

  // --- reads -------------------------------------------------------------------------------------

  private async read(chunk: ModelChunk): Promise<void> {
    this.count('read');
    const { generation, prng } = this;
    const from = chunk.acked;
    const { states } = chunk;
    const offset = prng.chance(0.4) ? 0 : prng.below(this.chunkBytesMax);
    const length = prng.chance(0.4) ? this.chunkBytesMax : prng.below(this.chunkBytesMax);
    const seen = await this.readRange(chunk, offset, length);
    if (generation !== this.generation || states !== chunk.states) return;
    const possible = states.slice(from).map((state) => slice(state, offset, length));
    assert.ok(
      possible.some((bytes) => same(bytes, seen)),
      `read ${describe(chunk)} [${offset}, +${length}): none of ${possible.length} states`,
    );
  }

  private async readRange(
    { target, chunk }: ModelChunk,
    offset: number,
    length: number,
  ): Promise<Buffer | undefined> {
    try {
      const read = await this.engine().read(target, chunk, offset, length);
      assert.equal(read.crc32c, crc32c(read.bytes));
      if (offset === 0 && length >= read.state.length)
        assert.equal(read.crc32c, read.state.crc32c, 'content checksum');
      return Buffer.from(read.bytes);
    } catch (error) {
      if (isCoreError(error, 'CHUNK_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  // --- background --------------------------------------------------------------------------------

  private async maintain(): Promise<void> {
    this.count('maintain');
    const { maintenance } = this;
    assert.ok(maintenance !== undefined);
    const { generation } = this;
    const before = this.maintaining;
    this.maintaining = (async () => {
      // One step at a time, as its driver promises.
      await before;
      if (generation === this.generation) await maintenance.step(128 * KiB);
    })();
    await this.maintaining;
  }

  private async checkpoint(): Promise<void> {
    this.count('checkpoint');
    await this.rig?.journal.checkpoint();
  }

  private engine(): Rig['engine'] {
    assert.ok(this.rig !== undefined);
    return this.rig.engine;
  }

  /** Most chunks go at once: slabs become sparse. */
  private purge(): void {
    this.count('purge');
    for (const chunk of this.chunks)
      if (this.prng.chance(0.8) && this.takesUpdate(chunk))
        this.start(() => this.apply(chunk, 'remove', { kind: 'remove' }));
    for (let i = 0; i < 20; i++) this.start(() => this.maintain());
  }

  /** Others take most of what is left of a small disk, or give it back. */
  private async fill(): Promise<void> {
    if (this.options.totalBytes === undefined || this.filling) return;
    this.filling = true;
    const { generation } = this;
    await this.toggleFiller(this.disk);
    if (generation === this.generation) this.filling = false;
  }

  private async toggleFiller(disk: SimDisk): Promise<void> {
    this.count('fill');
    if (disk.files().includes(filler)) return disk.remove(filler);
    const { freeBytes } = await disk.space();
    const file = await disk.open(filler, 'create');
    const bytes = Buffer.alloc(Math.floor(freeBytes * this.prng.pick([0.5, 0.9, 1])));
    // The engine may have been faster.
    await file.write([bytes], 0).catch((error: unknown) => {
      assert.equal((error as { code?: unknown }).code, 'ENOSPC');
    });
    await file.close();
  }

  // --- crashes -----------------------------------------------------------------------------------

  private async open(): Promise<void> {
    const tuning = this.options.tuning ?? smallTuning;
    this.rig = await openRig({ disk: this.disk, kv: this.kv, tuning });
    this.maintenance = new Maintenance(this.rig.engine);
    this.maintaining = Promise.resolve();
  }

  /** Every block and row accounted for, every byte as its checksums say. */
  private async verify(): Promise<void> {
    const engine = this.engine();
    const { ok, findings, table } = await checkStore(engine);
    assert.ok(ok, JSON.stringify({ findings: findings.slice(0, 5), table }));
    for (const target of engine.targets) {
      let next: ScrubCursor | undefined = { target, after: undefined };
      while (next !== undefined) {
        // oxlint-disable-next-line no-await-in-loop -- step after step
        const step: ScrubStep = await scrub(engine, next, 1024 * KiB);
        assert.deepEqual(step.findings, []);
        ({ next } = step);
      }
    }
  }

  /** With nothing to do for the second one. */
  private async checkpointTwice(): Promise<void> {
    await this.checkpoint();
    await this.checkpoint();
  }

  private async reopen(how: 'kill' | 'powerLoss' | 'reopen'): Promise<void> {
    const { prng } = this;
    this.count(how);
    if (how === 'reopen') {
      await this.quiet();
      if (prng.chance(0.2)) await this.checkpointTwice();
      await this.rig?.journal.close();
    }
    // Whatever still runs on the old devices no longer counts.
    this.generation++;
    this.inFlight = new Set();
    this.filling = false;
    this.crash(how);
    await this.open();
    await this.verify();
    for (const chunk of this.chunks) {
      // oxlint-disable-next-line no-await-in-loop -- one chunk after another
      const seen = await this.readRange(chunk, 0, this.chunkBytesMax);
      // oxlint-disable-next-line no-await-in-loop
      const state = await this.engine().stat(chunk.target, chunk.chunk);
      const possible = chunk.states.slice(chunk.acked);
      const found = possible.findLast(
        ({ bytes, sealed }) => same(bytes, seen) && (state?.sealed ?? false) === sealed,
      );
      assert.ok(
        found !== undefined,
        `after ${how}: ${describe(chunk)} is in none of its ${possible.length} possible states`,
      );
      chunk.states = [found];
      chunk.acked = 0;
      chunk.updates = 0;
    }
  }

  private crash(how: 'kill' | 'powerLoss' | 'reopen'): void {
    const { prng } = this;
    const options = this.diskOptions();
    if (how !== 'powerLoss') {
      this.disk = this.disk.copy(options);
      this.kv = this.kv.copy(options);
      return;
    }
    const kept = prng.pick([0, 0.1, 0.5, 0.9, 1]);
    this.disk = this.disk.crash(() => prng.chance(kept), options);
    this.kv = this.kv.crash(() => prng.chance(kept), options);
  }
}

const filler = 'filler';

function expectedError({ bytes, sealed }: State, change: ChunkChange): ErrorName | undefined {
  if (change.kind === 'remove') return undefined;
  if (bytes === undefined && change.kind !== 'write') return 'CHUNK_NOT_FOUND';
  return sealed && change.kind !== 'seal' ? 'CHUNK_SEALED' : undefined;
}

function slice({ bytes }: State, offset: number, length: number): Buffer | undefined {
  return bytes?.subarray(offset, offset + length);
}

function same(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

function describe({ target, chunk }: ModelChunk): string {
  return `chunk ${target}/${chunk.blob}/${chunk.index}`;
}
