// The chunk engine under power loss and under kill -9 followed by power loss: each chunk is in the state of its
// last acknowledged or shown update or a later one, and blocks, rows and files agree.

import assert from 'node:assert/strict';
import { isCoreError } from '../../../core/base/errors.ts';
import type { ChainVer } from '../../../core/base/ids.ts';
import { KiB } from '../../../core/base/limits.ts';
import type { Prng } from '../../../core/base/prng.ts';
import { checkStore } from '../../../core/store/check.ts';
import { Maintenance } from '../../../core/store/maintenance.ts';
import type { ChunkChange } from '../../../core/store/types.ts';
import type { Check, CrashRunOptions, CrashSubject, Life } from '../../sim/crash-run.ts';
import type { SimDevices } from '../../sim/devices.ts';
import {
  type Rig,
  changed,
  chunkOf,
  openForCrashes,
  target1,
  updateOf,
  writeOf,
} from './engine-rig.ts';

const blobs = [1, 2, 3, 4];
/** A chunk that no run knows. */
const newBlob = 99;

type Content = Buffer | undefined;

/** What a life showed when it opened, and what its updates then made of each chunk, one state each. */
interface Shown {
  readonly states: Map<number, Content[]>;
  /** Chain version that the target's superblock notes. */
  readonly served: number;
}

type Mark =
  | Shown
  | { readonly blob: number; readonly state: number }
  /** `noteServed` returned. */
  | { readonly noted: number };

const openOn = (devices: SimDevices): Promise<Rig> => openForCrashes(devices, 32 * KiB);

function random(bytes: number, prng: Prng): Buffer {
  const buffer = Buffer.alloc(bytes);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
  prng.fill(buffer);
  return buffer;
}

function changeOf(prng: Prng, before: Content): ChunkChange {
  const length = before?.length ?? 0;
  const small = (): Buffer => random(1 + prng.below(3000), prng);
  const large = (): Buffer => random(7 * KiB + prng.below(8 * KiB), prng);
  const bytes = prng.chance(0.6) ? small() : large();
  if (length === 0) return writeOf(0, bytes);
  const chosen = prng.below(10);
  if (chosen < 3) return writeOf(0, bytes);
  if (chosen < 5) return writeOf(prng.below(length), small());
  if (chosen < 7 && length < 24 * KiB) return writeOf(length, bytes);
  if (chosen < 8) return { kind: 'truncate', length: prng.below(length + 2000) };
  return chosen < 9 ? { kind: 'remove' } : writeOf(length + prng.below(5000), small());
}

/** Updates in bursts, beside checkpoints and maintenance; then most chunks go, and with them their slabs. */
async function live(devices: SimDevices, life: Life): Promise<void> {
  const { prng, trace, updates } = life;
  const rig = await openOn(devices);
  const { states, served } = await shownBy(rig, life.before as Mark[]);
  trace.mark({ states, served } satisfies Mark);
  const maintenance = new Maintenance(rig.engine);
  const running: Promise<unknown>[] = [];
  const update = (blob: number, change: ChunkChange, grows = prng.chance(0.5)): void => {
    const history = states.get(blob) as Content[];
    const state = history.push(changed(history.at(-1), change)) - 1;
    const acknowledge = (): void => trace.mark({ blob, state } satisfies Mark);
    // A chunk that will grow gets a block that it can grow in.
    const more = grows ? { expectedBytes: 24 * KiB } : {};
    running.push(rig.engine.update(updateOf(chunkOf(blob), change, more)).then(acknowledge));
  };
  // Large blocks with bytes in the journal are freed and wanted for bytes that are written directly.
  const replace = async (blob: number): Promise<void> => {
    for (const bytes of [5000, 9 * KiB, 9 * KiB]) {
      update(blob, writeOf(0, random(bytes, prng)), true);
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await Promise.all(running.splice(0));
    }
  };
  let version = served;
  for (let i = 0; i < updates; i++) {
    const blob = prng.pick(blobs);
    // oxlint-disable-next-line no-await-in-loop -- now and then
    if (prng.chance(0.1)) await replace(blob);
    update(blob, changeOf(prng, states.get(blob)?.at(-1)));
    if (prng.chance(0.1)) running.push(rig.journal.checkpoint());
    // oxlint-disable no-await-in-loop -- bursts of random length
    if (prng.chance(0.1)) await maintenance.step(16 * KiB);
    if (prng.chance(0.2)) {
      const noted = ++version;
      await rig.engine.noteServed(target1, noted as ChainVer);
      trace.mark({ noted } satisfies Mark);
    }
    if (prng.chance(0.5)) await Promise.all(running.splice(0));
    // oxlint-enable no-await-in-loop
  }
  await Promise.all(running.splice(0));
  for (const [blob, history] of states)
    if (blob > 1 && history.at(-1) !== undefined) update(blob, { kind: 'remove' });
  await Promise.all(running);
  // oxlint-disable-next-line no-await-in-loop -- step after step
  for (let steps = 0; steps < 3; steps++) await maintenance.step(16 * KiB);
}

