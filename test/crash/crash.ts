// The crash test: real processes, many writers, kill -9 at random moments, restart, compare. Run long with
// `npm run crash` (main.ts says how); short runs are part of `npm test`.
//
// On the plain disk the page cache survives a kill. On the lossy ones of core/env/node/lossy it does not: a kill
// of the core is a power loss that keeps nothing unsynced (`lossy`), or kills in turns leave the unsynced
// writes to the next core and take them from it (`lossy-twice`: what recovery showed must not go again).
//
// Checked after every restart: each key shows its acknowledged state or, whole, one write whose outcome the
// crash left unknown; the listing names exactly the keys that are present. At the end: `lampyr fsck` clean on
// the running and on the stopped system.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../core/base/prng.ts';
import { lossyFolder } from '../../core/env/node/storage.ts';
import { type Lampyr, mainFile, startLampyr } from '../tools/lampyr.ts';
import { type S3Address } from '../tools/s3-client.ts';
import { type Counts, Writer, listKeys, makeBucket, noCounts } from './workload.ts';

export const crashDisks = ['plain', 'lossy', 'lossy-twice'] as const;
export type CrashDisk = (typeof crashDisks)[number];

export interface CrashOptions {
  readonly disk: CrashDisk;
  readonly seed: string;
  readonly writers: number;
  readonly kills: number;
  /** Stops at the first round after this time; Infinity: only the number of kills counts. */
  readonly minutes: number;
  readonly progress?: (line: string) => void;
}

export interface CrashSummary extends Counts {
  readonly disk: CrashDisk;
  readonly kills: number;
  readonly killsOf: Readonly<Record<Victim, number>>;
  readonly violations: readonly string[];
  readonly fsck: string;
  /** Where the time went: writers at work, from a kill until all serve, comparing. */
  readonly seconds: Readonly<Record<Phase, number>>;
}

type Phase = 'writing' | 'down' | 'checking';

/** Who dies: everything at once, or one role alone, which the launcher starts again. */
type Victim = 'all' | 'core' | 'object';

/** A door has no disk to lose. The core alone is back sooner than everything, so it dies more often. */
const victims: Readonly<Record<CrashDisk, readonly Victim[]>> = {
  plain: ['all', 'core', 'core', 'object'],
  lossy: ['all', 'core', 'core', 'core'],
  'lossy-twice': ['all', 'core', 'core', 'core'],
};

const addressOf = (lampyr: Lampyr): S3Address => {
  const { hostname, port } = new URL(lampyr.endpoints.s3);
  return {
    host: hostname,
    port: Number(port),
    accessKey: lampyr.accessKey,
    secretKey: lampyr.secretKey,
  };
};

/** Kills of single roles in a row: the launcher doubles its pause before each restart. */
const roleKillsMax = 3;

/** A round lasts at least until this many writes were acknowledged in it, so that a slow machine checks as much. */
const acknowledgedPerRound = 36;
const roundMsMax = 30_000;
/** Random time after that at which the victim dies. */
const delayMsMax = 300;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The child whose command line names the role. */
function pidOfRole(lampyr: Lampyr, role: string): number | undefined {
  return lampyr
    .pids()
    .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(role));
}

/** Until the S3 door answers again after one role was killed. */
async function waitServing(address: S3Address): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      await listKeys(address);
      return;
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error('the door did not come back in 30 s', { cause: error });
      await sleep(50);
    }
  }
}

