// Enumerates the states in which a power loss can leave the devices of a recorded run. The trace is replayed
// once; every event is a crash point, and there the unsynced units (sectors, sizes, names, index batches) are kept
// or lost: all, none, each one lost alone, each one surviving alone, and random subsets. A state that a run
// already showed under the same marks is not shown again.

import type { Prng } from '../../core/base/prng.ts';
import { SimDevices } from './devices.ts';
import type { Trace } from './trace.ts';

export interface CrashState {
  /** Events of the trace before the crash. */
  readonly point: number;
  /** Which units survived, for the failure message. */
  readonly label: string;
  readonly devices: SimDevices;
  /** What the workload marked before the crash. */
  readonly marks: readonly unknown[];
}

export interface CrashStateOptions {
  readonly prng: Prng;
  /** Per crash point, beside all single losses and all single survivors. */
  readonly randomSubsets: number;
  /** What the trace began on; empty devices when absent. Used up. */
  readonly from?: SimDevices;
  /** Number of the first event that is a crash point. */
  readonly first?: number;
  readonly counts?: CrashCounts;
}

/** What was enumerated. */
export interface CrashCounts {
  points: number;
  /** To be checked: the same content counts again when more had been acknowledged. */
  states: number;
  /** By content alone. */
  readonly distinct: Set<string>;
}

export function newCounts(): CrashCounts {
  return { points: 0, states: 0, distinct: new Set() };
}

type Keep = (unit: string) => boolean;

export function* crashStates(trace: Trace, options: CrashStateOptions): Generator<CrashState> {
  const { from: devices = new SimDevices(), first = 0, counts = newCounts() } = options;
  const marks: unknown[] = [];
  const seen = new Set<string>();
  for (const [index, event] of trace.events.entries()) {
    if (event.device === 'mark') {
      marks.push(event.mark);
      continue;
    }
    devices.apply(event);
    if (index < first) continue;
    counts.points++;
    const held = marksAt(trace, index, marks);
    for (const [label, keep] of choices(devices.unsynced(), options)) {
      const after = devices.crash(keep);
      const print = after.print();
      counts.distinct.add(print);
      const state = `${print} ${held.length}`;
      if (seen.has(state)) continue;
      seen.add(state);
      counts.states++;
      yield { point: index + 1, label, devices: after, marks: held };
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

function* choices(
  units: readonly string[],
  { prng, randomSubsets }: CrashStateOptions,
): Generator<readonly [string, Keep]> {
  yield ['none survives', () => false];
  if (units.length === 0) return;
  yield ['all survive', () => true];
  if (units.length === 1) return;
  for (const single of units) {
    yield [`all but ${single}`, (unit) => unit !== single];
    yield [`only ${single}`, (unit) => unit === single];
  }
  for (let subset = 0; subset < randomSubsets; subset++) {
    const chance = prng.unit();
    const kept = new Set(units.filter(() => prng.chance(chance)));
    yield [`random subset ${subset}`, (unit) => kept.has(unit)];
  }
}
