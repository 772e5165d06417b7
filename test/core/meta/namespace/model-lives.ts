// Runs of the namespace's model: one over memory stores, and one over the real stores on simulated devices that
// are closed, killed or lose their power again and again.

import assert from 'node:assert/strict';
import { Prng } from '../../../../core/base/prng.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { Fixture, FixtureClock } from './fixture.ts';
import { Run } from './model-run.ts';
import { SimStores } from './sim-stores.ts';

export interface Report {
  readonly operations: number;
  readonly brokenOff: number;
  readonly reopenings: number;
  readonly mix: Record<string, number>;
}

export interface RunOptions {
  readonly operations: number;
  readonly seed: string;
  readonly onRound?: (operations: number) => void;
}

/** Two services over memory stores. Answers the run, for what is checked at its end. */
export async function runInMemory({ operations, seed, onRound }: RunOptions): Promise<Run> {
  const prng = new Prng(seed);
  const f = await Fixture.open({ seed });
  const run = new Run(f);
  run.g = await f.another();
  await run.prepare();
  const crew = run.crew(prng);
  while (run.operations < operations) {
    // oxlint-disable-next-line no-await-in-loop -- round after round
    await run.round(crew, prng);
    onRound?.(run.operations);
  }
  await f.clean();
  assert.deepEqual((await f.fsck()).findings, []);
  return run;
}

/** Rounds between two openings at most. */
const roundsPerLife = 2;

/** Lives over stores that end in every way while nothing runs: each acknowledged operation must be there. */
export async function runLives({ operations, seed, onRound }: RunOptions): Promise<Report> {
  const prng = new Prng(seed);
  const stores = new SimStores();
  let clock = new FixtureClock();
  let run: Run | undefined;
  let crew: ReturnType<Run['crew']> = [];
  let reopenings = 0;
  for (let ended = false; !ended;) {
    // oxlint-disable no-await-in-loop -- one life after another
    const opened = await stores.open(clock);
    const f: Fixture = await Fixture.open({ stores: opened, seed, clock });
    if (run === undefined) {
      run = new Run(f);
      await run.prepare();
      crew = run.crew(prng);
    } else await moveTo(run, f);
    for (let rounds = 1 + prng.below(roundsPerLife); rounds > 0; rounds--) {
      await run.round(crew, prng);
      onRound?.(run.operations);
    }
    ended = run.operations >= operations;
    if (ended) await f.clean();
    reopenings++;
    const how = ended ? 'close' : prng.pick(['close', 'kill', 'powerLoss'] as const);
    run.mix[how] = (run.mix[how] ?? 0) + 1;
    if (how === 'close') {
      await f.close();
      await opened.close();
    } else {
      assert.deepEqual(f.bugs, []);
      stores.crash(how, prng);
    }
    // oxlint-enable no-await-in-loop
    // The timers of what was killed never fire again.
    clock = new FixtureClock(clock.wallMs() + 1);
  }
  assert.ok(run !== undefined);
  const { mix, brokenOff } = run;
  return { operations: run.operations, brokenOff, reopenings, mix };
}

/** Goes on over stores that were opened again; the writer session of the life before has ended. */
async function moveTo(run: Run, f: Fixture): Promise<void> {
  const { session } = run.f;
  run.f = f;
  await f.ask(calls.endSession, { session });
  await run.takenBack();
}
