// The thrasher: three replicas in real processes, writers through S3, and faults of stores one after another. After
// each, all chains must be whole again, every key shows an allowed state, and nobody was kept waiting longer than T and
// five seconds while a replica served; at times and at the end, fsck reads every byte of every replica.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { limits } from '../../core/base/limits.ts';
import { Prng } from '../../core/base/prng.ts';
import { lossyFolder } from '../../core/env/node/storage.ts';
import { type Counts, Writer, crashBucket, makeBucket, noCounts } from '../crash/workload.ts';
import { fsckOf, isWhole, statusOf } from '../tools/admin.ts';
import { type Lampyr, startLampyr } from '../tools/lampyr.ts';
import { S3Client, type S3Address } from '../tools/s3-client.ts';
import { type FaultKind, Faults, faultKinds } from './faults.ts';

export interface ThrashOptions {
  readonly seed: string;
  readonly writers: number;
  readonly faults: number;
  /** No further fault after this time. */
  readonly minutes: number;
  readonly kinds?: readonly FaultKind[];
  /** A kill is a power loss: what was not synced is gone (core/env/node/lossy). */
  readonly lossy?: boolean;
  readonly progress?: (line: string) => void;
}

export interface ThrashSummary extends Counts {
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
  /** Longest request of the probe, and longest time from the end of a fault until all chains were whole. */
  readonly waitMsMax: number;
  readonly healMsMax: number;
  readonly fscks: number;
}

/** Issue: client-visible unavailability, and healing. */
const waitMsAllowed = limits.storeDeadMs + 5_000;
const healMsAllowed = 60_000;
/** Writers go on for so long before and after a fault. */
const workMs = 1_500;
const faultsPerFsck = 5;
/** Nothing new is heard of the last fault for so long. */
const restMs = 1_000;

export async function runThrash(options: ThrashOptions): Promise<ThrashSummary> {
  const dataDir = mkdtempSync(join(tmpdir(), 'lampyr-thrash-'));
  const run = new Thrash(options, dataDir);
  if (options.lossy === true) mkdirSync(join(dataDir, lossyFolder));
  const environment = options.lossy === true ? { LAMPYR_TEST_DISK: 'lossy' } : {};
  const lampyr = await startLampyr({ dataDir, environment, arguments: ['--replicas', '3'] });
  try {
    const summary = await run.all(lampyr);
    if (summary.violations.length === 0) rmSync(dataDir, { recursive: true, force: true });
    else options.progress?.(`kept ${dataDir}\n${lampyr.log().slice(-8000)}`);
    return summary;
  } finally {
    await lampyr.killAll().catch(() => undefined);
  }
}

class Thrash {
  private readonly options: ThrashOptions;
  private readonly dataDir: string;
  private readonly prng: Prng;
  private readonly violations: string[] = [];
  private readonly injected: Record<string, number> = {};
  private readonly counts: Counts = noCounts();
  private waitMsMax = 0;
  private healMsMax = 0;
  private fscks = 0;

  constructor(options: ThrashOptions, dataDir: string) {
    this.options = options;
    this.dataDir = dataDir;
    this.prng = new Prng(options.seed);
  }

  async all(lampyr: Lampyr): Promise<ThrashSummary> {
    const { writers: count, minutes, kinds = faultKinds } = this.options;
    const address = addressOf(lampyr);
    const writers = Array.from(
      { length: count },
      (_, at) => new Writer(at, this.prng.fork(`writer ${at}`), this.counts),
    );
    const faults = new Faults(this.dataDir, this.prng.fork('faults'));
    await makeBucket(address);
    await this.whole();
    const end = Date.now() + minutes * 60_000;
    for (let done = 0; done < this.options.faults && Date.now() < end; done++) {
      if (this.violations.length > 0) break;
      // Each kind in turn, so that a short run has them all.
      const kind = kinds[done % kinds.length] as FaultKind;
      // oxlint-disable-next-line no-await-in-loop -- fault after fault
      await this.round(kind, faults, writers, address);
      this.injected[kind] = (this.injected[kind] ?? 0) + 1;
      if (done % faultsPerFsck === faultsPerFsck - 1) await this.fsck();
      const sum = `${this.counts.acknowledged} acknowledged, longest wait ${this.waitMsMax} ms`;
      this.options.progress?.(
        `${done + 1} ${kind}: ${sum}, healed in ${this.healMsMax} ms at most`,
      );
    }
    await this.fsck();
    const code = await lampyr.stop();
    if (code !== 0) this.violations.push(`SIGTERM ended with exit code ${code}`);
    const { counts, violations, waitMsMax, healMsMax, fscks } = this;
    return { ...counts, faults: this.injected, violations, waitMsMax, healMsMax, fscks };
  }

