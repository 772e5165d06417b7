// The level metadata store under power loss and under kill -9 followed by power loss: it shows the state after some
// number of commits, rows and outbox alike, no earlier one than was acknowledged or shown.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { KiB } from '../../../../core/base/limits.ts';
import type { Prng } from '../../../../core/base/prng.ts';
import type { MetaStore } from '../../../../core/meta/meta-store.ts';
import {
  type OpenedLevelStore,
  openLevelStore,
} from '../../../contracts/meta-store/level-fixture.ts';
import type { Check, CrashRunOptions, CrashSubject, Life } from '../../../sim/crash-run.ts';
import { SimClock } from '../../../sim/clock.ts';
import type { SimDevices } from '../../../sim/devices.ts';

type Write = readonly [key: string, value: string | undefined];

/** What one commit writes; the commit with number n is history[n - 1]. */
export interface Commit {
  readonly writes: readonly Write[];
  readonly outbox: boolean;
}

/** What the commits of all lives so far make, when a life opened and later. */
interface Shown {
  readonly history: Commit[];
}

type Mark = Shown | { readonly acknowledged: number };

const keys = 60;

export function randomCommit(prng: Prng, number: number): Commit {
  const writes = new Map<string, string | undefined>([['seq', String(number)]]);
  for (let i = 1 + prng.below(4); i > 0; i--) {
    const name = `k${prng.below(keys)}`;
    const filling = 'x'.repeat(prng.chance(0.1) ? prng.below(6000) : prng.below(100));
    writes.set(name, prng.chance(0.25) ? undefined : `${number}.${i}.${filling}`);
  }
  return { writes: [...writes], outbox: prng.chance(0.2) };
}

/** Answers the number of the commit. */
export async function write(store: MetaStore, commit: Commit, number: number): Promise<number> {
  const transaction = store.begin();
  for (const [key, value] of commit.writes) {
    if (value === undefined) transaction.delete(Buffer.from(key));
    else transaction.set(Buffer.from(key), Buffer.from(value));
  }
  if (commit.outbox) transaction.outbox('feed', Buffer.from(String(number)));
  return Number.parseInt(await transaction.commit(), 16);
}

/** The number of commits of which the store shows the outcome. @throws when it is not that of any number */
export async function commitsShown(store: MetaStore, history: readonly Commit[]): Promise<number> {
  const found = await stateOf(store);
  const shown = Number(found.get('seq') ?? 0);
  assert.ok(shown <= history.length, `${shown} of ${history.length} commits`);
  assert.deepEqual(found, outcomeOf(history.slice(0, shown)));
  const entries = await store.readOutbox('feed', undefined, 10_000);
  assert.deepEqual(
    entries.map(({ value }) => asText(value)),
    history.slice(0, shown).flatMap(({ outbox }, at) => (outbox ? [String(at + 1)] : [])),
  );
  return shown;
}

async function stateOf(store: MetaStore): Promise<Map<string, string>> {
  const rows = [
    ...(await store.range({ from: Buffer.from('k'), to: Buffer.from('l'), limit: 1000 })),
    ...(await store.range({ from: Buffer.from('seq'), to: Buffer.from('ser'), limit: 2 })),
  ];
  return new Map(rows.map(([key, value]) => [asText(key), asText(value)]));
}

const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

function outcomeOf(history: readonly Commit[]): Map<string, string> {
  const rows = new Map<string, string>();
  for (const { writes } of history) {
    for (const [key, value] of writes) {
      if (value === undefined) rows.delete(key);
      else rows.set(key, value);
    }
  }
  return rows;
}

// --- crash states ----------------------------------------------------------------------------------

function open(devices: SimDevices): Promise<OpenedLevelStore> {
  const sizes = { segmentBytes: 192 * KiB, overlayBytesMax: 4 * KiB };
  return openLevelStore({ ...sizes, disk: devices.disk, kv: devices.kv(), clock: new SimClock() });
}

async function live(devices: SimDevices, { prng, trace, before, updates }: Life): Promise<void> {
  const { store, journal } = await open(devices);
  const { history, shown } = await shownBy(store, before as Mark[]);
  history.length = shown;
  trace.mark({ history } satisfies Mark);
  trace.mark({ acknowledged: shown } satisfies Mark);
  const running: Promise<unknown>[] = [];
  for (let count = 0; count < updates; count++) {
    const number = history.length + 1;
    const commit = randomCommit(prng, number);
    history.push(commit);
    const acknowledge = (acknowledged: number): void => {
      assert.equal(acknowledged, number);
      trace.mark({ acknowledged } satisfies Mark);
    };
    running.push(write(store, commit, number).then(acknowledge));
    // oxlint-disable no-await-in-loop -- bursts of random length
    if (prng.chance(0.1)) running.push(journal.checkpoint());
    if (prng.chance(0.4)) await Promise.all(running);
    // oxlint-enable no-await-in-loop
  }
  await Promise.all(running);
}

async function shownBy(
  store: MetaStore,
  marks: readonly Mark[],
): Promise<{ readonly history: Commit[]; readonly shown: number }> {
  let history: Commit[] = [];
  let acknowledged = 0;
  for (const mark of marks) {
    if ('history' in mark) [history, acknowledged] = [mark.history, 0];
    else acknowledged = Math.max(acknowledged, mark.acknowledged);
  }
  const shown = await commitsShown(store, history);
  assert.ok(shown >= acknowledged, `${shown} commits shown, ${acknowledged} acknowledged`);
  return { history: [...history], shown };
}

async function check(
  devices: SimDevices,
  marks: readonly unknown[],
  { prng, thorough }: Check,
): Promise<void> {
  const { store } = await open(devices);
  const { history, shown } = await shownBy(store, marks as Mark[]);
  if (!thorough) return;
  history.length = shown;
  history.push(randomCommit(prng, shown + 1));
  await write(store, history.at(-1) as Commit, shown + 1);
  const again = await open(devices.crash(() => false));
  assert.equal(await commitsShown(again.store, history), shown + 1, 'after a second power loss');
}

export const subject: CrashSubject = { live, check };
export const options: CrashRunOptions = {
  name: 'level',
  updates: 40,
  updatesAfter: 4,
  secondEvery: 6,
  makingEvery: 3,
  states: 850,
  marks: [],
};
/** For the thread that runs it. */
export const { url } = import.meta;
