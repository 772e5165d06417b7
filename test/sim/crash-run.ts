// Runs a store through its crash states. A run is recorded; every state that a power loss could leave of it is
// opened and must show what the run acknowledged. The second model is that of a dead process: the page cache
// survives it and is lost later, so a store is opened on cached writes, shows them, goes on, and then the power
// fails.

import { marks } from '../../core/base/mark.ts';
import { Prng } from '../../core/base/prng.ts';
import { type CrashState, crashStates, newCounts } from './crash-states.ts';
import { SimDevices } from './devices.ts';
import { Trace, type TraceEvent } from './trace.ts';

/** One life of a process. */
export interface Life {
  readonly prng: Prng;
  readonly trace: Trace;
  /** What earlier lives marked: the store must show it when it is opened. */
  readonly before: readonly unknown[];
  /** How much to do. */
  readonly updates: number;
}

export interface Check {
  readonly prng: Prng;
  /** Also whatever is too slow for every state: a second loss, all checks of the store. */
  readonly thorough: boolean;
}

/** A store and what it is used for. */
export interface CrashSubject {
  /** Opens the store, making it when there is none, and marks what it shows; updates it and marks what is
   *  acknowledged. Marks are the subject's own. */
  live(devices: SimDevices, life: Life): Promise<void>;
  /** Opens what is left. @throws when it is not what the marks promise, or cannot be used */
  check(devices: SimDevices, marks: readonly unknown[], check: Check): Promise<void>;
}

export interface CrashRunOptions {
  /** Seeds the runs. */
  readonly name: string;
  readonly updates: number;
  /** Updates of a life on cached writes. */
  readonly updatesAfter: number;
  /** One of so many crash points of a run is followed by a second life. */
  readonly secondEvery: number;
  /** The same while the store is being made: one of so many syncs of it finds a process that died before it.
   *  0: the making is what another run takes through its crash states. */
  readonly makingEvery: number;
  /** Distinct states of a short run; of a long one the same share. */
  readonly states: number;
  /** Coverage marks that a run must pass: what is never reached proves nothing. */
  readonly marks: readonly string[];
}

const randomSubsets = 20;
/** The states of second lives are many: points × points. */
const randomSubsetsAfter = 4;
/** One of so many states is checked thoroughly. */
const thoroughEvery = 4;

export class CrashRun {
  private readonly subject: CrashSubject;
  private readonly options: CrashRunOptions;
  private readonly counts = newCounts();
  private second = 0;
  private checked = 0;
  seeds = 0;

  constructor(subject: CrashSubject, options: CrashRunOptions) {
    this.subject = subject;
    this.options = options;
  }

  get distinct(): number {
    return this.counts.distinct.size;
  }

  /** Marks that no run has passed. */
  get missed(): string[] {
    return this.options.marks.filter((name) => !marks().has(name));
  }

  report(): string {
    const { points, states, distinct } = this.counts;
    return (
      `${this.options.name}: ${this.seeds} runs, ${points} crash points, ${states} states checked ` +
      `(${this.second} of them second crashes), ${distinct.size} distinct`
    );
  }

  async next(): Promise<void> {
    const seed = `${this.options.name} ${++this.seeds}`;
    const prng = new Prng(seed);
    const trace = new Trace();
    const { updates } = this.options;
    await this.subject.live(devicesOf(trace, prng), {
      prng: prng.fork('life'),
      trace,
      before: [],
      updates,
    });
    // What comes before the first mark is the making of the store: the same with every seed.
    const opened = trace.events.findIndex(({ device }) => device === 'mark');
    const first = this.seeds === 1 && this.options.makingEvery > 0 ? 0 : opened;
    for (const state of crashStates(trace, { prng, randomSubsets, first, counts: this.counts }))
      // oxlint-disable-next-line no-await-in-loop -- state after state
      await this.check(state, seed);
    await this.secondCrashes(trace, prng, seed);
  }

  /** The process dies at a point of the run and a new one goes on with what the page cache holds; or the power
   *  fails there, and again in the life that follows. */
  private async secondCrashes(trace: Trace, prng: Prng, seed: string): Promise<void> {
    const { secondEvery, makingEvery, updatesAfter } = this.options;
    const devices = new SimDevices();
    const before: unknown[] = [];
    let due = prng.below(secondEvery);
    let syncs = 0;
    for (const [index, event] of trace.events.entries()) {
      if (event.device === 'mark') {
        before.push(event.mark);
        continue;
      }
      devices.apply(event);
      const cached = devices.unsynced().length;
      // A process that dies with nothing in the cache leaves what the power loss there leaves.
      const making = before.length === 0 && this.seeds === 1;
      if (cached === 0) continue;
      if (making) {
        if (makingEvery === 0) continue;
        if (!isSync(trace.events[index + 1]) || syncs++ % makingEvery > 0) continue;
      } else if (due-- > 0) continue;
      due = secondEvery - 1;
      const held = [...before, ...marksAfter(trace, index)];
      const again = new Trace();
      for (const mark of held) again.mark(mark);
      const started = prng.chance(0.2) ? devices.crash(() => prng.chance(0.5)) : devices;
      const life = { prng: prng.fork(`${index}`), trace: again, before: held };
      const where = `${seed}, second life after event ${index + 1} of ${cached} cached units`;
      // oxlint-disable no-await-in-loop -- life after life
      try {
        await this.subject.live(started.copy({ trace: again }), { ...life, updates: updatesAfter });
      } catch (error) {
        throw new Error(`${where}: ${String(error)}`, { cause: error });
      }
      const { counts } = this;
      const from = started.copy();
      const options = { prng, randomSubsets: randomSubsetsAfter, from, counts };
      for (const state of crashStates(again, options)) {
        this.second++;
        await this.check(state, where);
      }
      // oxlint-enable no-await-in-loop
    }
  }

  private async check(state: CrashState, where: string): Promise<void> {
    const thorough = this.checked++ % thoroughEvery === 0;
    const prng = new Prng(this.checked);
    try {
      await this.subject.check(state.devices, state.marks, { prng, thorough });
    } catch (error) {
      const at = `${where}, at event ${state.point}, ${state.label}`;
      throw new Error(`${at}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Operations take a few turns of the microtask queue, so that runs of different seeds interleave differently;
 *  a sync takes longest, so that much happens while one runs. */
function devicesOf(trace: Trace, prng: Prng): SimDevices {
  const turns = prng.fork('delays');
  const delay = async (operation: string): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop -- turn after turn
    for (let left = turns.below(operation === 'sync' ? 24 : 4); left > 0; left--)
      await Promise.resolve();
  };
  return new SimDevices({ trace, delay });
}

function isSync(event: TraceEvent | undefined): boolean {
  if (event?.device === 'kv') return event.sync;
  return event?.device === 'disk' && ['sync', 'syncDir'].includes(event.operation.kind);
}

function marksAfter(trace: Trace, index: number): unknown[] {
  const found: unknown[] = [];
  for (let next = index + 1; ; next++) {
    const event = trace.events[next];
    if (event?.device !== 'mark') return found;
    found.push(event.mark);
  }
}
