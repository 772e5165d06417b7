// A replicated target under power loss and under kill -9 followed by power loss: pending updates and commits, whole
// chunks, removals, the exactly-once table. Each chunk is, with its tag, in the state of its last acknowledged or shown
// step or a later one, both contents readable; a commit is there with any later write.

import assert from 'node:assert/strict';
import { crc32c } from '../../../core/base/crc32c.ts';
import type { ChainVer, ChunkId, UpdateVer } from '../../../core/base/ids.ts';
import { KiB } from '../../../core/base/limits.ts';
import type { TargetEnv } from '../../../core/replica/host.ts';
import type { FullContent, StoreWrite, UpdateBody } from '../../../core/replica/types.ts';
import { checkStore } from '../../../core/store/check.ts';
import { Maintenance } from '../../../core/store/maintenance.ts';
import type { UpdateTag } from '../../../core/store/types.ts';
import type { DiskImage } from '../../sim/cluster/target-disk.ts';
import type { Check, CrashRunOptions, CrashSubject, Life } from '../../sim/crash-run.ts';
import type { SimDevices } from '../../sim/devices.ts';
import { type Rig, chunkOf, openForCrashes } from './engine-rig.ts';
import { envOf, imageOf } from './target-image.ts';

const blobs = [1, 2, 3];
const newBlob = 99;
/** Offset, bytes, whether it is committed or dropped. */
const appends = [
  [0, 9000, true],
  [9000, 8000, true],
  [17_000, 5000, false],
  [17_000, 9000, true],
] as const;

/** A chunk's rows and tag, printed. */
type State = string;

interface Shown {
  /** By blob, as of the opening and every step since. */
  readonly states: Map<number, State[]>;
}

type Mark = Shown | { readonly blob: number; readonly state: number };

const openOn = (devices: SimDevices): Promise<Rig> => openForCrashes(devices, 64 * KiB);

/** Tags of a chunk are those of one channel. */
function tagOf(blob: number, sequence: number): UpdateTag {
  return { session: 5 as UpdateTag['session'], channel: blob, sequence };
}

