// How a fuzzer runs: rounds with seeds of their own until the count or the minutes are used up. A failing
// round prints its seed; the same seed runs it again.
//
//   node dist/test/fuzz/s3-body.js [--minutes N] [--seed N]

import { parseArgs } from 'node:util';

/** One round; throws when something is wrong. @returns a word for the outcome, for the tally. */
export type Round = (seed: number) => string;

export function runRounds(round: Round, firstSeed: number, more: (rounds: number) => boolean) {
  const tally = new Map<string, number>();
  for (let rounds = 0; more(rounds); rounds++) {
    const seed = firstSeed + rounds;
    let outcome: string;
    try {
      outcome = round(seed);
    } catch (error) {
      throw new Error(`fuzz round failed, run again with --seed ${seed}`, { cause: error });
    }
    tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
  }
  return tally;
}

/** Runs the fuzzer of `moduleUrl` when that module was started as a program. */
export function fuzzMain(moduleUrl: string, round: Round): void {
  if (process.argv[1] !== new URL(moduleUrl).pathname) return;
  const { values } = parseArgs({
    options: { minutes: { type: 'string' }, seed: { type: 'string' } },
  });
  const untilMs = Date.now() + Number(values.minutes ?? '1') * 60_000;
  const first = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
  const once = values.seed !== undefined && values.minutes === undefined;
  const tally = runRounds(round, first, (rounds) => (once ? rounds < 1 : Date.now() < untilMs));
  const rounds = [...tally.values()].reduce((sum, count) => sum + count, 0);
  process.stdout.write(
    `${JSON.stringify({ seed: first, rounds, outcomes: Object.fromEntries(tally) })}\n`,
  );
}
