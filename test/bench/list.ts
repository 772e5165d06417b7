// npm run bench -- list [--keys N] [--dir DIR] [--rounds N] [--lists N] [--only NAME,NAME]: what a LIST of 1,000
// keys costs in buckets of different size and shape, through the namespace's own operations in this process.
//
//   small      10,000 keys: what the others are compared with
//   flat       N keys (1,000,000) without directories, put in no order
//   tree       N keys in N/10 directories, made one after another
//   scattered  the same, directories made in no order; not part of the goals, so only with --only
//   deleted    N keys, put in no order, 99 % of them deleted in no order
//   versions   10,000 keys, one of them with 1,000 versions
//
// Every list begins behind a random key. Warm: rounds in turns, many lists each. Cold: the core is closed and opened
// again before each list, and the page cache is dropped where this process may (root; the answer says so). The
// deleted bucket is listed right after the deletes as well, before the rows have settled. One JSON line per
// result, then a table; p50 and range are of the rounds' medians.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Prng } from '../../core/base/prng.ts';
import { limits } from '../../core/base/limits.ts';
import { ListPage } from '../../core/meta/messages.ts';
import { createBucket } from '../../core/meta/namespace/buckets.ts';
import { putBucketVersioning } from '../../core/meta/namespace/bucket-versioning.ts';
import type { NamespaceContext } from '../../core/meta/namespace/context.ts';
import { listObjects } from '../../core/meta/namespace/list.ts';
import { putObject } from '../../core/meta/namespace/put.ts';
import { deleteObject } from '../../core/meta/namespace/remove.ts';
import { Core } from '../../gateways/core/core.ts';
import { coreOptions, who } from '../gateways/core/rig.ts';

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    dir: { type: 'string', default: tmpdir() },
    rounds: { type: 'string', default: '5' },
    lists: { type: 'string', default: '20' },
    only: { type: 'string', default: 'flat,tree,deleted,versions' },
  },
});
const keys = Number(values.keys);
const rounds = Number(values.rounds);
const listsPerRound = Number(values.lists);
const keysOfSmall = 10_000;
const keysPerDirectory = 10;
const versionsOfOne = 1000;
const parallel = 256;
const prng = new Prng(1);

interface Shape {
  readonly name: string;
  readonly count: number;
  readonly keyAt: (index: number) => string;
  /** Puts in an order that has nothing to do with the keys. */
  readonly shuffled: boolean;
}

const padded = (index: number): string => String(index).padStart(9, '0');
const flatKey = (index: number): string => `key-${padded(index)}`;
const treeKey = (index: number): string =>
  `directory-${padded(Math.floor(index / keysPerDirectory))}/key-${index % keysPerDirectory}`;

const shapes: readonly Shape[] = [
  { name: 'small', count: keysOfSmall, keyAt: flatKey, shuffled: true },
  { name: 'flat', count: keys, keyAt: flatKey, shuffled: true },
  { name: 'tree', count: keys, keyAt: treeKey, shuffled: false },
  { name: 'scattered', count: keys, keyAt: treeKey, shuffled: true },
  { name: 'deleted', count: keys, keyAt: flatKey, shuffled: true },
  { name: 'versions', count: keysOfSmall, keyAt: flatKey, shuffled: true },
];
const chosen = new Set(['small', ...values.only.split(',')]);
const buckets = shapes.filter(({ name }) => chosen.has(name));
if (chosen.has('deleted') && keys < 200 * limits.listKeysMax)
  throw new Error('the deleted bucket needs --keys 200000 for full pages');

/** A permutation of 0…count−1: multiplication by a prime that does not divide it. */
const mixed = (index: number, count: number): number => (index * 2_654_435_761) % count;

const root = mkdtempSync(join(values.dir, 'lampyr-bench-list-'));
const dataDir = join(root, 'data');
let core: Core;

function context(): NamespaceContext {
  return core.namespace.context;
}

/** The core's own, which it renews. */
const writer = () => ({ who, session: context().own.session });

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Runs `once` for 0…count−1, many at a time. */
async function each(count: number, once: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const loop = async (): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop -- one after another in each of the loops
    while (next < count) await once(next++);
  };
  await Promise.all(Array.from({ length: parallel }, loop));
}

async function timed(step: string, count: number, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  print({ step, count, seconds: round(seconds), cpuMicros: round((user + system) / count) });
}

const attributes = { headers: {}, userMetadata: [], tags: [], storageClass: 'STANDARD' };
const etag = 'd41d8cd98f00b204e9800998ecf8427e';

function put(bucket: string, key: string): Promise<unknown> {
  const request = { ...writer(), bucket, key: Buffer.from(key), attributes, conditions: {}, etag };
  return putObject(context(), request, Buffer.alloc(0));
}

async function fill({ name, count, keyAt, shuffled }: Shape): Promise<void> {
  await createBucket(context(), { ...writer(), bucket: name, region: 'r' });
  if (name === 'versions')
    await putBucketVersioning(context(), { ...writer(), bucket: name, enabled: true });
  await timed(`put ${name}`, count, () =>
    each(count, (index) => {
      // Directories are shuffled as a whole, so that each is made by one key.
      const group = keyAt === treeKey ? keysPerDirectory : 1;
      const at = Math.floor(index / group);
      const place = shuffled ? mixed(at, count / group) : at;
      return put(name, keyAt(place * group + (index % group)));
    }),
  );
  if (name === 'versions')
    await each(versionsOfOne, () => put(name, keyAt(Math.floor(keysOfSmall / 2))));
}

