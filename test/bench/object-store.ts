// `node dist/test/bench/object-store.js [--seconds N] [--row NAME]`: operations of the object model against a
// core in a process of its own, no HTTP in between: CPU and time of core and caller. One JSON line per row.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KiB, MiB } from '../../core/base/limits.ts';
import type { ObjectStore } from '../../core/model/objects/types.ts';
import { Core } from '../../gateways/core/core.ts';
import { content } from '../core/client/rig.ts';
import { connectWriter, coreOptions, objectStoreOf, put, who } from '../gateways/core/rig.ts';

interface Usage {
  readonly cpuMicros: number;
  readonly rssBytes: number;
}

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuMicros: user + system, rssBytes: process.memoryUsage().rss };
}

async function serve(dataDir: string): Promise<void> {
  const core = await Core.open(coreOptions(dataDir));
  // The parent asked to stop, or is gone.
  process.once('disconnect', () => process.exit());
  process.on('message', (message) => {
    if (message === 'usage') process.send?.(usage());
    else void core.close().then(() => process.disconnect());
  });
  process.send?.('ready');
}

function next<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => void child.once('message', (value) => resolve(value as T)));
}

function ask(child: ChildProcess): Promise<Usage> {
  const answer = next<Usage>(child);
  child.send('usage');
  return answer;
}

interface Row {
  readonly name: string;
  readonly concurrency: number;
  readonly once: (store: ObjectStore, index: number) => Promise<unknown>;
}

async function drain(store: ObjectStore, key: string): Promise<void> {
  const request = { bucket: 'b', key: Buffer.from(key), conditions: {} };
  for await (const _ of (await store.get(who, request)).chunks);
}

const small = content(4 * KiB);
const medium = content(128 * KiB);
const large = content(64 * MiB);
const list = { bucket: 'b', prefix: Buffer.from('k/'), delimiter: Buffer.alloc(0), limit: 1000 };

const rows: readonly Row[] = [
  ...[1, 16, 64].map((concurrency) => ({
    name: 'PUT 4 KiB',
    concurrency,
    once: (store: ObjectStore, index: number) => put(store, 'b', `k/${index}`, small),
  })),
  ...[1, 16, 64].map((concurrency) => ({
    name: 'GET 4 KiB',
    concurrency,
    once: (store: ObjectStore) => drain(store, 'small'),
  })),
  {
    name: 'HEAD',
    concurrency: 16,
    once: (store) => store.head(who, { bucket: 'b', key: Buffer.from('small'), conditions: {} }),
  },
  { name: 'LIST 1000', concurrency: 16, once: (store) => store.list(who, list) },
  {
    name: 'PUT 128 KiB',
    concurrency: 16,
    once: (store, index) => put(store, 'b', `m/${index}`, medium),
  },
  { name: 'GET 128 KiB', concurrency: 16, once: (store) => drain(store, 'medium') },
  {
    name: 'PUT 64 MiB',
    concurrency: 4,
    once: (store, index) => put(store, 'b', `l/${index % 8}`, large),
  },
  { name: 'GET 64 MiB', concurrency: 4, once: (store) => drain(store, 'large') },
];

async function measure(
  child: ChildProcess,
  store: ObjectStore,
  row: Row,
  seconds: number,
): Promise<void> {
  let index = 0;
  const loop = async (until: number): Promise<number> => {
    let count = 0;
    // oxlint-disable-next-line no-await-in-loop -- a closed loop is what is measured
    for (; performance.now() < until; count++) await row.once(store, index++);
    return count;
  };
  const run = async (forSeconds: number): Promise<number> => {
    const until = performance.now() + forSeconds * 1000;
    const counts = await Promise.all(Array.from({ length: row.concurrency }, () => loop(until)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  await run(seconds / 4);
  const [core, own, start] = [await ask(child), usage(), performance.now()];
  const count = await run(seconds);
  const [coreAfter, ownAfter, end] = [await ask(child), usage(), performance.now()];
  const line = {
    row: row.name,
    concurrency: row.concurrency,
    perSecond: Number(((count / (end - start)) * 1000).toFixed(1)),
    coreMicros: Math.round((coreAfter.cpuMicros - core.cpuMicros) / count),
    callerMicros: Math.round((ownAfter.cpuMicros - own.cpuMicros) / count),
    coreRssMiB: Math.round(coreAfter.rssBytes / MiB),
    callerRssMiB: Math.round(ownAfter.rssBytes / MiB),
    node: process.version,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

async function main(): Promise<void> {
  const seconds = Number(option('--seconds') ?? 2);
  const chosen = option('--row');
  const dataDir = mkdtempSync(join(tmpdir(), 'lampyr-bench-'));
  const child = fork(fileURLToPath(import.meta.url), ['serve', dataDir], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
  });
  await next(child);
  const writer = await connectWriter(coreOptions(dataDir).address);
  const store = objectStoreOf(writer);
  await store.createBucket(who, { bucket: 'b', region: 'r' });
  await put(store, 'b', 'small', small);
  await put(store, 'b', 'medium', medium);
  await put(store, 'b', 'large', large);
  const keys = Array.from({ length: 2000 }, (_, index) => put(store, 'b', `k/${index}`, small));
  await Promise.all(keys);
  for (const row of rows) {
    if (chosen !== undefined && !row.name.startsWith(chosen)) continue;
    // oxlint-disable-next-line no-await-in-loop -- one row after another
    await measure(child, store, row, seconds);
  }
  await writer.close();
  child.send('stop');
  await new Promise((resolve) => void child.once('exit', resolve));
  rmSync(dataDir, { recursive: true });
}

const [mode, dataDir] = process.argv.slice(2);
await (mode === 'serve' && dataDir !== undefined ? serve(dataDir) : main());
