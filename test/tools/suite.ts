// Which test file belongs to which suite, and how a suite's process loads its files.

import { readdirSync } from 'node:fs';

/** In the order of running, some at a time: long ones first. `unit` takes every folder that is no suite of its own,
 *  `states` what takes the core through thousands of states: a process of its own keeps its heap small. */
export const suiteNames = [
  'e2e',
  'states',
  'core',
  'gateways',
  'crash',
  'unit',
  'contracts',
  'conformance',
  'sim',
  'tidy',
] as const;
export type SuiteName = (typeof suiteNames)[number];

/** dist/test/tools/ → the checkout. */
const root = new URL('../../../', import.meta.url);

/** Paths like `test/core/base/bytes.test.ts`, from the sources: an output of a deleted source never runs. */
export function findTests(): string[] {
  const names = readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name}`)
    .toSorted();
}

const throughStates = /^test\/core\/.*(?:crash|model|flip|churn)[^/]*\.test\.ts$/;

export function suiteOf(file: string): SuiteName {
  if (throughStates.test(file)) return 'states';
  const folder = file.split('/')[1] as SuiteName;
  return folder !== 'unit' && suiteNames.includes(folder) ? folder : 'unit';
}

/** Loads the suite's files into this process; node:test collects what they declare. */
export async function loadSuite(suite: SuiteName): Promise<void> {
  const filters = (process.env['LAMPYR_TEST_FILTER'] ?? '')
    .split(' ')
    .filter((filter) => filter !== '');
  for (const file of findTests()) {
    if (suiteOf(file) !== suite) continue;
    if (filters.length > 0 && !filters.some((filter) => file.includes(filter))) continue;
    const output = new URL(`dist/${file.replace(/\.ts$/, '.js')}`, root);
    await import(output.href);
  }
}
