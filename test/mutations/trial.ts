// A copy of the built program in which one mutation at a time is made, and the tests that might notice it, the
// likeliest and cheapest first: contracts and traces of system calls for what stands at the disk, crash
// states in simulation for what stands above, then kills of real processes on the lossy disks.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { findTests, suiteOf } from '../tools/suite.ts';
import type { Mutation } from './sites.ts';

/** dist/test/mutations/ → the checkout. */
const root = new URL('../../../', import.meta.url).pathname;

/** A mutation may hang what it mutates: that is noticed too. Longer than a crash run with its last restart. */
const testMsMax = 400_000;
const crashMinutes = 4;
/** In half as many kills a missing sync shows as well: nothing unsynced survives any. */
const kills = 6;

export interface Suite {
  readonly name: string;
  /** Of the copy. */
  readonly program: string;
  readonly arguments: readonly string[];
  readonly filter?: string;
}

export class Trial {
  readonly folder = mkdtempSync(join(tmpdir(), 'lampyr-mutations-'));

  constructor() {
    for (const name of ['dist', 'test'])
      cpSync(join(root, name), join(this.folder, name), { recursive: true });
    for (const name of ['node_modules', 'package.json'])
      symlinkSync(join(root, name), join(this.folder, name));
    const compilerOptions = { allowJs: true, noEmit: true, module: 'NodeNext', target: 'ES2023' };
    const include = ['dist/core', 'dist/gateways'];
    writeFileSync(
      join(this.folder, 'mutations.tsconfig.json'),
      JSON.stringify({ compilerOptions, include }),
    );
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs `suites` in turn on the mutated program; what first failed, or undefined when nothing did. */
  async run(mutation: Mutation | undefined, suites: readonly Suite[]): Promise<string | undefined> {
    const undo = mutation === undefined ? () => undefined : this.mutate(mutation);
    try {
      for (const suite of suites) {
        const failed = await this.failureOf(suite);
        if (failed !== undefined) return `${suite.name}: ${failed}`;
      }
      return undefined;
    } finally {
      undo();
    }
  }

  private mutate({ file, start, end, text }: Mutation): () => void {
    const path = join(this.folder, 'dist', file);
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, `${before.slice(0, start)}${text}${before.slice(end)}`);
    return () => writeFileSync(path, before);
  }

  /** The name of the first test that failed; the rest is not waited for. */
  private failureOf({ program, arguments: rest, filter = '' }: Suite): Promise<string | undefined> {
    const child = spawn(process.execPath, [join(this.folder, 'dist', program), ...rest], {
      cwd: this.folder,
      env: { ...process.env, LAMPYR_TEST_FILTER: filter, NODE_TEST_CONTEXT: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that processes that a test started go with it.
      detached: true,
    });
    let failed: string | undefined;
    let output = '';
    const end = (reason: string): void => {
      failed ??= reason;
      process.kill(-(child.pid as number), 'SIGKILL');
    };
    const timer = setTimeout(() => end('hangs'), testMsMax);
    const onOutput = (chunk: Buffer): void => {
      output += chunk.toString();
      const name = /^ *not ok \d+ - (.*)$/m.exec(output)?.[1];
      if (failed === undefined && name !== undefined) end(name);
    };
    child.stdout.on('data', onOutput);
    child.stderr.on('data', onOutput);
    return new Promise((resolve) => {
      child.once('close', (code) => {
        clearTimeout(timer);
        resolve(failed ?? (code === 0 ? undefined : reasonOf(output)));
      });
    });
  }
}

/** Why a crash run failed: a violation of its summary, or the error that ended it. */
function reasonOf(output: string): string {
  const violation = /"violations": \[\s+"(.*)"/.exec(output)?.[1];
  const refused = /"reason":"([^"]*)"/.exec(output)?.[1];
  const reason = violation ?? refused ?? /^\w*Error: (.*)$/m.exec(output)?.[1] ?? 'fails';
  return reason.replaceAll(/\b[0-9a-f]{16,}\b/g, '…').slice(0, reasonCharactersMax);
}

const reasonCharactersMax = 120;

const fileSuite = (file: string): Suite => ({
  name: file.replace(/^test\//, ''),
  program: `test/suites/${suiteOf(file)}.js`,
  arguments: [],
  filter: file,
});

const killSuite = (model: string): Suite => ({
  name: `crash ${model}`,
  program: 'test/crash/main.js',
  arguments:
    `--disk ${model} --kills ${kills} --minutes ${crashMinutes} --seed mutations --writers 8`.split(
      ' ',
    ),
});

/** For what stands at the disk, for what stands above it. */
const atTheDisk = /^test\/contracts\/disk\.|^test\/core\/env\/node\/lossy\.|\/syncs\.test/;
/** Suites of crash states, then tests that lose the power here and there. */
const simulated = /crash[^/]*\.test\.ts$/;
const losesPower = /\.crash\(/;

const files = findTests().filter((file) => !/^test\/(?:crash|sim)\//.test(file));
const disk = files.filter((file) => atTheDisk.test(file));
const simulations = files.filter((file) => simulated.test(file));
const losses = files.filter(
  (file) =>
    !disk.includes(file) &&
    !simulations.includes(file) &&
    losesPower.test(readFileSync(join(root, file), 'utf8')),
);

/** All that a mutation may meet. */
export function allSuites(): Suite[] {
  return [...[...disk, ...simulations, ...losses].map(fileSuite), ...killSuites];
}

const killSuites = [killSuite('lossy'), killSuite('lossy-twice')];

export function suitesFor({ source, kind }: Mutation): Suite[] {
  // journal-ring.ts is likelier to be noticed by journal-crash.test.ts, the rest of the store by the engine's.
  const first = basename(source).split(/[-.]/)[0] as string;
  const named = simulations.filter((file) => basename(file).startsWith(first));
  const stem = named.length > 0 || !source.startsWith('core/store/') ? first : 'engine';
  // Waits show where something is slow.
  const likely = kind === 'removed' ? [stem] : ['slow', stem];
  const related = likely.flatMap((word) =>
    simulations.filter((file) => basename(file).startsWith(word)),
  );
  const others = simulations.filter((file) => !related.includes(file));
  return [...[...related, ...disk, ...others, ...losses].map(fileSuite), ...killSuites];
}
