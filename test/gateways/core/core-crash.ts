// A core's data under power loss and under kill -9 followed by power loss: metadata and chunks that share a
// journal, from the first start on. Every key shows the content of its last acknowledged or shown write or a later
// one, listings agree, and fsck finds nothing.

import { relative } from 'node:path';
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { isCoreError } from '../../../core/base/errors.ts';
import { id } from '../../../core/base/ids.ts';
import type { ChainVer } from '../../../core/base/ids.ts';
import { KiB, limits } from '../../../core/base/limits.ts';
import type { Prng } from '../../../core/base/prng.ts';
import { silentEvents } from '../../../core/env/events.ts';
import * as calls from '../../../core/meta/calls.ts';
import { CompletedParts } from '../../../core/meta/messages.ts';
import { Maintenance } from '../../../core/store/maintenance.ts';
import { CoreData } from '../../../gateways/core/core-data.ts';
import { runFsck } from '../../../gateways/core/fsck.ts';
import { Fixture, ann, md5, noAttributes, target } from '../../core/meta/namespace/fixture.ts';
import { SimClock } from '../../sim/clock.ts';
import type { Check, CrashRunOptions, CrashSubject, Life } from '../../sim/crash-run.ts';
import type { SimDevices } from '../../sim/devices.ts';
import { simRng } from '../../sim/rng.ts';
import { subDisk } from '../../sim/sub-disk.ts';

const bucket = 'b';
const keys = ['a', 'b', 'dir/a', 'dir/b', 'dir/deep/a', 'other/a'];
/** A key that no run knows. */
const newKey = 'new';
const dataDir = '/simulated';
const store = {
  slabBytesMin: 8 * KiB,
  slabBytesMax: 64 * KiB,
  slabPieceBytes: 64 * KiB,
  journaledBytesMax: 8 * KiB,
  rewriteBytesMax: 4 * KiB,
  placementRoundBytes: 32 * KiB,
  placementBytesMax: 64 * KiB,
  reserveBytes: 0,
};

type Content = Buffer | undefined;

/** What a life showed when it opened, and what its operations then made of each key, one state each. */
interface Shown {
  readonly states: Map<string, Content[]>;
}

type Mark = Shown | { readonly key: string; readonly state: number };

interface Opened {
  readonly data: CoreData;
  readonly f: Fixture;
}

async function open(devices: SimDevices): Promise<Opened> {
  const { disk } = devices;
  const data = await CoreData.open({
    dataDir,
    clusterId: 'c'.repeat(32),
    target,
    chainVersion: id<ChainVer>(1),
    clock: new SimClock(),
    rng: simRng('core'),
    events: silentEvents,
    storage: {
      disk: (path) => (path === dataDir ? disk : subDisk(disk, relative(dataDir, path))),
      kv: (path) => Promise.resolve(devices.kv(relative(dataDir, path))),
      store,
      journal: { segmentBytes: 192 * KiB },
    },
  });
  const f = await Fixture.open({ stores: { store: data.meta, chunks: data.chunks } });
  return { data, f };
}

function random(bytes: number, prng: Prng): Buffer {
  const buffer = Buffer.alloc(bytes);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
  prng.fill(buffer);
  return buffer;
}

/** Content in the inode row, in a chunk of the journal, or in a chunk written directly. */
function contentFor(prng: Prng): Buffer {
  const chosen = prng.below(4);
  if (chosen < 1) return random(prng.below(300), prng);
  const small = limits.inlineBytesMax + 1;
  return chosen < 3 ? random(small + prng.below(2000), prng) : random(9 * KiB, prng);
}

/** Sets or removes the key; answers when it is acknowledged. */
async function write(f: Fixture, key: string, content: Content, prng: Prng): Promise<void> {
  if (content === undefined) return void (await f.remove(bucket, key));
  const way = prng.below(5);
  if (way === 0) return upload(f, key, content);
  if (way > 1 || content.length === 0) return void (await f.put(bucket, key, content));
  await f.put(bucket, key, content, { blob: await f.writeBlob(content) });
}

async function upload(f: Fixture, key: string, content: Buffer): Promise<void> {
  const base = { who: ann, session: f.session };
  const attributes = noAttributes();
  const place = { bucket, key: Buffer.from(key) };
  const { uploadId } = await f.ask(calls.createUpload, { ...base, ...place, attributes });
  const request = { ...base, upload: { ...place, uploadId } };
  const etag = md5(content);
  await f.ask(calls.putPart, { ...request, partNumber: 1, etag }, content);
  const named = CompletedParts.encode({ parts: [{ partNumber: 1, etag }] });
  await f.ask(calls.completeUpload, { ...request, conditions: {} }, named);
}

/** Writes in bursts to different keys, beside checkpoints, maintenance and the janitor, which then
 *  remove what no key refers to any more and the slabs that this empties. */
