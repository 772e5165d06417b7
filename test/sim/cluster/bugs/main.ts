// npm run sim:bugs -- [--only WORD] [--runs N] [--write]: puts one deliberate bug at a time into a copy of the sources,
// compiles it and runs the default swarm from seed 1 on, up to N (500) seeds. Every bug must be found; without any
// bug none may be. --write puts the table into docs/internals/simulation.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Bug, bugs } from './list.ts';
import { type Finding, Trial } from './trial.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '500' },
    write: { type: 'boolean', default: false },
  },
});
const page = new URL('../../../../../docs/internals/simulation.md', import.meta.url);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Row {
  readonly bug: Bug;
  readonly found: Finding | undefined;
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ bug, found }) =>
    found === undefined
      ? `| ${bug.name} | **not found** | |`
      : `| ${bug.name} | ${found.seed} | ${found.checker} |`,
  );
  return ['| bug | found at seed | by |', '| --- | --- | --- |', ...lines].join('\n');
}

/** Between the marks of the page. */
function write(rows: readonly Row[]): void {
  const [begin, end] = ['<!-- bugs -->', '<!-- /bugs -->'];
  const text = readFileSync(page, 'utf8');
  const before = text.slice(0, text.indexOf(begin) + begin.length);
  writeFileSync(page, `${before}\n\n${table(rows)}\n\n${text.slice(text.indexOf(end))}`);
}

const rows: Row[] = [];
const trial = new Trial();
try {
  for (const bug of bugs.filter(({ name }) => name.includes(values.only))) {
    const found = trial.run(bug, Number(values.runs));
    rows.push({ bug, found });
    say(
      `${bug.name}: ${found === undefined ? 'NOT FOUND' : `seed ${found.seed}, ${found.checker}`}`,
    );
    if (found !== undefined) say(`  ${found.violation}`);
  }
} finally {
  trial.remove();
}
if (values.write) write(rows);
const missed = rows.filter(({ found }) => found === undefined).length;
say(`${rows.length} bugs, ${missed} not found`);
process.exitCode = missed === 0 ? 0 : 1;
