// Direct readers of a store whose blocks are freed, reused, moved and whose slabs are removed under them, without any
// lease: nothing but the check after the read stands between them and other chunks' bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import { id } from '../../../core/base/ids.ts';
import type { BlobId } from '../../../core/base/ids.ts';
import { KiB } from '../../../core/base/limits.ts';
import { marks } from '../../../core/base/mark.ts';
import { Prng } from '../../../core/base/prng.ts';
import { ChunkBlobClient } from '../../../core/client/blob-client.ts';
import { registerChunkService } from '../../../core/client/chunk-service.ts';
import { DirectReader } from '../../../core/client/direct-reader.ts';
import { singleTargetChunks } from '../../../core/client/single-target-chunks.ts';
import { silentEvents } from '../../../core/env/events.ts';
import { CallTable } from '../../../core/rpc/call-table.ts';
import { localClient } from '../../../core/rpc/local.ts';
import { Maintenance } from '../../../core/store/maintenance.ts';
import { SimClock } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { openRig, target1, updateOf, writeOf } from '../store/engine-rig.ts';
import { content, target } from './rig.ts';

const chunkBytes = 16 * KiB;
const layout = { table: 1, tableVersion: 1, chunkBytes, stripe: 1, seed: 0 };
const readersMax = 30;

const takeBlob = (): never => assert.fail('only reads');

interface Reader {
  readonly blob: BlobId;
  readonly bytes: Buffer;
  readonly pieces: AsyncIterator<Uint8Array>;
  at: number;
  readonly end: number;
}

class Churn {
  readonly random: Prng;
  readonly blobs = new Map<BlobId, Buffer>();
  readonly removed = new Set<BlobId>();
  readonly readers: Reader[] = [];
  readonly counts = { whole: 0, gone: 0, pieces: 0 };
  private nextBlob = 1;
  private readonly rig: Awaited<ReturnType<typeof openRig>>;
  private readonly client: ChunkBlobClient;
  private readonly maintenance: Maintenance;

  constructor(rig: Awaited<ReturnType<typeof openRig>>, seed: string) {
    this.random = new Prng(seed);
    this.rig = rig;
    this.maintenance = new Maintenance(rig.engine);
    const calls = new CallTable();
    registerChunkService(calls, rig.engine, { ...target, directory: '/store' });
    const [clock, link] = [new SimClock(), () => 1];
    const chunks = singleTargetChunks({
      rpc: localClient(calls, 'read', 'test'),
      clock,
      ...target,
    });
    const direct = new DirectReader({
      openDisk: () => rig.disk,
      clock,
      events: silentEvents,
      link,
    });
    // A pause after misses would spare them from what they are to meet.
    Object.defineProperty(direct, 'usable', { value: true });
    this.client = new ChunkBlobClient({ chunks, takeBlob, direct });
  }

  async step(): Promise<void> {
    const choice = this.random.below(20);
    if (choice < 3) await this.write();
    else if (choice < 6) await this.remove();
    else if (choice < 9) await this.move();
    else if (choice < 10) await this.maintenance.step(64 * KiB);
    else if (choice < 13 && this.readers.length < readersMax) this.open();
    else await this.pull();
  }

  private async write(): Promise<void> {
    const blob = id<BlobId>(this.nextBlob++);
    const bytes = content(1 + this.random.below(150 * KiB), blob);
    for (let index = 0; index * chunkBytes < bytes.length; index++) {
      const part = bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes);
      await this.rig.engine.update(updateOf({ blob, index }, writeOf(0, part)));
    }
    this.blobs.set(blob, bytes);
  }

  private async remove(): Promise<void> {
    const blob = this.any();
    if (blob === undefined || this.blobs.size < 4) return;
    const length = this.blobs.get(blob)?.length ?? 0;
    this.removed.add(blob);
    for (let index = 0; index * chunkBytes < length; index++)
      await this.rig.engine.update(updateOf({ blob, index }, { kind: 'remove' }));
    this.blobs.delete(blob);
  }

  private async move(): Promise<void> {
    const blob = this.any();
    if (blob !== undefined) await this.rig.engine.rewrite(target1, { blob, index: 0 }, () => true);
  }

  private open(): void {
    const blob = this.any();
    if (blob === undefined) return;
    const bytes = this.blobs.get(blob) as Buffer;
    const offset = this.random.below(bytes.length);
    const lengthBytes = 1 + this.random.below(bytes.length - offset);
    const pieces = this.client.read({ blob, layout, offset, lengthBytes })[Symbol.asyncIterator]();
    this.readers.push({ blob, bytes, pieces, at: offset, end: offset + lengthBytes });
  }

  private async pull(): Promise<void> {
    const index = this.random.below(this.readers.length + 1);
    const reader = this.readers[index];
    if (reader === undefined) return;
    const next = await this.next(reader);
    if (next !== undefined) {
      const expected = reader.bytes.subarray(reader.at, reader.at + next.length);
      assert.ok(expected.equals(next), `wrong bytes of blob ${reader.blob} at ${reader.at}`);
      reader.at += next.length;
      this.counts.pieces++;
      return;
    }
    this.readers.splice(index, 1);
    if (reader.at === reader.end) this.counts.whole++;
    else {
      assert.ok(this.removed.has(reader.blob), `blob ${reader.blob} is there and was not read`);
      this.counts.gone++;
    }
  }

  /** Undefined: the read ended. */
  private async next({ pieces }: Reader): Promise<Uint8Array | undefined> {
    try {
      const next = await pieces.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      if (isCoreError(error, 'CHUNK_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  private any(): BlobId | undefined {
    return [...this.blobs.keys()][this.random.below(this.blobs.size + 1)];
  }
}

/** Longer: LAMPYR_CHURN_STEPS=200000 npm test -- direct-churn */
const steps = Number(process.env['LAMPYR_CHURN_STEPS'] ?? 4000);

test('readers never get bytes of another chunk', async (context) => {
  const rig = await openRig({ disk: new SimDisk() });
  const churn = new Churn(rig, 'churn');
  const before = [marks().get('direct.read') ?? 0, marks().get('direct.missed') ?? 0] as const;
  for (let step = 0; step < steps; step++) await churn.step();
  const direct = (marks().get('direct.read') ?? 0) - before[0];
  const missed = (marks().get('direct.missed') ?? 0) - before[1];
  context.diagnostic(JSON.stringify({ ...churn.counts, direct, missed }));
  assert.ok(direct > steps / 10, 'many pieces are read past the store');
  assert.ok(missed > steps / 400, 'places turn out wrong');
  assert.ok(churn.counts.whole > steps / 20 && churn.counts.gone > steps / 50, 'both ends');
  await rig.engine.close();
});