/** The content of each chunk, each a history that begins, and the noted version. */
async function shownBy(rig: Rig, marks: readonly Mark[]): Promise<Shown> {
  let states = new Map(blobs.map((blob): [number, Content[]] => [blob, [undefined]]));
  let noted = 0;
  const acknowledged = new Map<number, number>();
  for (const mark of marks) {
    if ('states' in mark) {
      ({ states, served: noted } = mark);
      acknowledged.clear();
    } else if ('noted' in mark) ({ noted } = mark);
    else acknowledged.set(mark.blob, Math.max(mark.state, acknowledged.get(mark.blob) ?? 0));
  }
  const shown = new Map<number, Content[]>();
  for (const [blob, history] of states) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const bytes = await contentOf(rig, blob);
    const possible = history.slice(acknowledged.get(blob) ?? 0);
    assert.ok(
      possible.some((state) => same(state, bytes)),
      `chunk ${blob} is in none of its ${possible.length} possible states`,
    );
    shown.set(blob, [bytes]);
  }
  const served = rig.engine.parts.targets.get(target1)?.value.servedVersion ?? 0;
  assert.ok(served === noted || served === noted + 1, `served ${served}, noted ${noted}`);
  return { states: shown, served };
}

async function contentOf(rig: Rig, blob: number): Promise<Content> {
  try {
    return Buffer.from((await rig.engine.read(target1, chunkOf(blob), 0, 64 * KiB)).bytes);
  } catch (error) {
    if (isCoreError(error, 'CHUNK_NOT_FOUND')) return undefined;
    throw error;
  }
}

function same(a: Content, b: Content): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

async function check(
  devices: SimDevices,
  marks: readonly unknown[],
  { thorough }: Check,
): Promise<void> {
  const rig = await openOn(devices);
  const shown = await shownBy(rig, marks as Mark[]);
  const { ok, findings, table } = await checkStore(rig.engine);
  assert.ok(ok, JSON.stringify({ findings, table }));
  if (!thorough) return;
  const bytes = Buffer.alloc(5000, 9);
  await rig.engine.update(updateOf(chunkOf(newBlob), writeOf(0, bytes)));
  const again = await openOn(devices.crash(() => false));
  for (const [blob, [content]] of shown.states)
    // oxlint-disable-next-line no-await-in-loop -- one after another
    assert.ok(same(await contentOf(again, blob), content), `chunk ${blob} after a second loss`);
  assert.deepEqual(await contentOf(again, newBlob), bytes, 'the update before the second loss');
}

export const subject: CrashSubject = { live, check };
export const options: CrashRunOptions = {
  name: 'slabs',
  updates: 9,
  updatesAfter: 2,
  secondEvery: 80,
  makingEvery: 4,
  states: 4500,
  marks: [
    'allocator.warmReuse',
    'draft.appendDirect',
    'draft.appendJournaled',
    'draft.fold',
    'draft.patch',
    'engine.checkpoint',
    'engine.replay',
    'placements.cancel',
    'space.leftover',
    'space.made',
    'space.removed',
  ],
};
/** For the thread that runs it. */
export const { url } = import.meta;
