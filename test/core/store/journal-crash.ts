// A table on the journal under power loss and under kill -9 followed by power loss: it shows the state after
// some number of records, no earlier one than was acknowledged or shown.

import assert from 'node:assert/strict';
import type { Prng } from '../../../core/base/prng.ts';
import type { Check, CrashRunOptions, CrashSubject, Life } from '../../sim/crash-run.ts';
import type { SimDevices } from '../../sim/devices.ts';
import { JournaledStore } from './journaled-store.ts';

type Put = readonly [string, string];

/** What a life showed when it opened, and what its records then made of it, one state each. */
interface Shown {
  readonly states: string[];
}

type Mark = Shown | { readonly acknowledged: number };

function put(prng: Prng, index: number): Put {
  const key = `k${prng.below(12)}`;
  if (prng.chance(0.2)) return [key, ''];
  return [key, `${index}${'.'.repeat(prng.below(prng.chance(0.3) ? 2500 : 60))}`];
}

/** Puts in bursts, beside checkpoints, some of which race the appends that follow. */
async function live(devices: SimDevices, { prng, trace, before, updates }: Life): Promise<void> {
  const store = await open(devices);
  const states = [await shownBy(store, before as Mark[])];
  trace.mark({ states } satisfies Mark);
  let last = Promise.resolve();
  for (let index = 0; index < updates; index++) {
    const [key, value] = put(prng, index);
    states.push(withPut(states.at(-1) as string, key, value));
    const acknowledged = states.length - 1;
    last = store.put(key, value).durable.then(() => trace.mark({ acknowledged } satisfies Mark));
    // oxlint-disable no-await-in-loop -- bursts of random length
    if (prng.chance(0.4)) await last;
    const checkpoint = prng.chance(0.06) ? store.journal.checkpoint() : undefined;
    if (prng.chance(0.5)) await checkpoint;
    // oxlint-enable no-await-in-loop
  }
  await last;
}

// Growth's own syncs would cover for those of recovery: most lives do without it.
function open(devices: SimDevices, segmentsMin = 2): Promise<JournaledStore> {
  return JournaledStore.open(devices.disk, devices.kv(), { segmentsMin });
}

function withPut(content: string, key: string, value: string): string {
  const rows = new Map(
    content === '' ? [] : content.split(',').map((row) => row.split('=') as [string, string]),
  );
  if (value === '') rows.delete(key);
  else rows.set(key, value);
  const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map((row) => row.join('=')).join(',');
}

async function shownBy(store: JournaledStore, marks: readonly Mark[]): Promise<string> {
  let states = [''];
  let acknowledged = 0;
  for (const mark of marks) {
    if ('states' in mark) [states, acknowledged] = [mark.states, 0];
    else acknowledged = Math.max(acknowledged, mark.acknowledged);
  }
  const content = await store.content();
  // Equal contents after several records: the last one counts.
  const shown = states.lastIndexOf(content);
  assert.ok(shown >= 0, `not the state after any number of records: ${content.slice(0, 200)}`);
  assert.ok(shown >= acknowledged, `${shown} shown, ${acknowledged} acknowledged`);
  return content;
}

async function check(
  devices: SimDevices,
  marks: readonly unknown[],
  { thorough }: Check,
): Promise<void> {
  const store = await open(devices, thorough ? 3 : 2);
  const content = await shownBy(store, marks as Mark[]);
  assert.ok(await store.check(), 'the table holds what its summary says');
  if (!thorough) return;
  await store.put('zz', 'after').durable;
  const again = await open(devices.crash(() => false));
  assert.equal(await again.content(), withPut(content, 'zz', 'after'), 'after a second power loss');
}

export const subject: CrashSubject = { live, check };
export const options: CrashRunOptions = {
  name: 'journal',
  updates: 60,
  updatesAfter: 6,
  secondEvery: 3,
  makingEvery: 1,
  states: 3400,
  marks: [],
};

/** For the thread that runs it. */
export const { url } = import.meta;
