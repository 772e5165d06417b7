// Enumerates the states in which a power loss can leave the devices of a recorded run. The trace is replayed
// once; at every point the unsynced units (sectors, sizes, names, index batches) are kept or lost: all, none,
// each one lost alone, each one surviving alone, and random subsets. States that are equal are shown once.

import { createHash } from 'node:crypto';
import type { Prng } from '../../core/base/prng.ts';
import { SimDisk } from './disk.ts';
import { SimKv } from './kv.ts';
import type { Trace } from './trace.ts';

export interface CrashState {
  /** Events of the trace before the crash. */
  readonly point: number;
  /** Which units survived, for the failure message. */
  readonly label: string;
  readonly disk: SimDisk;
  readonly kv: SimKv;
  /** What the workload marked before the crash. */
  readonly marks: readonly unknown[];
}

export interface CrashStateOptions {
  readonly prng: Prng;
  readonly randomSubsets: number;
  /** Single losses and single survivors per point, chosen at random when there are more. All by default. */
  readonly singlesMax?: number;
}

type Keep = (unit: string) => boolean;

export function* crashStates(trace: Trace, options: CrashStateOptions): Generator<CrashState> {
  const disk = new SimDisk();
  const kv = new SimKv();
  const marks: unknown[] = [];
  const seen = new Set<string>();
  for (const [index, event] of trace.events.entries()) {
    if (event.device === 'mark') {
      marks.push(event.mark);
      continue;
    }
    if (event.device === 'disk') disk.apply(event.operation);
    else kv.apply(event.mutations, event.sync);
    for (const [label, keep] of choices(unitsOf(disk, kv), options)) {
      const state = {
        point: index + 1,
        label,
        disk: disk.crash(({ id }) => keep(`disk ${id}`)),
        kv: kv.crash((id) => keep(`kv ${id}`)),
        marks: marksAt(trace, index, marks),
      };
      const print = fingerprint(state.disk, state.kv, state.marks.length);
      if (seen.has(print)) continue;
      seen.add(print);
      yield state;
    }
  }
}

/** Marks set right after an event, before the next one, belong to it: the crash comes just before that next one. */
function marksAt(trace: Trace, index: number, before: readonly unknown[]): unknown[] {
  const marks = [...before];
  for (let next = index + 1; next < trace.events.length; next++) {
    const event = trace.events[next];
    if (event?.device !== 'mark') break;
    marks.push(event.mark);
  }
  return marks;
}

function unitsOf(disk: SimDisk, kv: SimKv): string[] {
  return [
    ...disk.unsynced().map(({ id }) => `disk ${id}`),
    ...kv.unsynced().map((id) => `kv ${id}`),
  ];
}

function* choices(
  units: readonly string[],
  { prng, randomSubsets, singlesMax = Infinity }: CrashStateOptions,
): Generator<readonly [string, Keep]> {
  yield ['none survives', () => false];
  if (units.length === 0) return;
  yield ['all survive', () => true];
  const singles = units.length <= singlesMax ? units : sample(units, singlesMax, prng);
  for (const single of singles) {
    yield [`all but ${single}`, (unit) => unit !== single];
    yield [`only ${single}`, (unit) => unit === single];
  }
  for (let subset = 0; subset < randomSubsets; subset++) {
    const chance = prng.unit();
    const kept = new Set(units.filter(() => prng.chance(chance)));
    yield [`random subset ${subset}`, (unit) => kept.has(unit)];
  }
}

function sample<T>(items: readonly T[], count: number, prng: Prng): T[] {
  const left = [...items];
  return Array.from({ length: count }, () => left.splice(prng.below(left.length), 1)[0] as T);
}

function fingerprint(disk: SimDisk, kv: SimKv, marks: number): string {
  const hash = createHash('sha1').update(`${marks}`);
  for (const path of disk.files()) hash.update(`\0${path}\0`).update(disk.content(path));
  for (const [key, value] of kv.entries()) hash.update(key).update('=').update(value);
  return hash.digest('base64');
}