function stateOf(image: DiskImage, blob: number): State {
  const { committed, pending } = image.row(chunkOf(blob)) ?? {};
  const tag = image.tags.get(`5/${blob}`)?.sequence;
  return JSON.stringify([committed, pending, tag].map((value) => sorted(value)));
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.entries(value)
    .map(([key, each]) => [key, sorted(each)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

// --- a life --------------------------------------------------------------------------------------

class TargetLife {
  private readonly life: Life;
  private readonly env: TargetEnv;
  private readonly image: DiskImage;
  private readonly states: Map<number, State[]>;
  /** Chunks with a write on its way. */
  private readonly busy = new Set<number>();
  private readonly running: Promise<void>[] = [];
  private sequence = 1;

  constructor(life: Life, env: TargetEnv, image: DiskImage, states: Map<number, State[]>) {
    this.life = life;
    this.env = env;
    this.image = image;
    this.states = states;
    for (const { sequence } of image.tags.values())
      this.sequence = Math.max(this.sequence, sequence + 1);
  }

  settled(): Promise<unknown> {
    return Promise.all(this.running.splice(0));
  }

  /** One step of a chunk, or of all of them. */
  step(): void {
    const { prng } = this.life;
    if (prng.chance(0.06)) this.forget();
    const blob = prng.pick(blobs);
    if (this.busy.has(blob)) return;
    const pending = this.image.row(chunkOf(blob))?.pending;
    if (pending !== undefined && prng.chance(0.8)) this.commit(blob);
    else if (pending !== undefined || prng.chance(0.15)) this.put(blob, this.whole(blob));
    else this.put(blob, this.update(blob));
  }

  /** An append that went into the journal is dropped, and one that is too large for it follows. */
  async dropped(): Promise<void> {
    const [blob] = blobs as [number];
    for (const [offset, bytes, commit] of appends) {
      const shape = { expectedBytes: 32 * KiB };
      const body = { ...this.writeOf(offset, this.random(bytes)), shape };
      this.put(blob, { kind: 'pending', ...this.parts(blob), body });
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await this.settled();
      if (commit) this.commit(blob);
      else this.forget();
    }
  }

  /** A whole chunk over a pending update; then it goes. */
  async refilled(): Promise<void> {
    const [, blob] = blobs as [number, number];
    const content = (): FullContent => this.content();
    this.put(blob, {
      kind: 'pending',
      ...this.parts(blob),
      body: { kind: 'full', content: content() },
    });
    await this.settled();
    this.put(blob, { kind: 'replace', ...this.parts(blob), content: content() });
    await this.settled();
    this.put(blob, { kind: 'erase', ...this.parts(blob) });
  }

  private push(blob: number): void {
    const history = this.states.get(blob) as State[];
    history.push(stateOf(this.image, blob));
  }

  private commit(blob: number): void {
    this.env.commit(chunkOf(blob));
    this.image.commit(chunkOf(blob));
    this.push(blob);
  }

  private put(blob: number, write: StoreWrite): void {
    this.busy.add(blob);
    this.image.apply(write);
    this.push(blob);
    this.write(write, [blob]);
  }

  /** All pending updates and then the table: in this order, but not in one step. */
  private forget(): void {
    const before = this.image.copy();
    this.image.apply({ kind: 'forget' });
    const dropped = this.image.copy();
    for (const [key, tag] of before.tags) dropped.tags.set(key, tag);
    for (const blob of blobs) {
      if (before.row(chunkOf(blob))?.pending !== undefined)
        (this.states.get(blob) as State[]).push(stateOf(dropped, blob));
      this.push(blob);
    }
    this.write({ kind: 'forget' }, []);
  }

  /** Once it is acknowledged, all that was asked for before it of these chunks is there, and every commit. */
  private write(write: StoreWrite, ofBlobs: readonly number[]): void {
    const { trace } = this.life;
    const known = [...this.states].map(([blob, { length }]) => ({ blob, state: length - 1 }));
    const implied = known.filter(
      ({ blob }) => write.kind === 'forget' || ofBlobs.includes(blob) || !this.busy.has(blob),
    );
    const done = new Promise<void>((resolve) => {
      this.env.persist(write, (outcome) => {
        assert.deepEqual(outcome, { ok: true });
        for (const mark of implied) trace.mark(mark satisfies Mark);
        for (const blob of ofBlobs) this.busy.delete(blob);
        resolve();
      });
    });
    this.running.push(done);
  }

  private random(length?: number): Buffer {
    const { prng } = this.life;
    const any = prng.chance(0.6) ? 1 + prng.below(3000) : 7 * KiB + prng.below(8 * KiB);
    const bytes = Buffer.alloc(length ?? any);
    // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
    prng.fill(bytes);
    return bytes;
  }

  private content(): FullContent {
    const bytes = this.random();
    return { bytes, crc32c: crc32c(bytes), sealed: false };
  }

  private parts(blob: number): {
    readonly chunk: ChunkId;
    readonly identity: { readonly version: UpdateVer; readonly assigned: ChainVer };
    readonly tag: UpdateTag;
  } {
    const chunk = chunkOf(blob);
    const { committed, pending } = this.image.row(chunk) ?? {};
    const version = (Math.max(committed?.version ?? 0, pending?.version ?? 0) + 1) as UpdateVer;
    const assigned = (1 + this.life.prng.below(3)) as ChainVer;
    return { chunk, identity: { version, assigned }, tag: tagOf(blob, this.sequence++) };
  }

  private whole(blob: number): StoreWrite {
    if (this.life.prng.chance(0.3)) return { kind: 'erase', ...this.parts(blob) };
    return { kind: 'replace', ...this.parts(blob), content: this.content() };
  }

  private writeOf(offset: number, bytes: Buffer): Extract<UpdateBody, { kind: 'change' }> {
    return { kind: 'change', change: { kind: 'write', offset, bytes, crc32c: crc32c(bytes) } };
  }

  private update(blob: number): StoreWrite {
    const { prng } = this.life;
    const length = this.image.row(chunkOf(blob))?.committed?.length;
    // A chunk that will grow gets a block that it can grow in.
    const shape = { expectedBytes: prng.pick([0, 24 * KiB]) };
    const write = (offset: number): UpdateBody => ({
      ...this.writeOf(offset, this.random()),
      shape,
    });
    const body = ((): UpdateBody => {
      if (length === undefined) return write(0);
      const chosen = prng.below(10);
      if (chosen < 1) return { kind: 'remove' };
      if (chosen < 2) return { kind: 'full', content: this.content() };
      if (chosen < 3)
        return { kind: 'change', change: { kind: 'truncate', length: prng.below(length + 2000) } };
      return write(chosen < 7 && length < 24 * KiB ? length : prng.below(length + 1));
    })();
    return { kind: 'pending', ...this.parts(blob), body };
  }
}

async function live(devices: SimDevices, life: Life): Promise<void> {
  const { prng, trace, updates } = life;
  const rig = await openOn(devices);
  const env = envOf(rig);
  const image = await imageOf(env);
  const states = shownBy(image, life.before as Mark[]);
  trace.mark({ states } satisfies Mark);
  const maintenance = new Maintenance(rig.engine);
  const target = new TargetLife(life, env, image, states);
  if (life.before.length === 0) {
    await target.dropped();
    await target.refilled();
  }
  for (let i = 0; i < 2 * updates; i++) {
    target.step();
    // oxlint-disable no-await-in-loop -- bursts of random length
    if (prng.chance(0.5)) await target.settled();
    if (prng.chance(0.08)) await rig.journal.checkpoint();
    if (prng.chance(0.08)) await maintenance.step(16 * KiB);
    // oxlint-enable no-await-in-loop
  }
  await target.settled();
}

// --- what is left --------------------------------------------------------------------------------

/** @throws when a chunk is in a state that the marks rule out */
function shownBy(image: DiskImage, marks: readonly Mark[]): Map<number, State[]> {
  let states = new Map<number, State[]>();
  const acknowledged = new Map<number, number>();
  for (const mark of marks) {
    if ('states' in mark) {
      ({ states } = mark);
      acknowledged.clear();
    } else acknowledged.set(mark.blob, Math.max(mark.state, acknowledged.get(mark.blob) ?? 0));
  }
  const empty = JSON.stringify([null, null, null]);
  const shown = new Map<number, State[]>();
  for (const blob of blobs) {
    const state = stateOf(image, blob);
    const possible = (states.get(blob) ?? [empty]).slice(acknowledged.get(blob) ?? 0);
    assert.ok(
      possible.includes(state),
      `chunk ${blob} is in none of its ${possible.length} possible states: ${state}\n${possible.join('\n')}`,
    );
    shown.set(blob, [state]);
  }
  return shown;
}

async function check(
  devices: SimDevices,
  marks: readonly unknown[],
  { thorough }: Check,
): Promise<void> {
  const rig = await openOn(devices);
  const env = envOf(rig);
  const states = shownBy(await imageOf(env), marks as Mark[]);
  const { ok, findings, table } = await checkStore(rig.engine);
  assert.ok(ok, JSON.stringify({ findings, table }));
  if (!thorough) return;
  // Whoever was pending is brought to its end, and another update is durable behind it.
  for (const chunk of env.pendingChunks()) env.commit(chunk);
  const bytes = Buffer.alloc(5000, 9);
  const content = { bytes, crc32c: crc32c(bytes), sealed: false };
  const identity = { version: 1 as UpdateVer, assigned: 1 as ChainVer };
  const after = await imageOf(env);
  await new Promise((resolve) => {
    env.persist(
      { kind: 'replace', chunk: chunkOf(newBlob), identity, tag: undefined, content },
      resolve,
    );
  });
  const again = await imageOf(envOf(await openOn(devices.crash(() => false))));
  for (const blob of states.keys())
    assert.equal(stateOf(again, blob), stateOf(after, blob), `chunk ${blob} after a second loss`);
  assert.deepEqual(again.chunks.get(`${newBlob}/0`)?.committed?.bytes, bytes);
}

export const subject: CrashSubject = { live, check };
export const options: CrashRunOptions = {
  name: 'target',
  updates: 7,
  updatesAfter: 2,
  secondEvery: 120,
  makingEvery: 0,
  states: 800,
  marks: [
    'draft.appendDirect',
    'draft.appendJournaled',
    'draft.foldDropped',
    'engine.checkpoint',
    'engine.replay',
    'engine.replayCommit',
    'engine.replayCommitted',
    'target.commit',
    'target.erase',
    'target.forget',
    'target.overPending',
    'target.pending',
    'target.replace',
  ],
};
/** For the thread that runs it. */
export const { url } = import.meta;
