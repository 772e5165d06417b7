// Content that a reader takes from the store's files itself, on real files: what it does when they are damaged, gone
// or not its own to see, and while objects are overwritten, deleted and collected.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoreError } from '../../../core/base/errors.ts';
import { KiB, MiB } from '../../../core/base/limits.ts';
import { marks } from '../../../core/base/mark.ts';
import { Prng } from '../../../core/base/prng.ts';
import type { Clock } from '../../../core/env/clock.ts';
import { nodeClock } from '../../../core/env/node/clock.ts';
import { nodeStorage } from '../../../core/env/node/storage.ts';
import type { CoreWriter } from '../../../core/model/core-client.ts';
import type { ObjectStore } from '../../../core/model/objects/types.ts';
import { Core } from '../../../gateways/core/core.ts';
import type { CoreOptions } from '../../../gateways/core/core.ts';
import { content } from '../../core/client/rig.ts';
import { connectWriter, coreOptions, get, md5, objectStoreOf, put, who } from './rig.ts';

const bucket = 'bucket';
const directReads = (): number => marks().get('direct.read') ?? 0;

describe('direct reads', () => {
  let dataDir: string;
  let core: Core;
  let writer: CoreWriter;
  let objects: ObjectStore;

  async function open(options: Partial<CoreOptions> = {}): Promise<void> {
    const all = { ...coreOptions(dataDir), ...options };
    core = await Core.open(all);
    writer = await connectWriter(all.address, 'write-token', options.clock);
    objects = objectStoreOf(writer);
    await objects.createBucket(who, { bucket, region: 'us-east-1' });
  }

  beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), 'lampyr-direct-'))));
  afterEach(async () => {
    await writer.close();
    await core.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** The slab that holds `bytes`, and where. */
  function slabWith(bytes: Buffer): { path: string; at: number } {
    const slabs = join(dataDir, 'stores', '0', 'slabs');
    for (const name of readdirSync(slabs, { recursive: true }) as string[]) {
      if (!/\/[0-9a-f]{8}$/.test(name)) continue;
      const at = readFileSync(join(slabs, name)).indexOf(bytes);
      if (at >= 0) return { path: join(slabs, name), at };
    }
    return assert.fail('the bytes are in no slab');
  }

  test('whole objects and the placed part of a small one come from the files', async () => {
    await open();
    for (const size of [256 * KiB + 1, 4 * MiB, 9 * MiB + 5])
      await put(objects, bucket, `${size}`, content(size, size));
    const before = directReads();
    for (const size of [256 * KiB + 1, 4 * MiB, 9 * MiB + 5])
      assert.ok((await get(objects, bucket, `${size}`)).equals(content(size, size)));
    assert.equal(directReads() - before, 2 + 16 + 37);
    // In memory until it is placed: from the store; then from the file.
    await put(objects, bucket, 'small', content(100_000, 1));
    assert.ok((await get(objects, bucket, 'small')).equals(content(100_000, 1)));
    assert.equal(directReads() - before, 2 + 16 + 37);
    await core.data.chunks.parts.placements.placeAll();
    assert.ok((await get(objects, bucket, 'small')).equals(content(100_000, 1)));
    assert.equal(directReads() - before, 2 + 16 + 37 + 1);
  });

  test('a damaged byte is an error, as it is through the store', async () => {
    await open();
    const bytes = content(1 * MiB, 3);
    await put(objects, bucket, 'key', bytes);
    const { path, at } = slabWith(bytes.subarray(0, 4096));
    const file = readFileSync(path);
    file[at + 700_000] = (file[at + 700_000] as number) ^ 1;
    writeFileSync(path, file);
    await assert.rejects(
      get(objects, bucket, 'key'),
      (error) => error instanceof CoreError && error.errorName === 'CORRUPT',
    );
  });

  test('a file that is gone is a detour', async () => {
    await open();
    const bytes = content(1 * MiB, 3);
    await put(objects, bucket, 'key', bytes);
    const { path } = slabWith(bytes.subarray(0, 4096));
    renameSync(path, `${path}.away`);
    const before = directReads();
    assert.ok((await get(objects, bucket, 'key')).equals(bytes));
    assert.equal(directReads(), before);
    renameSync(`${path}.away`, path);
  });

  test('a store whose files show others nothing is read through its process', async () => {
    const { sharesFiles: _, ...storage } = nodeStorage;
    await open({ storage });
    await put(objects, bucket, 'key', content(1 * MiB, 3));
    const before = directReads();
    assert.ok((await get(objects, bucket, 'key')).equals(content(1 * MiB, 3)));
    assert.equal(directReads(), before);
  });

  test('slow readers while objects are overwritten, deleted and collected get one version whole', async (context) => {
    // Leases, janitor and maintenance at five times their pace: blocks are collected and used again meanwhile.
    await open({ clock: fastClock(5) });
    const traffic = new Traffic(objects);
    const before = directReads();
    const { counts } = traffic;
    const { allocator } = core.data.chunks.parts;
    const enough = (): boolean =>
      counts.writes > 20 &&
      counts.reads > 20 &&
      allocator.freedCount > 10 &&
      directReads() - before > counts.reads;
    // Until there was enough of everything, however busy the machine is.
    const leastMs = nodeClock.now() + Number(process.env['LAMPYR_DIRECT_MS'] ?? 2000);
    const mostMs = leastMs + 60_000;
    const running = (): boolean =>
      nodeClock.now() < leastMs || (!enough() && nodeClock.now() < mostMs);
    await Promise.all([
      ...['a', 'b'].map((name) => traffic.write(name, running)),
      ...['c', 'd', 'e', 'f'].map((name) => traffic.read(name, running)),
    ]);
    const freed = allocator.freedCount;
    context.diagnostic(JSON.stringify({ ...counts, freed, direct: directReads() - before }));
    assert.ok(enough(), 'traffic, blocks collected, reads past the store');
  });
});

