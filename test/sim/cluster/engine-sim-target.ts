// A target of the simulated cluster on the real chunk engine, on simulated devices whose operations take virtual time. A
// kill leaves what the page cache had, or is a power loss that keeps any part of what was not synced. Beside the
// engine goes an image in memory of what it was given: every look-up is compared with it, and in the end every byte.

import assert from 'node:assert/strict';
import type { ChainVer, TargetId } from '../../../core/base/ids.ts';
import { KiB } from '../../../core/base/limits.ts';
import { silentEvents } from '../../../core/env/events.ts';
import { EngineTarget } from '../../../core/replica/engine-target.ts';
import type { TargetEnv } from '../../../core/replica/host.ts';
import { type ReplicaRow, chunkKey } from '../../../core/replica/types.ts';
import { checkStore } from '../../../core/store/check.ts';
import {
  chunkStoreExists,
  createChunkStore,
  openChunkStore,
} from '../../../core/store/chunk-store.ts';
import type { ChunkEngine } from '../../../core/store/engine.ts';
import { openJournal } from '../../../core/store/journal-open.ts';
import { scrub } from '../../../core/store/scrub.ts';
import type { TargetStore } from '../../../core/store/target-store.ts';
import { smallTuning } from '../../core/store/engine-rig.ts';
import { imageOf } from '../../core/store/target-image.ts';
import { SimDevices } from '../devices.ts';
import { simRng } from '../rng.ts';
import { pointOfMessage, pointOfWrite } from './fault-points.ts';
import { Crashed } from './process.ts';
import { type ClusterTarget, type SimTargetParts, tellObserver } from './sim-target.ts';
import type { DiskImage } from './target-disk.ts';

/** The devices of a disk outlive the process; a new image in the target's place is a new disk. */
const devicesOf = new WeakMap<DiskImage, SimDevices>();

const clusterId = new Uint8Array(16).fill(3);

interface Opened {
  readonly engine: ChunkEngine;
  readonly store: TargetStore;
  readonly env: TargetEnv;
  readonly view: DiskImage;
}

export class EngineSimTarget implements ClusterTarget {
  private readonly parts: SimTargetParts;
  private readonly id: TargetId;
  private readonly devices: SimDevices;
  private opened: Opened | undefined;
  slowness = 1;
  private failing = false;

  constructor(parts: SimTargetParts) {
    this.parts = parts;
    this.id = parts.id;
    const { prng } = parts.world;
    const delay = (operation: string): Promise<void> =>
      new Promise((resolve) => {
        const ms = operation === 'sync' ? 0.2 + prng.unit() : 0.01 + 0.05 * prng.unit();
        parts.later(ms * this.slowness, resolve);
      });
    this.devices = (devicesOf.get(parts.image) ?? new SimDevices()).copy({ delay });
  }

  // --- the process -------------------------------------------------------------------------------

  open(ready: () => void): void {
    void this.run(async () => {
      this.opened = await this.openEngine();
      this.parts.later(0, ready);
    });
  }

