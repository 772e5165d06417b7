// A copy of what the simulated cluster is made of, compiled with one deliberate bug in it.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bug, Edit } from './list.ts';

/** dist/test/sim/cluster/bugs/ → the checkout. */
export const root = fileURLToPath(new URL('../../../../../', import.meta.url));

export interface Finding {
  readonly seed: number;
  readonly checker: string;
  readonly violation: string;
}

/** Which checker a violation is of. */
const checkers: readonly (readonly [RegExp, string])[] = [
  [/^target \d+ gave up/, 'a target gave up'],
  [/was acknowledged/, 'acknowledged updates are committed'],
  [/was refused/, 'refused requests have no effect'],
  [/ showed /, 'reads show what is current'],
  [/took effect as|has other bytes/, 'a request takes effect once'],
  [/was committed behind|is not what its change makes/, 'versions and contents follow'],
  [/^not whole|have no answer|pending/, 'everything comes to rest'],
  [/differ after/, 'replicas are equal'],
  [/Assertion|Error/, 'an assertion of the machine'],
];

export function editsApply({ file, from }: Edit): boolean {
  return readFileSync(join(root, file), 'utf8').split(from).length === 2;
}

export class Trial {
  private readonly folder = mkdtempSync(join(tmpdir(), 'lampyr-bugs-'));

  constructor() {
    for (const name of ['core', 'test', 'package.json'])
      cpSync(join(root, name), join(this.folder, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(this.folder, 'node_modules'));
    const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as {
      compilerOptions: object;
    };
    // A bug need not be well typed.
    const options = { ...compilerOptions, noEmitOnError: false, sourceMap: false };
    const config = { compilerOptions: options, files: ['test/sim/cluster/main.ts'] };
    writeFileSync(join(this.folder, 'tsconfig.json'), JSON.stringify(config));
  }

  /** @returns where the swarm found it; undefined when it did not */
  run(bug: Bug, runs: number): Finding | undefined {
    const before = new Map<string, string>();
    for (const { file, from, to } of bug.edits) {
      const path = join(this.folder, file);
      const text = readFileSync(path, 'utf8');
      if (!before.has(path)) before.set(path, text);
      const parts = text.split(from);
      if (parts.length !== 2) throw new Error(`${bug.name}: ${file} has no one place "${from}"`);
      writeFileSync(path, parts.join(to));
    }
    try {
      spawnSync('node', [join(root, 'node_modules/typescript/bin/tsc'), '-p', this.folder]);
      return this.swarm(runs);
    } finally {
      for (const [path, text] of before) writeFileSync(path, text);
    }
  }

  private swarm(runs: number): Finding | undefined {
    const main = join(this.folder, 'dist/test/sim/cluster/main.js');
    const { stdout, stderr, status } = spawnSync(
      'node',
      [main, '--seed', '1', '--runs', `${runs}`, '--stop-after', '1'],
      { encoding: 'utf8', maxBuffer: 1 << 26 },
    );
    if (status === 0) return undefined;
    const found = /^seed (\d+): (.*)$/m.exec(stdout);
    if (found === null) throw new Error(`the swarm did not run: ${stderr.slice(0, 2000)}`);
    const violation = found[2] ?? '';
    const checker = checkers.find(([pattern]) => pattern.test(violation))?.[1] ?? 'another checker';
    return { seed: Number(found[1]), checker, violation };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