function fastClock(speed: number): Clock {
  return {
    now: () => nodeClock.now() * speed,
    wallMs: () => nodeClock.wallMs(),
    after: (delayMs, callback) => nodeClock.after(delayMs / speed, callback),
  };
}

interface Version {
  readonly etag: string;
  /** When it was acknowledged that there is a newer state of the key. */
  replacedMs: number;
}

/** Writers and readers of a few keys. What a read shows must be a version that was not replaced when it began. */
class Traffic {
  readonly counts = { writes: 0, deletes: 0, reads: 0, missing: 0 };
  private readonly objects: ObjectStore;
  private readonly versions = new Map<string, Version[]>();
  /** One writer of a key at a time, so that the order of its versions is known. */
  private readonly busy = new Set<string>();

  constructor(objects: ObjectStore) {
    this.objects = objects;
  }

  async write(name: string, running: () => boolean): Promise<void> {
    const random = new Prng(name);
    for (let turn = 0; running(); turn++) {
      const key = `key-${random.below(6)}`;
      if (this.busy.has(key)) continue;
      this.busy.add(key);
      const versions = this.versions.get(key) ?? [];
      this.versions.set(key, versions);
      const older = versions.slice();
      if (random.below(4) === 0) {
        await this.objects.delete(who, { bucket, key: Buffer.from(key), conditions: {} });
        this.counts.deletes++;
      } else {
        const bytes = content(300 * KiB + random.below(2 * MiB), random.below(2 ** 30));
        versions.push({ etag: md5(bytes), replacedMs: Infinity });
        await put(this.objects, bucket, key, bytes);
        this.counts.writes++;
      }
      for (const version of older)
        version.replacedMs = Math.min(version.replacedMs, nodeClock.now());
      this.busy.delete(key);
      await sleep(5);
    }
  }

  async read(name: string, running: () => boolean): Promise<void> {
    const random = new Prng(name);
    while (running()) {
      const key = `key-${random.below(6)}`;
      const beganMs = nodeClock.now();
      try {
        await this.readOne(key, beganMs, random);
        this.counts.reads++;
      } catch (error) {
        if (!(error instanceof CoreError) || error.errorName !== 'KEY_NOT_FOUND') throw error;
        this.counts.missing++;
        await sleep(5);
      }
    }
  }

  private async readOne(key: string, beganMs: number, random: Prng): Promise<void> {
    const request = { bucket, key: Buffer.from(key), conditions: {} };
    const found = await this.objects.get(who, request);
    const pieces: Buffer[] = [];
    for await (const piece of found.chunks) {
      // While the client is slow the piece is not to change.
      if (random.below(3) === 0) await sleep(random.below(40));
      pieces.push(Buffer.from(piece));
    }
    const etag = md5(Buffer.concat(pieces));
    assert.equal(etag, found.info.etag, `${key}: the bytes are those of its ETag`);
    const version = this.versions.get(key)?.find((each) => each.etag === etag);
    assert.ok(version !== undefined && version.replacedMs >= beganMs, `${key}: a version of then`);
  }
}