/** Keeps every hundredth key. */
async function thin({ name, count, keyAt }: Shape): Promise<void> {
  await timed(`delete 99 % of ${name}`, count, () =>
    each(count, async (index) => {
      const place = mixed(index, count);
      if (place % 100 === 0) return;
      const object = { bucket: name, key: Buffer.from(keyAt(place)) };
      await deleteObject(context(), { ...writer(), object, conditions: {} });
    }),
  );
}

/** Milliseconds of one list of 1,000 keys behind a random one. */
async function list({ name, count, keyAt }: Shape): Promise<number> {
  // So that a page is always full; the deleted bucket has every hundredth key.
  const span = name === 'deleted' ? 100 * limits.listKeysMax : limits.listKeysMax;
  const after = Buffer.from(keyAt(prng.below(Math.max(1, count - span - 1))));
  const nothing = Buffer.alloc(0);
  const request = { who, bucket: name, prefix: nothing, delimiter: nothing, after, limit: 1000 };
  const start = performance.now();
  const payload = await listObjects(context(), request);
  const took = performance.now() - start;
  const { objects } = ListPage.decode(Buffer.concat(payload));
  if (objects.length !== limits.listKeysMax) throw new Error(`${name}: ${objects.length} keys`);
  return took;
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
const round = (number: number): number => Number(number.toPrecision(4));

interface Row {
  readonly bucket: string;
  readonly state: string;
  /** Medians of the rounds. */
  readonly medians: number[];
}

async function runOf(shape: Shape, state: string, lists: number, row: Row): Promise<void> {
  const cpu = process.cpuUsage();
  const times: number[] = [];
  // oxlint-disable-next-line no-await-in-loop -- one list after another is what is measured
  for (let at = 0; at < lists; at++) times.push(await list(shape));
  const { user, system } = process.cpuUsage(cpu);
  row.medians.push(median(times));
  print({
    bucket: shape.name,
    state,
    lists,
    p50Ms: round(median(times)),
    maxMs: round(Math.max(...times)),
    cpuMs: round((user + system) / 1000 / lists),
  });
}

async function inTurns(
  state: string,
  shapesOf: readonly Shape[],
  count: number,
  lists: number,
  before?: () => Promise<void>,
): Promise<Row[]> {
  const rows = shapesOf.map(({ name }) => ({ bucket: name, state, medians: [] as number[] }));
  for (let at = 0; at < count; at++) {
    const order = [...shapesOf.keys()];
    for (const index of at % 2 === 0 ? order : order.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop -- in turns
      await before?.();
      // oxlint-disable-next-line no-await-in-loop
      await runOf(shapesOf[index] as Shape, state, lists, rows[index] as Row);
    }
  }
  return rows;
}

function dropPageCache(): boolean {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '1');
    return true;
  } catch {
    return false;
  }
}

async function open(): Promise<void> {
  core = await Core.open(coreOptions(dataDir));
}

async function reopen(): Promise<void> {
  await core.close();
  dropPageCache();
  await open();
}

function table(rows: readonly Row[]): string {
  const lines = ['| bucket | state | p50 ms (range) | ratio to small |', '|---|---|---|---|'];
  for (const { bucket, state, medians } of rows) {
    const small = rows.find((row) => row.bucket === 'small' && row.state === state);
    const ratio = median(medians) / median(small?.medians ?? []);
    const [low, high] = [Math.min(...medians), Math.max(...medians)].map(round);
    lines.push(
      `| ${bucket} | ${state} | ${round(median(medians))} (${low}–${high}) | ${round(ratio)} |`,
    );
  }
  return lines.join('\n');
}

try {
  mkdirSync(dataDir);
  await open();
  // oxlint-disable-next-line no-await-in-loop -- one bucket after another
  for (const shape of buckets) await fill(shape);
  const rows: Row[] = [];
  const warm = async (state: string, some: readonly Shape[]): Promise<void> => {
    // What is compiled or first touched is no part of the figures.
    await inTurns('unmeasured', some, 1, listsPerRound);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    rows.push(...(await inTurns(state, some, rounds, listsPerRound)));
    delay.disable();
    print({ state, loopDelayMs: { p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 } });
  };
  const deleted = buckets.filter(({ name }) => name === 'deleted');
  for (const shape of deleted) {
    // oxlint-disable-next-line no-await-in-loop
    await thin(shape);
    // oxlint-disable-next-line no-await-in-loop
    await warm(
      'just deleted',
      buckets.filter(({ name }) => name === 'small' || name === 'deleted'),
    );
  }
  await warm('warm', buckets);
  print({ cold: dropPageCache() ? 'reopened, page cache dropped' : 'reopened' });
  rows.push(...(await inTurns('cold', buckets, rounds, 1, reopen)));
  process.stdout.write(`${table(rows)}\n`);
} finally {
  await core!.close();
  rmSync(root, { recursive: true, force: true });
}
