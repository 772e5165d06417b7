// Every state in which a power loss can leave the devices of a recorded run: each chunk must be in the state
// of its last acknowledged update or a later one, the store must pass its check, and what was shown must
// survive a second power loss. LAMPYR_CRASH_SUBSETS and LAMPYR_CRASH_SINGLES take more states per
// point, LAMPYR_CRASH_UPDATES longer runs.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import { KiB } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import { checkStore } from '../../../core/store/check.ts';
import { Maintenance } from '../../../core/store/maintenance.ts';
import type { ChunkChange } from '../../../core/store/types.ts';
import { type CrashState, crashStates } from '../../sim/crash-states.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { Trace } from '../../sim/trace.ts';
import {
  type Rig,
  changed,
  chunkOf,
  openRig,
  smallTuning,
  target1,
  updateOf,
  writeOf,
} from './engine-rig.ts';

const randomSubsets = Number(process.env['LAMPYR_CRASH_SUBSETS'] ?? 1);
const singlesMax = Number(process.env['LAMPYR_CRASH_SINGLES'] ?? 1);
const updates = Number(process.env['LAMPYR_CRASH_UPDATES'] ?? 25);
const blobs = [1, 2, 3, 4, 5, 6];
const tuning = {
  ...smallTuning,
  slabBytesMin: 8 * KiB,
  slabBytesMax: 32 * KiB,
  journaledBytesMax: 6 * KiB,
};
const segmentBytes = 64 * KiB;
const timeout = 2 * 3_600_000;

interface Acknowledged {
  readonly blob: number;
  /** Index into the states of the chunk. */
  readonly state: number;
}

/** States of each chunk, the absent one first. */
type States = Map<number, (Buffer | undefined)[]>;

function open(disk: SimDisk, kv: SimKv): Promise<Rig> {
  return openRig({ disk, kv, tuning, segmentBytes });
}

function random(bytes: number, prng: Prng): Buffer {
  const buffer = Buffer.alloc(bytes);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
  prng.fill(buffer);
  return buffer;
}

function changeOf(prng: Prng, before: Buffer | undefined): ChunkChange {
  const length = before?.length ?? 0;
  const small = (): Buffer => random(1 + prng.below(3000), prng);
  const large = (): Buffer => random(7 * KiB + prng.below(8 * KiB), prng);
  const bytes = prng.chance(0.6) ? small() : large();
  if (length === 0) return writeOf(0, bytes);
  const chosen = prng.below(10);
  if (chosen < 2) return writeOf(0, bytes);
  if (chosen < 5) return writeOf(prng.below(length), small());
  if (chosen < 7 && length < 24 * KiB) return writeOf(length, bytes);
  if (chosen < 8) return { kind: 'truncate', length: prng.below(length + 2000) };
  return chosen < 9 ? { kind: 'remove' } : writeOf(length + prng.below(5000), small());
}

/** Updates in bursts, beside checkpoints and maintenance; marks what was acknowledged. */
async function record(prng: Prng, count: number): Promise<{ trace: Trace; states: States }> {
  const trace = new Trace();
  const rig = await open(new SimDisk({ trace }), new SimKv({ trace }));
  const maintenance = new Maintenance(rig.engine);
  const states: States = new Map(blobs.map((blob) => [blob, [undefined]]));
  let running: Promise<unknown>[] = [];
  for (let i = 0; i < count; i++) {
    const blob = prng.pick(blobs);
    const history = states.get(blob) as (Buffer | undefined)[];
    const change = changeOf(prng, history.at(-1));
    const before = history.at(-1);
    if (change.kind === 'truncate' && before === undefined) continue;
    const state = history.push(changed(before, change)) - 1;
    running.push(
      rig.engine.update(updateOf(chunkOf(blob), change)).then(() => trace.mark({ blob, state })),
    );
    if (prng.chance(0.1)) running.push(rig.journal.checkpoint());
    // oxlint-disable no-await-in-loop -- bursts of random length
    if (prng.chance(0.1)) await maintenance.step(16 * KiB);
    if (prng.chance(0.5)) {
      await Promise.all(running);
      running = [];
    }
    // oxlint-enable no-await-in-loop
  }
  await Promise.all(running);
  return { trace, states };
}

/** Which state each chunk is in. */
async function shown(rig: Rig, states: States, from: ReadonlyMap<number, number>) {
  const found = new Map<number, Buffer | undefined>();
  for (const [blob, history] of states) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const bytes = await contentOf(rig, blob);
    const possible = history.slice(from.get(blob) ?? 0);
    assert.ok(
      possible.some((state) => same(state, bytes)),
      `chunk ${blob} is in none of its ${possible.length} possible states`,
    );
    found.set(blob, bytes);
  }
  return found;
}

async function contentOf(rig: Rig, blob: number): Promise<Buffer | undefined> {
  try {
    return Buffer.from((await rig.engine.read(target1, chunkOf(blob), 0, 64 * KiB)).bytes);
  } catch (error) {
    if (isCoreError(error, 'CHUNK_NOT_FOUND')) return undefined;
    throw error;
  }
}

function same(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

async function checkState(state: CrashState, states: States): Promise<void> {
  const acknowledged = new Map<number, number>();
  for (const mark of state.marks as Acknowledged[])
    acknowledged.set(mark.blob, Math.max(mark.state, acknowledged.get(mark.blob) ?? 0));
  const rig = await open(state.disk, state.kv);
  const seen = await shown(rig, states, acknowledged);
  const { ok, findings, table } = await checkStore(rig.engine);
  assert.ok(ok, JSON.stringify({ findings, table }));
  await rig.engine.update(updateOf(chunkOf(99), writeOf(0, Buffer.alloc(5000, 9))));
  const again = await open(
    state.disk.crash(() => false),
    state.kv.crash(() => false),
  );
  for (const [blob, bytes] of seen)
    // oxlint-disable-next-line no-await-in-loop -- one after another
    assert.ok(same(await contentOf(again, blob), bytes), `chunk ${blob} after a second power loss`);
  assert.deepEqual(await contentOf(again, 99), Buffer.alloc(5000, 9));
}

describe('chunk engine: every crash state shows what was acknowledged', () => {
  for (const seed of [1, 2])
    it(`power loss, seed ${seed}`, { timeout }, async (t) => {
      const prng = new Prng(`engine crash ${seed}`);
      const { trace, states } = await record(prng, updates);
      let count = 0;
      for (const state of crashStates(trace, { prng, randomSubsets, singlesMax })) {
        count++;
        try {
          // oxlint-disable-next-line no-await-in-loop -- state after state
          await checkState(state, states);
        } catch (error) {
          throw new Error(`at event ${state.point}, ${state.label}: ${(error as Error).message}`, {
            cause: error,
          });
        }
      }
      t.diagnostic(`${count} distinct states of ${trace.events.length} events`);
      assert.ok(count > 100);
    });
});
