// The `lampyr` command line as a person or a script runs it: a process, what it wrote, how it ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { mainFile } from '../tools/lampyr.ts';
import type { Scope } from '../tools/temporary.ts';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly process: ChildProcess;
  /** What is on stdout so far. */
  out(): string;
  /** Resolves when stdout holds the text. @throws Error when the process ends before, with its stderr */
  until(text: string): Promise<string>;
  readonly ended: Promise<Ended>;
}

export interface CommandOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Instead of `lampyr`: a program and its first arguments. */
  readonly program?: readonly [string, ...string[]];
}

/** Starts a command in a process group of its own, killed when the test ends. */
export function start(
  context: Scope,
  args: readonly string[],
  options: CommandOptions = {},
): Running {
  const [program, ...first] = options.program ?? [process.execPath, mainFile];
  const { LAMPYR_ACCESS_KEY: _, LAMPYR_SECRET_KEY: __, ...inherited } = process.env;
  const child = spawn(program, [...first, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...inherited, ...options.environment },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  context.after(() => killGroup(child));
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve({ code, out, err }));
  });
  const until = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (out.includes(text)) resolve(out);
      };
      child.stdout.on('data', look);
      void ended.then(() => reject(new Error(`ended without '${text}':\n${out}${err}`)));
      look();
    });
  return { process: child, out: () => out, until, ended };
}

/** Runs a command to its end. */
export function run(
  context: Scope,
  args: readonly string[],
  options?: CommandOptions,
): Promise<Ended> {
  return start(context, args, options).ended;
}

export function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid as number), 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
