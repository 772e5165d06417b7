// A short run of every fuzzer: the kept inputs, then a few rounds with fixed seeds. Long ones: `npm run fuzz`.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fuzzers } from './fuzzers.ts';
import { FuzzRun } from './run.ts';

/** A second of CPU time each: a round of the door needs sockets, one of the RPC a client or server for each cut. */
const fewer: Readonly<Record<string, number>> = { door: 60, rpc: 150 };
const roundsOf = (name: string): number => fewer[name] ?? 400;

describe('fuzz, short', { concurrency: 1 }, () => {
  for (const fuzzer of fuzzers) {
    test(`${fuzzer.name}: no rule is broken`, async () => {
      const more = (rounds: number): boolean => rounds < roundsOf(fuzzer.name);
      const { outcomes } = await new FuzzRun(fuzzer, { seed: 1, more, coverage: false }).run();
      for (const outcome of fuzzer.expected)
        assert.ok(
          (outcomes[outcome] ?? 0) > 0,
          `${outcome} never came: ${JSON.stringify(outcomes)}`,
        );
    });
  }
});
