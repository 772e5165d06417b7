// A real Lampyr for tests and benchmarks: the built command line in child processes on a temporary directory,
// loopback, free ports. The whole process group can be killed, as a power cut of the software would.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface LampyrOptions {
  /** Kept at `stop` when given; else a temporary directory that is removed. */
  readonly dataDir?: string;
  readonly arguments?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** How long the start may take. */
  readonly startMs?: number;
}

export interface Endpoints {
  readonly s3: string;
  readonly admin: string;
}

export interface Lampyr {
  readonly dataDir: string;
  readonly endpoints: Endpoints;
  readonly accessKey: string;
  readonly secretKey: string;
  /** The launcher and its present children. */
  pids(): number[];
  /** kill -9 of every process at once. */
  killAll(): Promise<void>;
  /** SIGTERM; resolves with the exit code of the launcher. */
  stop(): Promise<number | null>;
  /** What the processes wrote to stderr, the newest part. */
  log(): string;
}

export const mainFile = new URL('../../gateways/main.js', import.meta.url).pathname;
const logBytesMax = 256 * 1024;

/** @throws Error with the tail of the log when the system is not ready in time. */
export async function startLampyr(options: LampyrOptions = {}): Promise<Lampyr> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'lampyr-'));
  const child = spawn(
    process.execPath,
    [
      mainFile,
      'start',
      '--json',
      '--data',
      dataDir,
      '--s3-port',
      '0',
      '--admin-port',
      '0',
      ...(options.arguments ?? []),
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...options.environment },
    },
  );
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-logBytesMax);
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const line = await firstLine(child, exited, options.startMs ?? 60_000).catch((error: unknown) => {
    killGroup(child);
    throw new Error(`lampyr start: ${(error as Error).message}\n${log}`, { cause: error });
  });
  const keys = keysOf(dataDir, options.environment);
  const cleanUp = (): void => {
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  };
  return {
    dataDir,
    endpoints: JSON.parse(line) as Endpoints,
    ...keys,
    pids: () => [child.pid as number, ...childrenOf(child.pid as number)],
    async killAll() {
      killGroup(child);
      await exited;
      cleanUp();
    },
    async stop() {
      child.kill('SIGTERM');
      const code = await exited;
      cleanUp();
      return code;
    },
    log: () => log,
  };
}

/** The root's keys: those of the environment when given, else the generated ones. */
function keysOf(
  dataDir: string,
  environment: NodeJS.ProcessEnv = {},
): { accessKey: string; secretKey: string } {
  const accessKey = environment['LAMPYR_ACCESS_KEY'];
  const secretKey = environment['LAMPYR_SECRET_KEY'];
  if (accessKey !== undefined && secretKey !== undefined) return { accessKey, secretKey };
  const text = readFileSync(join(dataDir, 'credentials.json'), 'utf8');
  return JSON.parse(text) as { accessKey: string; secretKey: string };
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid as number), 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

function firstLine(
  child: ChildProcess,
  exited: Promise<number | null>,
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => reject(new Error(`not ready after ${timeoutMs} ms`)), timeoutMs);
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const end = text.indexOf('\n');
      if (end < 0) return;
      clearTimeout(timer);
      resolve(text.slice(0, end));
    });
    const onExit = (code: number | null): void => {
      clearTimeout(timer);
      reject(new Error(`exited with code ${code}`));
    };
    void exited.then(onExit, reject);
  });
}

/** Direct and indirect children, from /proc. */
export function childrenOf(pid: number): number[] {
  const found: number[] = [];
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const list = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
    for (const child of list === '' ? [] : list.split(' ').map(Number))
      found.push(child, ...childrenOf(child));
  }
  return found;
}
