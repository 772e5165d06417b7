// Chunk engine beside the disk: one JSON line per result.
//   node dist/test/bench/chunks.js [--dir DIR] [--seconds S] [--rounds N]
// In turns within each round, so that a slow minute of the machine hits both sides:
//   1 MiB writes at concurrency 1 and 8   engine · fio overwriting a laid-out file, fdatasync per write
//   4 KiB durable writes at 64            engine · bare journal loop with the same payload
//   1 MiB cached reads                    engine · pread + one CRC32C pass
// and at the end a table: medians and ranges of the rounds, and of the ratios within each round.
// Journal, slabs and index lie in one directory, as in production. The engine is warmed up first: its slabs
// are laid out, as fio's file is.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crc32c } from '../../core/base/crc32c.ts';
import type { ChainVer, SessionId, TargetId } from '../../core/base/ids.ts';
import { KiB, MiB } from '../../core/base/limits.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeDisk } from '../../core/env/node/disk.ts';
import { openLevelKv } from '../../core/env/node/kv.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import { silentEvents } from '../../core/env/events.ts';
import { createChunkStore, openChunkStore } from '../../core/store/chunk-store.ts';
import type { ChunkEngine } from '../../core/store/engine.ts';
import { openJournal } from '../../core/store/journal-open.ts';
import type { DiskJournal } from '../../core/store/journal.ts';
import { type JournalUser, recordKind } from '../../core/store/types.ts';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '5' },
  },
});
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const root = mkdtempSync(join(values.dir, 'lampyr-bench-'));
const target = 1 as TargetId;
const clock = nodeClock;

interface Result {
  readonly name: string;
  readonly concurrency: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of this process per operation. */
  readonly cpuUs: number;
}

/** Runs `operation` in `concurrency` loops for the time given. */
async function measure(
  name: string,
  concurrency: number,
  operation: (index: number) => Promise<unknown>,
): Promise<Result> {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const start = clock.now();
  const end = start + seconds * 1000;
  let index = 0;
  const loop = async (): Promise<void> => {
    while (clock.now() < end) {
      const began = clock.now();
      // oxlint-disable-next-line no-await-in-loop -- one operation after another
      await operation(index++);
      times.push(clock.now() - began);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, loop));
  const took = (clock.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0;
  return {
    name,
    concurrency,
    perSecond: times.length / took,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    cpuUs: (user + system) / times.length,
  };
}

/** A result with what it is measured against, round by round. */
interface Row {
  readonly name: string;
  readonly concurrency: number;
  readonly against: string;
  readonly rates: number[];
  readonly ofRates: number[];
  readonly cpuUs: number[];
}

const rows: Row[] = [];

/** Prints a result beside the one that it is compared with, and keeps both for the table. */
function compare(round: number, against: Result, result: Result): void {
  print(round, against);
  print(round, result, { ratio: result.perSecond / against.perSecond });
  const { name, concurrency } = result;
  let row = rows.find((known) => known.name === name && known.concurrency === concurrency);
  if (row === undefined) {
    row = { name, concurrency, against: against.name, rates: [], ofRates: [], cpuUs: [] };
    rows.push(row);
  }
  row.rates.push(result.perSecond);
  row.ofRates.push(against.perSecond);
  row.cpuUs.push(result.cpuUs);
}

function spread(numbers: readonly number[]): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  const [low, middle, high] = [0, Math.floor(sorted.length / 2), sorted.length - 1].map((at) =>
    (sorted[at] ?? 0).toPrecision(3),
  );
  return `${middle} (${low}–${high})`;
}

function table(): string {
  const lines = [
    '| engine | concurrency | per second (range) | against | per second (range) | ratio (range) | CPU µs (range) |',
    '|---|---|---|---|---|---|---|',
  ];
  for (const { name, concurrency, against, rates, ofRates, cpuUs } of rows) {
    const ratios = rates.map((rate, at) => rate / (ofRates[at] as number));
    const cells = [name, concurrency, spread(rates), against, spread(ofRates), spread(ratios)];
    lines.push(`| ${[...cells, spread(cpuUs)].join(' | ')} |`);
  }
  return lines.join('\n');
}

function print(round: number, result: Result, more: object = {}): void {
  const rounded = Object.fromEntries(
    Object.entries({ ...result, ...more }).map(([key, value]) => [
      key,
      typeof value === 'number' ? Math.round(value * 1000) / 1000 : value,
    ]),
  );
  process.stdout.write(`${JSON.stringify({ round, ...rounded })}\n`);
}

// --- the engine ----------------------------------------------------------------------------------

async function openEngine(): Promise<{ engine: ChunkEngine; journal: DiskJournal }> {
  const disk = nodeDisk(join(root, 'store'));
  await disk.makeDirectory('.');
  const kv = await openLevelKv(join(root, 'store', 'index'));
  const events = silentEvents;
  const clusterId = new Uint8Array(16);
  const rng = nodeRng;
  await createChunkStore({ disk, kv, events, clock, rng, clusterId, targets: [target] });
  const engine = await openChunkStore({ disk, kv, events });
  const users = [engine];
  const journal = await openJournal({ disk, directory: 'journal', users, events, clock, rng });
  engine.serve(journal);
  return { engine, journal };
}