  /** What fails is the run's, unless the disk was made to fail. */
  private async run(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { world, observer, onIoError } = this.parts;
      if (this.failing) {
        onIoError();
        return;
      }
      observer.violations.push(`target ${this.id} at ${world.nowMs}: ${(error as Error).stack}`);
    }
  }

  private async openEngine(): Promise<Opened> {
    const { world, image, later } = this.parts;
    const { disk } = this.devices;
    const kv = this.devices.kv();
    const events = silentEvents;
    const clock = {
      now: () => world.nowMs,
      wallMs: () => world.nowMs,
      after: (ms: number, fire: () => void) => {
        let cancelled = false;
        later(ms, () => {
          if (!cancelled) fire();
        });
        return { cancel: () => void (cancelled = true) };
      },
    };
    const rng = simRng(image.identity);
    const targets = [this.id];
    if (!(await chunkStoreExists(disk)))
      await createChunkStore({ disk, kv, events, clock, rng, clusterId, targets });
    const tuning = smallTuning;
    const engine = await openChunkStore({ disk, kv, events, clusterId, targets, tuning });
    const segmentBytes = 64 * KiB;
    const sizes = { segmentBytes, segmentsMin: 2, segmentsMax: 4 };
    const users = [engine];
    const directory = 'journal';
    const journal = await openJournal({ disk, directory, users, events, clock, rng, ...sizes });
    engine.serve(journal);
    const store = engine.target(this.id);
    // A chain is made with its targets, which have noted its first version.
    if (store.noted < image.noted) await store.note(image.noted);
    const { send, reach } = this.parts;
    const target = new EngineTarget({
      store,
      send: (to, message) => {
        send(to, message);
        reach(pointOfMessage(message));
      },
      after: later,
      failed: (reason) => this.onFailed(reason),
    });
    return { engine, store, env: target.env, view: await imageOf(target.env) };
  }

  private onFailed(reason: string): void {
    const { observer, onIoError } = this.parts;
    if (!this.failing) observer.violations.push(`target ${this.id} failed: ${reason}`);
    onIoError();
  }

  /** The next sync fails, and with it the disk. */
  set failNext(fails: boolean) {
    this.failing ||= fails;
    this.devices.disk.healFaults();
    if (fails) this.devices.disk.inject({ operation: 'sync', code: 'EIO', once: true });
  }

  get failNext(): boolean {
    return this.failing;
  }

  crash(): void {
    const { prng } = this.parts.world;
    const kept = prng.pick([0, 0.5, 1]);
    const left = prng.chance(0.5)
      ? this.devices.copy()
      : this.devices.crash(() => prng.chance(kept));
    devicesOf.set(this.parts.image, left);
    this.opened = undefined;
  }

  // --- what the replica sees ---------------------------------------------------------------------

  private use(): Opened {
    assert.ok(this.opened !== undefined, 'the target is open');
    return this.opened;
  }

  get noted(): ChainVer {
    return this.use().store.noted;
  }

  get durable(): DiskImage {
    return this.use().view;
  }

  get env(): TargetEnv {
    const { env, view, store } = this.use();
    const { parts } = this;
    return {
      ...env,
      row: (chunk) => {
        const row = env.row(chunk);
        const expected = view.row(chunk);
        // A write is durable a moment before its callback runs.
        if (row?.pending !== undefined && expected?.pending === undefined) return expected;
        this.compare(chunkKey(chunk), row, expected);
        return row;
      },
      rows: (after, limit, done) => env.rows(after, limit, (page) => this.step(() => done(page))),
      read: (chunk, which, range, done) =>
        env.read(chunk, which, range, (bytes) => this.step(() => done(bytes))),
      persist: (write, done) => {
        env.persist(write, (outcome) =>
          this.step(() => {
            if (outcome.ok) {
              view.apply(write);
              tellObserver(parts, write, parts.serves());
              if (write.kind === 'note') parts.image.noted = store.noted;
            }
            parts.reach(pointOfWrite('durable', write));
            done(outcome);
          }),
        );
        parts.reach(pointOfWrite('persist', write));
      },
      commit: (chunk) => {
        const pending = view.chunks.get(chunkKey(chunk))?.pending;
        assert.ok(pending !== undefined, 'what is committed is pending');
        const { state: update, bytes } = pending;
        parts.observer.committed(parts.id, { chunk, update, bytes, serves: parts.serves() });
        env.commit(chunk);
        view.commit(chunk);
        parts.reach('commit');
      },
    };
  }

  /** A callback of the engine, in which the process may die; it has none after that. */
  private step(what: () => void): void {
    if (this.opened === undefined) return;
    try {
      what();
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
    }
  }

  private compare(
    chunk: string,
    row: ReplicaRow | undefined,
    expected: ReplicaRow | undefined,
  ): void {
    if (shown(row) !== shown(expected))
      this.parts.observer.violations.push(
        `target ${this.id} shows ${shown(row)} of chunk ${chunk}, and was given ${shown(expected)}`,
      );
  }

  /** At the end of a run: blocks and rows agree, and every byte is as it was given. */
  async verify(): Promise<void> {
    await this.run(async () => {
      const { engine, env, view } = this.use();
      const { ok, findings, table } = await checkStore(engine);
      assert.ok(ok, JSON.stringify({ findings, table }));
      const step = await scrub(engine, { target: this.id, after: undefined }, Infinity);
      assert.deepEqual(step.findings, []);
      const image = await imageOf(env);
      assert.deepEqual(contents(image), contents(view));
    });
  }
}

function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .map(([key, each]) => [key, inOrder(each)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function shown(row: ReplicaRow | undefined): string {
  return JSON.stringify([row?.committed ?? null, row?.pending ?? null].map(inOrder));
}

function contents(image: DiskImage): unknown {
  return image.sorted().map(({ chunk, committed, pending }) => [chunk, committed, pending]);
}
