// Durable 4 KiB appends through the journal, in turns with a bare loop that writes the same groups into a
// prewritten file and syncs each: what the disk allows. Turns are short, so that both meet the same disk.
// `node dist/test/bench/journal.js [--seconds N] [--rounds N] [--directory DIR]`: one JSON line per row, with
// the median of the rounds; `cpuMicros` is the whole process, kernel included, per record.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MiB, limits } from '../../core/base/limits.ts';
import type { DiskFile } from '../../core/env/disk.ts';
import { silentEvents } from '../../core/env/events.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeDisk } from '../../core/env/node/disk.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import { openJournal } from '../../core/store/journal-open.ts';
import type { DiskJournal } from '../../core/store/journal.ts';
import { recordKind } from '../../core/store/types.ts';
import type { JournalUser } from '../../core/store/types.ts';

const { values: args } = parseArgs({
  options: {
    seconds: { type: 'string', default: '0.5' },
    rounds: { type: 'string', default: '9' },
    directory: { type: 'string', default: tmpdir() },
  },
});
const turnMs = Number(args.seconds) * 1000;
const rounds = Number(args.rounds);
const recordBytes = 4096;
const payload = Buffer.alloc(recordBytes, 0x5a);
const bareBytes = 32 * MiB;

interface Turn {
  readonly perSecond: number;
  readonly recordsPerSync: number;
  readonly cpuMicros: number;
}

const user: JournalUser = {
  name: 'bench',
  kinds: [recordKind.chunk],
  replay: () => undefined,
  replayed: () => Promise.resolve(),
  checkpoint: () => Promise.resolve(),
};

async function openAll(root: string): Promise<{ journal: DiskJournal; bare: DiskFile }> {
  const disk = nodeDisk(root);
  const directory = 'journal';
  const environment = { disk, events: silentEvents, clock: nodeClock, rng: nodeRng };
  const journal = await openJournal({ directory, users: [user], ...environment });
  const bare = await disk.open('bare', 'create');
  const zeros = Buffer.alloc(MiB);
  // oxlint-disable no-await-in-loop -- set-up
  for (let at = 0; at < bareBytes; at += MiB) await bare.write([zeros], at);
  await bare.sync();
  while (journal.stats.segments < limits.journalSegmentsMin)
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  // oxlint-enable no-await-in-loop
  return { journal, bare };
}

/** `concurrency` callers, each appending its next record when the last is durable. */
async function journalTurn(
  journal: DiskJournal,
  concurrency: number,
  end: number,
): Promise<number> {
  const { groups } = journal.stats;
  const caller = async (): Promise<void> => {
    while (nodeClock.now() < end) {
      // oxlint-disable no-await-in-loop -- one record after another
      await journal.room(recordBytes);
      await journal.append(recordKind.chunk, [payload]).durable;
      // oxlint-enable no-await-in-loop
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  return journal.stats.groups - groups;
}

/** Groups of `concurrency` records, each written and synced. */
async function bareTurn(bare: DiskFile, concurrency: number, end: number): Promise<number> {
  const parts = Array.from({ length: concurrency }, () => payload);
  const groupBytes = concurrency * recordBytes;
  let syncs = 0;
  for (let at = 0; nodeClock.now() < end; at += groupBytes) {
    if (at + groupBytes > bareBytes) at = 0;
    // oxlint-disable no-await-in-loop -- one sync after another
    await bare.write(parts, at);
    await bare.sync();
    // oxlint-enable no-await-in-loop
    syncs++;
  }
  return syncs;
}

/** `run` returns its syncs; `records` counts what became durable. */
async function turn(run: (end: number) => Promise<number>, records: () => number): Promise<Turn> {
  const before = records();
  const cpuBefore = process.cpuUsage();
  const start = nodeClock.now();
  const syncs = await run(start + turnMs);
  const took = (nodeClock.now() - start) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const count = records() - before;
  return {
    perSecond: count / took,
    recordsPerSync: count / syncs,
    cpuMicros: (cpu.user + cpu.system) / count,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

function print(name: string, concurrency: number, turns: readonly Turn[]): void {
  const rates = turns.map(({ perSecond }) => Math.round(perSecond));
  const row = {
    bench: 'journal',
    name,
    concurrency,
    recordBytes,
    perSecond: median(rates),
    range: [Math.min(...rates), Math.max(...rates)],
    recordsPerSync: Math.round(median(turns.map(({ recordsPerSync }) => recordsPerSync))),
    cpuMicros: Math.round(median(turns.map(({ cpuMicros }) => cpuMicros))),
    rounds,
  };
  process.stdout.write(`${JSON.stringify(row)}\n`);
}

const root = await mkdtemp(join(args.directory, 'lampyr-bench-'));
try {
  const { journal, bare } = await openAll(root);
  for (const concurrency of [1, 64]) {
    let bareRecords = 0;
    const runBare = async (end: number): Promise<number> => {
      const syncs = await bareTurn(bare, concurrency, end);
      bareRecords += syncs * concurrency;
      return syncs;
    };
    const bareTurns: Turn[] = [];
    const journalTurns: Turn[] = [];
    for (let round = 0; round < rounds; round++) {
      // oxlint-disable no-await-in-loop -- in turns
      bareTurns.push(await turn(runBare, () => bareRecords));
      journalTurns.push(
        await turn(
          (end) => journalTurn(journal, concurrency, end),
          () => journal.stats.records,
        ),
      );
      // oxlint-enable no-await-in-loop
    }
    print('bare loop', concurrency, bareTurns);
    print('journal', concurrency, journalTurns);
    const ratios = journalTurns.map(
      ({ perSecond }, round) => perSecond / (bareTurns[round] as Turn).perSecond,
    );
    const ratio = Math.round(median(ratios) * 100) / 100;
    const summary = { bench: 'journal', name: 'journal / bare loop', concurrency, ratio };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  }
  await journal.close();
  await bare.close();
} finally {
  await rm(root, { recursive: true, force: true });
}