export async function runCrashTest(options: CrashOptions): Promise<CrashSummary> {
  const prng = new Prng(options.seed);
  const counts: Counts = noCounts();
  const killsOf: Record<Victim, number> = { all: 0, core: 0, object: 0 };
  const stopwatch = new Stopwatch();
  const writers = Array.from(
    { length: options.writers },
    (_, index) => new Writer(index, prng.fork(`writer ${index}`), counts),
  );
  const place = makePlace(options.disk);
  const { dataDir } = place;
  const violations: string[] = [];
  const end = Date.now() + options.minutes * 60_000;
  let kills = 0;
  let roleKills = 0;
  let lampyr = await startLampyr(place);
  try {
    await makeBucket(addressOf(lampyr));
    while (kills < options.kills && Date.now() < end && violations.length === 0) {
      const victim = roleKills < roleKillsMax ? prng.pick(victims[options.disk]) : 'all';
      roleKills = victim === 'all' ? 0 : roleKills + 1;
      const wanted = counts.acknowledged + acknowledgedPerRound;
      const enough = (): boolean => counts.acknowledged >= wanted;
      lampyr = await runRound({
        lampyr,
        place,
        writers,
        victim,
        enough,
        delayMs: prng.below(delayMsMax),
        stopwatch,
      });
      kills++;
      killsOf[victim]++;
      violations.push(...(await settleAll(addressOf(lampyr), writers)));
      stopwatch.ends('checking');
      options.progress?.(
        `kill ${kills} (${victim}): ${JSON.stringify(counts)} ${violations.length} violations`,
      );
    }
    const fsck = [runFsck(dataDir)];
    const code = await lampyr.stop();
    if (code !== 0) violations.push(`SIGTERM ended with exit code ${code}`);
    fsck.push(runFsck(dataDir));
    violations.push(...fsck.filter((text) => text !== 'clean'));
    const { seconds } = stopwatch;
    const { disk } = options;
    return { disk, ...counts, kills, killsOf, violations, fsck: fsck.join('; '), seconds };
  } finally {
    await lampyr.killAll().catch(() => undefined);
    if (violations.length === 0) rmSync(dataDir, { recursive: true, force: true });
    else options.progress?.(`kept ${dataDir}\n${lampyr.log()}`);
  }
}

interface Place {
  readonly dataDir: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** A directory for the system, made for the disk that it is to run on. */
function makePlace(disk: CrashDisk): Place {
  const dataDir = mkdtempSync(join(tmpdir(), `lampyr-crash-${disk}-`));
  if (disk === 'plain') return { dataDir, environment: {} };
  mkdirSync(join(dataDir, lossyFolder));
  return { dataDir, environment: { LAMPYR_TEST_DISK: disk } };
}

class Stopwatch {
  readonly seconds: Record<Phase, number> = { writing: 0, down: 0, checking: 0 };
  private last = performance.now();

  ends(phase: Phase): void {
    const now = performance.now();
    this.seconds[phase] = Math.round((this.seconds[phase] + (now - this.last) / 1000) * 10) / 10;
    this.last = now;
  }
}

interface Round {
  readonly lampyr: Lampyr;
  readonly place: Place;
  readonly writers: readonly Writer[];
  readonly victim: Victim;
  /** The round has done its share of work. */
  readonly enough: () => boolean;
  /** Random time after that at which the victim dies. */
  readonly delayMs: number;
  readonly stopwatch: Stopwatch;
}

/** Writers run until the victim dies. Returns the system that serves afterwards. */
async function runRound({
  lampyr,
  place,
  writers,
  victim,
  enough,
  delayMs,
  stopwatch,
}: Round): Promise<Lampyr> {
  let stopped = false;
  const address = addressOf(lampyr);
  const running = Promise.all(writers.map((writer) => writer.run(address, () => stopped)));
  for (const end = Date.now() + roundMsMax; !enough() && Date.now() < end;) await sleep(20);
  await sleep(delayMs);
  stopwatch.ends('writing');
  if (victim === 'all') {
    await lampyr.killAll();
    await running;
    const next = await startLampyr(place);
    stopwatch.ends('down');
    return next;
  }
  const pid = pidOfRole(lampyr, victim);
  if (pid === undefined) throw new Error(`no ${victim} process found`);
  process.kill(pid, 'SIGKILL');
  stopped = true;
  await running;
  await waitServing(address);
  stopwatch.ends('down');
  return lampyr;
}

async function settleAll(address: S3Address, writers: readonly Writer[]): Promise<string[]> {
  const violations = (await Promise.all(writers.map((writer) => writer.settle(address)))).flat();
  const listed = new Set(await listKeys(address));
  for (const history of writers.flatMap((writer) => writer.histories)) {
    if (history.present !== listed.has(history.key)) {
      violations.push(
        `${history.key}: ${history.present ? 'present but not listed' : 'listed but absent'}`,
      );
    }
    listed.delete(history.key);
  }
  for (const key of listed) violations.push(`${key}: listed, never written`);
  return violations;
}

function runFsck(dataDir: string): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [mainFile, 'fsck', '--data', dataDir],
    { encoding: 'utf8', timeout: 120_000 },
  );
  return status === 0 ? 'clean' : `fsck exited ${status}: ${stdout}${stderr}`;
}
