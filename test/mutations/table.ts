// The page of the sync mutations: which test notices that a sync is missing. Pure.

import type { Mutation } from './sites.ts';

export interface Result {
  readonly mutation: Mutation;
  /** The first test that failed; undefined: none did. */
  readonly caughtBy?: string | undefined;
  /** No run has come to it, or not with every suite. */
  readonly notRun?: true;
}

export function resultsTable(results: readonly Result[], date: Date): string {
  const rows = results.map(({ mutation, caughtBy, notRun }) => [
    `\`${mutation.source}:${mutation.line}\``,
    `\`${mutation.code.replaceAll('|', '\\|')}\``,
    mutation.kind,
    (notRun ? 'not yet run through all suites' : (caughtBy ?? '**not noticed**')).replaceAll(
      '|',
      '\\|',
    ),
  ]);
  return [
    '# Sync mutations',
    '',
    'Every sync and every wait for one, taken out of a copy of the built program one at a time, and the first test that failed.',
    `Written by \`npm run mutate:syncs -- --write\` on ${date.toISOString().slice(0, 10)}; how sites are found: \`test/mutations/sites.ts\`, which`,
    'tests run in which order: `test/mutations/trial.ts`.',
    '',
    "Simulated disks stand above `core/env/node`, the lossy one stands in the place of Node's `fs` and LevelDB writes its own files.",
    'So the last step, from `nodeDisk` and `openLevelKv` to the kernel, is seen by a trace of system calls alone:',
    '`test/gateways/core/syncs.test.ts`, skipped where there is no `strace`, never in CI.',
    '',
    'A row that is not noticed, or not run through all suites, is work to do: it gets its test, or the sync or the wait goes.',
    '',
    ...markdownTable(['site', 'code', 'mutation', 'caught by'], rows),
    '',
  ].join('\n');
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => (row[column] as string).length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}
