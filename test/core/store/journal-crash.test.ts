import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Prng } from '../../../core/base/prng.ts';
import { crashStates } from '../../sim/crash-states.ts';
import type { CrashState } from '../../sim/crash-states.ts';
import { SimDisk } from '../../sim/disk.ts';
import type { UnsyncedUnit } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { Trace } from '../../sim/trace.ts';
import { JournaledStore, statesOf } from './journaled-store.ts';

type Put = readonly [string, string];

function makePuts(prng: Prng, count: number): Put[] {
  return Array.from({ length: count }, (_, index) => {
    const key = `k${prng.below(12)}`;
    if (prng.chance(0.2)) return [key, ''] as const;
    return [key, `${index}${'.'.repeat(prng.below(prng.chance(0.3) ? 2500 : 60))}`] as const;
  });
}

/** Writes the puts in bursts and marks what was acknowledged. Unused keys keep every state distinct. */
async function record(puts: readonly Put[], prng: Prng): Promise<Trace> {
  const trace = new Trace();
  const store = await JournaledStore.open(new SimDisk({ trace }), new SimKv({ trace }));
  let last = Promise.resolve();
  for (const [index, [key, value]] of puts.entries()) {
    const ticket = store.put(key, value);
    last = ticket.durable.then(() => trace.mark(index + 1));
    // oxlint-disable no-await-in-loop -- bursts of random length
    if (prng.chance(0.4)) await last;
    // Some race the appends that follow.
    const checkpoint = prng.chance(0.06) ? store.journal.checkpoint() : undefined;
    if (prng.chance(0.5)) await checkpoint;
    // oxlint-enable no-await-in-loop
  }
  await last;
  return trace;
}

/** Index of the state that the store shows: the longest prefix of the puts that gives its content. */
async function shownBy(store: JournaledStore, states: readonly string[]): Promise<number> {
  const content = await store.content();
  const index = states.lastIndexOf(content);
  assert.ok(index >= 0, `not the state after any number of records: ${content.slice(0, 200)}`);
  return index;
}

async function checkState(state: CrashState, states: readonly string[]): Promise<void> {
  const acknowledged = Math.max(0, ...(state.marks as number[]));
  const store = await JournaledStore.open(state.disk, state.kv);
  const shown = await shownBy(store, states);
  // Equal contents at several prefixes: the last one counts, so compare contents, not indexes.
  assert.ok(shown >= acknowledged, `${shown} shown, ${acknowledged} acknowledged`);
  assert.ok(await store.check(), 'the table holds what its summary says');
  await store.put('zz', 'after').durable;
  const again = await JournaledStore.open(
    state.disk.crash(() => false),
    state.kv.crash(() => false),
  );
  assert.equal(await again.content(), withLast(states[shown]), 'after a second crash');
}

function withLast(content: string | undefined): string {
  return content === '' ? 'zz=after' : `${content},zz=after`;
}

/** Ways to lose the page cache: whole, by kind, by file, and at random. */
function losses(prng: Prng): ((unit: UnsyncedUnit) => boolean)[] {
  return [
    () => false,
    ({ kind }) => kind !== 'name',
    ({ path }) => !path.endsWith('superblock'),
    ({ path }) => path.endsWith('superblock'),
    () => prng.chance(0.5),
  ];
}

function withContext(state: CrashState, error: unknown): Error {
  return new Error(`at event ${state.point}, ${state.label}: ${(error as Error).message}`, {
    cause: error,
  });
}

describe('journal: every crash state shows what was acknowledged, in order', () => {
  for (const seed of [1, 2]) {
    test(`power loss, seed ${seed}`, async () => {
      const prng = new Prng(`crash ${seed}`);
      const puts = makePuts(prng, 90);
      const states = statesOf(puts);
      const trace = await record(puts, prng);
      let count = 0;
      for (const state of crashStates(trace, { prng, randomSubsets: 4, singlesMax: 3 })) {
        count++;
        // oxlint-disable-next-line no-await-in-loop -- state after state
        await checkState(state, states).catch((error: unknown) => {
          throw withContext(state, error);
        });
      }
      assert.ok(count > 150, `${count} states`);
    });
  }

  // The page cache survives `kill -9`; what recovery showed from it must survive the next power loss.
  test('kill -9, recovery, then power loss', async () => {
    const prng = new Prng('cache');
    const puts = makePuts(prng, 40);
    const states = statesOf(puts);
    const trace = await record(puts, prng);
    const disk = new SimDisk();
    const kv = new SimKv();
    for (const [point, event] of trace.events.entries()) {
      if (event.device === 'mark') continue;
      if (event.device === 'disk') disk.apply(event.operation);
      else kv.apply(event.mutations, event.sync);
      const [cachedDisk, cachedKv] = [disk.copy(), kv.copy()];
      // oxlint-disable no-await-in-loop -- point after point
      // Without growth, whose own syncs would cover for recovery's.
      const store = await JournaledStore.open(cachedDisk, cachedKv, { segmentsMin: 2 });
      const shown = await shownBy(store, states);
      await store.put('zz', 'after').durable;
      for (const survives of losses(prng)) {
        const after = await JournaledStore.open(
          cachedDisk.crash(survives),
          cachedKv.crash(() => prng.chance(0.5)),
        );
        assert.equal(await after.content(), withLast(states[shown]), `killed at event ${point}`);
      }
      // oxlint-enable no-await-in-loop
    }
  });
});