  private async round(
    kind: FaultKind,
    faults: Faults,
    writers: readonly Writer[],
    address: S3Address,
  ): Promise<void> {
    let stopped = false;
    const isStopped = (): boolean => stopped;
    const running = writers.map(async (writer) => {
      // A door that died ends a writer's connection: on with the keys whose outcome is known.
      // oxlint-disable-next-line no-await-in-loop
      while (!isStopped()) await Promise.all([writer.run(address, isStopped), delay(50)]);
    });
    const probing = this.probe(address, isStopped, kind === 'core' || kind === 'kill-all');
    await delay(workMs + this.prng.below(workMs));
    await faults.inject(kind);
    const overMs = Date.now();
    await this.whole();
    this.healMsMax = Math.max(this.healMsMax, Date.now() - overMs - restMs);
    await delay(workMs);
    stopped = true;
    await Promise.all([...running, probing]);
    const found = await Promise.all(writers.map((writer) => writer.settle(address)));
    this.violations.push(...found.flat().map((violation) => `after ${kind}: ${violation}`));
  }

  /** One small write and its read after the other: how long a client waits, whatever it meets.
   *  @param unbounded nobody serves for a while: only that it ends is asked */
  private async probe(
    address: S3Address,
    stopped: () => boolean,
    unbounded: boolean,
  ): Promise<void> {
    const client = new S3Client(address);
    const path = `/${crashBucket}/probe`;
    for (let number = 0; !stopped(); number++) {
      const startedMs = Date.now();
      const body = Buffer.from(`probe ${number}`);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      while (!(await isDone(client, path, body))) await delay(20);
      const waitedMs = Date.now() - startedMs;
      if (unbounded) continue;
      this.waitMsMax = Math.max(this.waitMsMax, waitedMs);
      if (waitedMs > waitMsAllowed) this.violations.push(`a client waited ${waitedMs} ms`);
    }
    await client.send('DELETE', path).catch(() => undefined);
    client.close();
  }

  /** All processes and all replicas serve, and have done so for a while: a fault shows a moment later. */
  private async whole(): Promise<void> {
    const startedMs = Date.now();
    for (let sinceMs = Infinity; Date.now() - sinceMs < restMs || sinceMs === Infinity;) {
      // oxlint-disable-next-line no-await-in-loop -- until it heals
      const status = await statusOf(this.dataDir);
      const rests = isWhole(status) && status.processes.every(({ state }) => state === 'SERVING');
      sinceMs = rests ? Math.min(sinceMs, Date.now()) : Infinity;
      if (Date.now() - startedMs > healMsAllowed + restMs) {
        this.violations.push(`not whole in time: ${JSON.stringify(status)}`);
        return;
      }
      // oxlint-disable-next-line no-await-in-loop
      await delay(100);
    }
  }

  private async fsck(): Promise<void> {
    const { clean, findings } = await fsckOf(this.dataDir);
    this.fscks++;
    // What was not compared was not checked.
    if (!clean || findings.some(({ kind }) => kind === 'replicas-unchecked'))
      this.violations.push(`fsck: ${JSON.stringify(findings)}`);
  }
}

async function isDone(client: S3Client, path: string, body: Buffer): Promise<boolean> {
  try {
    const { status } = await client.send('PUT', path, '', body);
    if (status !== 200) return false;
    const read = await client.send('GET', path);
    if (read.status !== 200) return false;
    if (read.body?.equals(body) !== true) throw new Error('the probe read what it did not write');
    return true;
  } catch (error) {
    if ((error as Error).message.startsWith('the probe')) throw error;
    return false;
  }
}

function addressOf({ endpoints, accessKey, secretKey }: Lampyr): S3Address {
  const { hostname, port } = new URL(endpoints.s3);
  return { host: hostname, port: Number(port), accessKey, secretKey };
}