async function live(devices: SimDevices, life: Life): Promise<void> {
  const { prng, trace, updates } = life;
  const { data, f } = await open(devices);
  const states = await shownBy(f, life.before as Mark[]);
  trace.mark({ states } satisfies Mark);
  await f.createBucket(bucket).catch((error: unknown) => {
    if (!isCoreError(error, 'BUCKET_OWNED_BY_YOU')) throw error;
  });
  const maintenance = new Maintenance(data.chunks);
  const running = new Map<string, Promise<unknown>>();
  for (let i = 0; i < updates; i++) {
    const key = prng.pick(keys);
    const history = states.get(key) as Content[];
    // oxlint-disable no-await-in-loop -- bursts of random length
    await running.get(key);
    const content = prng.chance(0.25) ? undefined : contentFor(prng);
    const state = history.push(content) - 1;
    const acknowledge = (): void => trace.mark({ key, state } satisfies Mark);
    running.set(key, write(f, key, content, prng).then(acknowledge));
    if (prng.chance(0.15)) running.set('', data.journal.checkpoint());
    if (prng.chance(0.1)) await maintenance.step(16 * KiB);
    if (prng.chance(0.15)) await collect(f);
    if (prng.chance(0.5)) await Promise.all(running.values());
    // oxlint-enable no-await-in-loop
  }
  await Promise.all(running.values());
  await collect(f);
  // oxlint-disable-next-line no-await-in-loop -- step after step
  for (let steps = 0; steps < 2; steps++) await maintenance.step(16 * KiB);
}

/** The janitor frees what no read can still resolve. */
async function collect(f: Fixture): Promise<void> {
  await f.service.janitor.step();
  await f.clock.advance(limits.readLeaseMs);
  await f.service.context.own.renew();
  await f.ask(calls.renewSession, { session: f.session });
  await f.service.janitor.step();
}

/** The content of each key, each a history that begins. */
async function shownBy(f: Fixture, marks: readonly Mark[]): Promise<Map<string, Content[]>> {
  let states = new Map(keys.map((key): [string, Content[]] => [key, [undefined]]));
  const acknowledged = new Map<string, number>();
  for (const mark of marks) {
    if ('states' in mark) {
      ({ states } = mark);
      acknowledged.clear();
    } else acknowledged.set(mark.key, Math.max(mark.state, acknowledged.get(mark.key) ?? 0));
  }
  const shown = new Map<string, Content[]>();
  for (const [key, history] of states) {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    const content = await contentOf(f, key);
    const possible = history.slice(acknowledged.get(key) ?? 0);
    assert.ok(
      possible.some((state) => same(state, content)),
      `key ${key} is in none of its ${possible.length} possible states`,
    );
    shown.set(key, [content]);
  }
  await checkListing(f, shown);
  return shown;
}

async function checkListing(f: Fixture, shown: ReadonlyMap<string, Content[]>): Promise<void> {
  const there = keys.filter((key) => shown.get(key)?.[0] !== undefined);
  const page = await f.list(bucket).catch((error: unknown) => {
    if (isCoreError(error, 'BUCKET_NOT_FOUND')) return { objects: [] };
    throw error;
  });
  const listed = page.objects.map(({ key, sizeBytes }) => `${asText(key)} ${sizeBytes}`);
  const expected = there.map((key) => `${key} ${shown.get(key)?.[0]?.length}`);
  assert.deepEqual(listed, expected, 'the listing');
}

const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

async function contentOf(f: Fixture, key: string): Promise<Content> {
  try {
    return await f.read(bucket, key);
  } catch (error) {
    if (isCoreError(error, 'KEY_NOT_FOUND') || isCoreError(error, 'BUCKET_NOT_FOUND'))
      return undefined;
    throw error;
  }
}

function same(a: Content, b: Content): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

async function check(
  devices: SimDevices,
  marks: readonly unknown[],
  { thorough }: Check,
): Promise<void> {
  const { data, f } = await open(devices);
  const shown = await shownBy(f, marks as Mark[]);
  assert.deepEqual(f.bugs, []);
  if (!thorough) return;
  const { clean, findings } = await runFsck(data, { scrub: true });
  assert.ok(clean, JSON.stringify(findings));
  await f.createBucket(bucket).catch(() => undefined);
  const content = Buffer.alloc(limits.inlineBytesMax + 100, 9);
  await f.put(bucket, newKey, content);
  const again = await open(devices.crash(() => false));
  for (const [key, [before]] of shown)
    // oxlint-disable-next-line no-await-in-loop -- one after another
    assert.ok(same(await contentOf(again.f, key), before), `key ${key} after a second loss`);
  assert.deepEqual(await contentOf(again.f, newKey), content, 'the write before the second loss');
}

export const subject: CrashSubject = { live, check };
export const options: CrashRunOptions = {
  name: 'objects',
  updates: 4,
  updatesAfter: 1,
  secondEvery: 150,
  makingEvery: 24,
  states: 600,
  marks: [
    'collect.blob',
    'collect.chunk',
    'collect.content',
    'engine.checkpoint',
    'engine.replay',
    'space.removed',
  ],
};
/** For the thread that runs it. */
export const { url } = import.meta;
