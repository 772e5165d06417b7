// npm run mutate:syncs [-- --only WORD] [--by WORD] [--list] [--save FILE] [--from FILE…] [--write]
//
// Removes one sync, or one wait for a sync, at a time from a copy of the built program and runs the tests that
// could notice. Every mutation must make one fail. --only keeps the sites whose path, code and kind contain the
// word, --by the suites whose name does. --save keeps the results as JSON, --from takes results of earlier runs instead
// of a run; --write puts the table into docs/internals/sync-mutations.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findMutations } from './sites.ts';
import type { Mutation } from './sites.ts';
import { type Result, resultsTable } from './table.ts';
import { type Suite, Trial, allSuites, suitesFor } from './trial.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    by: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
    save: { type: 'string' },
    from: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
  },
});
const page = new URL('../../../docs/internals/sync-mutations.md', import.meta.url);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const nameOf = ({ source, line, code, kind }: Mutation): string =>
  `${source}:${line} ${kind}: ${code}`;

/** A suite that fails by itself would notice everything. */
async function checkUnmutated(): Promise<void> {
  const failed = await trial.run(undefined, allSuites().filter(asked));
  if (failed !== undefined) throw new Error(`without any mutation: ${failed}`);
  say(`without any mutation all suites pass`);
}

const asked = ({ name }: Suite): boolean => name.includes(values.by);

async function runAll(): Promise<Result[]> {
  if (values.only.length === 0) await checkUnmutated();
  const results: Result[] = [];
  for (const mutation of chosen()) {
    const begun = performance.now();
    const caughtBy = await trial.run(mutation, suitesFor(mutation).filter(asked));
    results.push({ mutation, caughtBy });
    const seconds = Math.round((performance.now() - begun) / 1000);
    say(`${nameOf(mutation)}\n  ${caughtBy ?? 'NOT NOTICED'} (${seconds} s)`);
    if (values.save !== undefined) writeFileSync(values.save, JSON.stringify(results));
  }
  return results;
}

function chosen(): Mutation[] {
  const found = findMutations(trial.folder);
  if (values.only.length === 0) return found;
  return found.filter((mutation) => values.only.every((word) => nameOf(mutation).includes(word)));
}

/** Of the sites that there are now. */
function savedResults(): Result[] {
  const saved = new Map(
    values.from
      .flatMap((path) => JSON.parse(readFileSync(path, 'utf8')) as Result[])
      .map((result) => [nameOf(result.mutation), result]),
  );
  return chosen().map((mutation) => saved.get(nameOf(mutation)) ?? { mutation, notRun: true });
}

const trial = new Trial();
try {
  if (values.list) for (const mutation of chosen()) say(nameOf(mutation));
  else report(values.from.length > 0 ? savedResults() : await runAll());
} finally {
  trial.remove();
}

function report(results: readonly Result[]): void {
  const notRun = results.filter((result) => result.notRun).length;
  const missed = results.filter(({ caughtBy }) => caughtBy === undefined).length - notRun;
  say(`${results.length} mutations, ${missed} not noticed, ${notRun} not run`);
  if (values.write) writeFileSync(page, resultsTable(results, new Date()));
  process.exitCode = missed + notRun === 0 ? 0 : 1;
}