function writer(engine: ChunkEngine, bytes: Buffer, firstBlob: number, blobs: number) {
  const checksum = crc32c(bytes);
  return (index: number) =>
    engine.update({
      target,
      chunk: { blob: (firstBlob + (index % blobs)) as never, index: 0 },
      change: { kind: 'write', offset: 0, bytes, crc32c: checksum },
      chainVersion: 1 as ChainVer,
      tag: { session: 1 as SessionId, channel: 0, sequence: index },
    });
}

// --- what it is measured against -----------------------------------------------------------------

function fio(concurrency: number): Result {
  const file = join(root, 'fio.data');
  const job = ['--name=write', `--filename=${file}`, '--size=512M', '--bs=1M', '--rw=write'];
  const how = ['--ioengine=psync', '--fdatasync=1', '--overwrite=1', `--numjobs=${concurrency}`];
  const time = ['--time_based', `--runtime=${seconds}`, '--group_reporting'];
  const offset = concurrency > 1 ? ['--offset_increment=64M', '--size=64M'] : [];
  const run = spawnSync(
    'fio',
    [...job, ...how, ...time, ...offset, '--thread', '--output-format=json'],
    { encoding: 'utf8' },
  );
  if (run.status !== 0) throw new Error(`fio: ${run.stderr || String(run.error)}`);
  const [group] = (JSON.parse(run.stdout) as { jobs: { write: { iops: number } }[] }).jobs;
  const perSecond = group?.write.iops ?? 0;
  return { name: 'fio 1 MiB', concurrency, perSecond, p50Ms: 0, p99Ms: 0, cpuUs: 0 };
}

async function openBareJournal(): Promise<DiskJournal> {
  const user: JournalUser = {
    name: 'nobody',
    kinds: [recordKind.chunk],
    replay: () => undefined,
    replayed: () => Promise.resolve(),
    checkpoint: () => Promise.resolve(),
  };
  const disk = nodeDisk(join(root, 'bare'));
  await disk.makeDirectory('.');
  const events = silentEvents;
  return openJournal({ disk, directory: 'journal', users: [user], events, clock, rng: nodeRng });
}

function rawReader(bytes: number): (index: number) => Promise<void> {
  const file = join(root, 'raw.data');
  fs.writeFileSync(file, Buffer.alloc(bytes, 1));
  const fd = fs.openSync(file, 'r');
  return () =>
    new Promise((resolve, reject) => {
      const into = Buffer.allocUnsafe(bytes);
      fs.read(fd, into, 0, bytes, 0, (error) => {
        if (error) reject(error);
        else {
          crc32c(into);
          resolve();
        }
      });
    });
}

// --- rounds --------------------------------------------------------------------------------------

async function rowsOfRound(
  round: number,
  parts: { engine: ChunkEngine; bare: DiskJournal; read: (index: number) => Promise<void> },
): Promise<void> {
  const { engine, bare, read } = parts;
  const large = Buffer.alloc(MiB, round + 1);
  for (const concurrency of [1, 8]) {
    const disk = fio(concurrency);
    // oxlint-disable-next-line no-await-in-loop -- in turns
    const row = await measure('1 MiB write', concurrency, writer(engine, large, 1, 256));
    compare(round, disk, row);
  }
  const small = Buffer.alloc(4 * KiB, round + 1);
  const loop = await measure('journal 4 KiB', 64, async () => {
    await bare.room(small.length);
    await bare.append(recordKind.chunk, [small]).durable;
  });
  const row = await measure('4 KiB write', 64, writer(engine, small, 10_000, 20_000));
  compare(round, loop, row);
  const raw = await measure('pread + crc 1 MiB', 1, read);
  const got = await measure('1 MiB read', 1, (index) =>
    engine.read(target, { blob: (1 + (index % 64)) as never, index: 0 }, 0, MiB),
  );
  compare(round, raw, got);
}

try {
  const { engine, journal } = await openEngine();
  const bare = await openBareJournal();
  const read = rawReader(MiB);
  // Lays the slabs out and fills the caches that the reads use.
  const warm = writer(engine, Buffer.alloc(MiB, 1), 1, 256);
  for (let i = 0; i < 512; i += 8)
    // oxlint-disable-next-line no-await-in-loop -- eight at a time
    await Promise.all(Array.from({ length: 8 }, (_, j) => warm(i + j)));
  for (let round = 0; round < rounds; round++)
    // oxlint-disable-next-line no-await-in-loop -- one round after another
    await rowsOfRound(round, { engine, bare, read });
  process.stdout.write(`${table()}\n`);
  await engine.close();
  await journal.close();
  await bare.close();
} finally {
  rmSync(root, { recursive: true, force: true });
}
