// `npm run flips`: every byte of a small system's files, one at a time, and every file cut, removed, swapped
// or older. `-- --pattern bit|zero|ones`, `--stride N` takes every n-th byte, `--state crashed|stopped`, `--only
// TEXT` the bytes of files whose path contains the text, and no whole files.
// Prints the tables of docs/internals/corruption.md; exits with 1 when anything was wrong.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildStages } from './fill.ts';
import { smallStorage } from './opened.ts';
import { Specimen } from './specimen.ts';
import { type Pattern, newReport, patterns, sweepBytes, sweepFiles, tableOf } from './sweep.ts';

const { values } = parseArgs({
  options: {
    pattern: { type: 'string', default: 'bit' },
    stride: { type: 'string', default: '1' },
    state: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
if (!(values.pattern in patterns)) throw new Error(`no pattern ${values.pattern}`);
const pattern = values.pattern as Pattern;

/** Memory when there is some: thousands of small directories are made and removed. */
function scratchRoot(): string {
  return statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() === true
    ? '/dev/shm'
    : tmpdir();
}

const scratch = mkdtempSync(join(scratchRoot(), 'lampyr-flips-'));
let wrong = 0;
try {
  const stages = await buildStages(scratch, smallStorage);
  const older = await Specimen.read('older', stages.older, scratch);
  for (const state of ['stopped', 'crashed'] as const) {
    if (values.state !== undefined && values.state !== state) continue;
    // oxlint-disable no-await-in-loop -- one after another
    const specimen = await Specimen.read(state, stages[state], scratch);
    const bytes = newReport();
    const onFile = (path: string): void => void process.stderr.write(`${state}: ${path}\n`);
    const takes = (path: string): boolean => path.includes(values.only);
    const stride = (): number => Number(values.stride);
    await sweepBytes(specimen, bytes, { pattern, stride, onFile, takes });
    const files = newReport();
    if (values.only === '') await sweepFiles(specimen, older.files, files, () => 1);
    // oxlint-enable no-await-in-loop
    process.stdout.write(`\n${state}, pattern ${pattern}, every ${values.stride}. byte\n\n`);
    process.stdout.write(`${tableOf(bytes, 'file', 'bytes')}\n\n`);
    process.stdout.write(`${tableOf(files, 'damage', 'cases')}\n`);
    for (const finding of [...bytes.findings, ...files.findings])
      process.stdout.write(`WRONG ${finding}\n`);
    wrong += bytes.findings.length + files.findings.length;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = wrong === 0 ? 0 : 1;
