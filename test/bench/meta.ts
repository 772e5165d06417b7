// `node dist/test/bench/meta.js [--seconds N] [--directory DIR]`: transactions, reads and ranges of the
// metadata store on a real directory, and the same transactions in memory (no disk: what the store itself
// costs). A transaction is what a small PUT does: four reads, one of a key that is not there yet, and four rows
// of 200 bytes. One JSON line per row;
// `cpuMicros` is the whole process, thread pool and kernel included, per operation.

import { Buffer } from 'node:buffer';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Prng } from '../../core/base/prng.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeDisk } from '../../core/env/node/disk.ts';
import { openLevelKv } from '../../core/env/node/kv.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import { MiB } from '../../core/base/limits.ts';
import type { MetaStore } from '../../core/meta/meta-store.ts';
import { openMemoryMetaStore } from '../../core/meta/store/memory-store.ts';
import { openLevelStore } from '../contracts/meta-store/level-fixture.ts';

const { values: args } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
  },
});
const seconds = Number(args.seconds);
const prng = new Prng(1);

const keysStored = 100_000;
const keysFresh = 10_000;
const rowBytes = 200;

/** Keys like the namespace's: a letter, a parent number, a name. */
function rowKey(space: string, at: number): Buffer {
  const key = Buffer.alloc(9 + 20);
  key.write(space, 0);
  key.writeUInt32BE(at % 16, 5);
  key.write(`name-${String(at).padStart(15, '0')}`, 9);
  return key;
}

const row = Buffer.alloc(rowBytes, 0x61);

function put(store: MetaStore): () => Promise<void> {
  return async () => {
    const at = prng.below(1e9);
    await store.transact(async (transaction) => {
      await transaction.getMany([rowKey('S', 1), rowKey('D', at)]);
      await transaction.get(rowKey('X', at % 16));
      await transaction.get(rowKey('I', at % 16));
      for (const space of ['D', 'I', 'R', 'U']) transaction.set(rowKey(space, at), row);
    });
  };
}

function blindPut(store: MetaStore): () => Promise<void> {
  return async () => {
    const transaction = store.begin();
    transaction.set(rowKey('D', prng.below(1e9)), row);
    await transaction.commit();
  };
}

interface Load {
  readonly concurrency: number;
  readonly once: () => Promise<unknown>;
}

async function loop(until: number, once: () => Promise<unknown>): Promise<number[]> {
  const micros: number[] = [];
  for (let start = performance.now(); start < until;) {
    // oxlint-disable-next-line no-await-in-loop -- a closed loop is what is measured
    await once();
    const end = performance.now();
    micros.push((end - start) * 1000);
    start = end;
  }
  return micros;
}

async function measure(name: string, { concurrency, once }: Load): Promise<void> {
  const run = async (forSeconds: number): Promise<number[]> => {
    const until = performance.now() + forSeconds * 1000;
    return (await Promise.all(Array.from({ length: concurrency }, () => loop(until, once)))).flat();
  };
  await run(seconds / 4);
  const cpu = process.cpuUsage();
  const start = performance.now();
  const micros = await run(seconds);
  const elapsed = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  micros.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(micros[Math.floor(micros.length * share)] ?? 0);
  const result = {
    name,
    concurrency,
    perSecond: Math.round(micros.length / elapsed),
    p50Micros: at(0.5),
    p99Micros: at(0.99),
    cpuMicros: Math.round(((user + system) / micros.length) * 10) / 10,
    userMicros: Math.round((user / micros.length) * 10) / 10,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

async function fill(store: MetaStore, space: string, count: number): Promise<void> {
  for (let at = 0; at < count;) {
    const transaction = store.begin();
    for (let i = 0; i < 100; i++, at++) transaction.set(rowKey(space, at), row);
    // oxlint-disable-next-line no-await-in-loop -- one batch in flight keeps memory small
    await transaction.commit();
  }
}

/** A thousand rows of one keyspace, within one parent and into the next ones. */
function listing(store: MetaStore, space: string, count: number): () => Promise<unknown> {
  const to = Buffer.from([space.charCodeAt(0) + 1]);
  return () => store.range({ from: rowKey(space, prng.below(count)), to, limit: 1000 });
}

const oneGet = (store: MetaStore, space: string, count: number) => (): Promise<unknown> =>
  store.get(rowKey(space, prng.below(count)));

async function inMemory(): Promise<void> {
  const store = openMemoryMetaStore({ clock: nodeClock, rng: nodeRng });
  await measure('memory put', { concurrency: 64, once: put(store) });
  await store.close();
}

async function onDirectory(directory: string): Promise<void> {
  const kv = await openLevelKv(join(directory, 'level'));
  const parts = { disk: nodeDisk(directory), kv, clock: nodeClock, segmentBytes: 32 * MiB };
  let opened = await openLevelStore(parts);
  await measure('put', { concurrency: 1, once: put(opened.store) });
  await measure('put', { concurrency: 64, once: put(opened.store) });
  await measure('blind put of one row', { concurrency: 64, once: blindPut(opened.store) });
  await fill(opened.store, 'L', keysStored);
  await opened.journal.checkpoint();
  await opened.close();
  opened = await openLevelStore(parts);
  const { store } = opened;
  await measure('get, level', { concurrency: 16, once: oneGet(store, 'L', keysStored) });
  await measure('range of 1000, level', { concurrency: 1, once: listing(store, 'L', keysStored) });
  await measure('range of 1000, level', { concurrency: 8, once: listing(store, 'L', keysStored) });
  // Few enough that no checkpoint moves them.
  await fill(store, 'K', keysFresh);
  await measure('get, overlay', { concurrency: 16, once: oneGet(store, 'K', keysFresh) });
  await measure('range of 1000, overlay', { concurrency: 1, once: listing(store, 'K', keysFresh) });
  await opened.close();
  await kv.close();
}

await inMemory();
const directory = await mkdtemp(join(args.directory, 'lampyr-bench-meta-'));
try {
  await onDirectory(directory);
} finally {
  await rm(directory, { recursive: true });
}
