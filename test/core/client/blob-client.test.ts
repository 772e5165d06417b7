import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { CoreError } from '../../../core/base/errors.ts';
import type { ErrorName } from '../../../core/base/errors.ts';
import { KiB, limits, MiB } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import type { BlobRun, WrittenBlob } from '../../../core/client/types.ts';
import { drained } from '../../sim/clock.ts';
import { ClientRig, content } from './rig.ts';

const is =
  (name: ErrorName) =>
  (error: unknown): boolean =>
    error instanceof CoreError && error.errorName === name;

const runOf = (
  { blob, layout, length }: WrittenBlob,
  offset = 0,
  lengthBytes = length,
): BlobRun => ({
  blob,
  layout,
  offset,
  lengthBytes,
});

describe('blob client', () => {
  let rig: ClientRig;
  beforeEach(() => void (rig = new ClientRig(1 * MiB)));

  async function write(bytes: Buffer, pieces: readonly number[] = []): Promise<WrittenBlob> {
    const writer = await rig.blobs.create();
    let at = 0;
    for (const size of pieces) {
      await writer.write(bytes.subarray(at, at + size));
      at += size;
    }
    await writer.write(bytes.subarray(at));
    return writer.finish();
  }

  async function read(run: BlobRun): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for await (const piece of rig.blobs.read(run)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  }

  test('writes whole chunks from pieces of any size', async () => {
    const body = content(2 * MiB + 12_345);
    const written = await write(body, [1, 100_000, 700_000, 300_000]);
    assert.equal(written.length, body.length);
    assert.deepEqual(
      rig.store.updates.map(({ chunk, change }) => [
        chunk.index,
        change.kind === 'write' ? change.bytes.length : 0,
      ]),
      [
        [0, MiB],
        [1, MiB],
        [2, 12_345],
      ],
    );
    assert.ok(rig.store.contentOf(written.blob).equals(body));
    assert.ok((await read(runOf(written))).equals(body));
  });

  test('reads any range, in pieces that end on checksum units', async () => {
    const body = content(3 * MiB + 77);
    const written = await write(body);
    const random = new Prng('ranges');
    for (let i = 0; i < 100; i++) {
      const offset = random.below(body.length);
      const length = random.below(body.length - offset) + 1;
      const found = await read(runOf(written, offset, length));
      assert.ok(found.equals(body.subarray(offset, offset + length)), `${offset} + ${length}`);
    }
  });

  test('an empty blob is no chunk', async () => {
    const written = await write(Buffer.alloc(0));
    assert.equal(written.length, 0);
    assert.equal(rig.store.chunks.size, 0);
    assert.equal((await read(runOf(written))).length, 0);
  });

  describe('retries', () => {
    test('a lost request or answer is sent again with the same tag, and never as fresh', async () => {
      rig.faults.push('answer lost', 'request lost', 'BUSY');
      const body = content(300_000);
      const written = await rig.clock.until(write(body));
      assert.ok(rig.store.contentOf(written.blob).equals(body));
      const [first, second] = rig.store.updates;
      assert.equal(rig.store.updates.length, 2);
      assert.deepEqual(first?.tag, second?.tag);
      assert.equal(first?.fresh, true);
      assert.equal(second?.fresh, false);
    });

    test('a store that stays away is given up after the retry time', async () => {
      rig.faults.push(...Array.from({ length: 1000 }, () => 'request lost' as const));
      await assert.rejects(rig.clock.until(write(content(10))), is('UNAVAILABLE'));
      assert.ok(rig.clock.now() >= limits.clientRetryMs - 2 * limits.clientRetryPauseMsMax);
    });

    test('what no attempt can cure is not repeated', async () => {
      rig.faults.push('DISK_FULL');
      await assert.rejects(write(content(10)), is('DISK_FULL'));
      assert.equal(rig.calls, 1);
    });

    test('a read is repeated too', async () => {
      const body = content(500_000);
      const written = await write(body);
      rig.faults.push('request lost', 'answer lost');
      assert.ok((await rig.clock.until(read(runOf(written)))).equals(body));
    });
  });

  describe('memory', () => {
    test('is used again once a piece is stored', async () => {
      for (let turn = 0; turn < 3; turn++) await write(content(limits.clientWriteBytesMax, turn));
      const memories = new Set(rig.payloads.flat().map(({ buffer }) => buffer));
      assert.equal(memories.size, limits.clientWriteBytesMax / limits.checksumUnitBytes);
    });

    test('of a call whose outcome is unknown is not: the connection may still read it', async () => {
      rig.faults.push('answer lost');
      const body = content(300_000);
      await rig.clock.until(write(body));
      const [held] = rig.payloads;
      await write(content(limits.clientWriteBytesMax, 2));
      assert.ok(Buffer.concat(held ?? []).equals(body));
    });

    test('holds what was given: the giver may use its own again', async () => {
      const writer = await rig.blobs.create();
      const piece = content(100_000);
      for (let turn = 0; turn < 4; turn++) {
        piece.fill(turn);
        await writer.write(piece);
      }
      const { blob } = await writer.finish();
      const expected = Buffer.concat([0, 1, 2, 3].map((turn) => Buffer.alloc(100_000, turn)));
      assert.ok(rig.store.contentOf(blob).equals(expected));
    });
  });

  describe('checksums', () => {
    test('bytes damaged on the way from the store are asked for again, twice damaged is an error', async () => {
      const written = await write(content(1000));
      rig.faults.push('damaged');
      assert.ok((await read(runOf(written))).equals(content(1000)));
      rig.faults.push('damaged', 'damaged');
      await assert.rejects(read(runOf(written)), is('CHECKSUM_MISMATCH'));
    });

    test('a missing or short chunk is an error, never zeros', async () => {
      const written = await write(content(2 * MiB));
      rig.store.chunks.set(`${written.blob}/1`, content(10));
      await assert.rejects(read(runOf(written)), is('CORRUPT'));
      rig.store.chunks.delete(`${written.blob}/1`);
      await assert.rejects(read(runOf(written)), is('CHUNK_NOT_FOUND'));
    });
  });

  describe('bounds', () => {
    test('one upload keeps a window of chunks on its way', async () => {
      const open = rig.shut();
      const writer = await rig.blobs.create();
      const piece = content(512 * KiB);
      let given = 0;
      const writing = (async () => {
        for (; given < 64; given++) await writer.write(piece);
        return writer.finish();
      })();
      await drained();
      assert.ok(given * piece.length <= limits.clientWriterWindowBytes + 2 * MiB);
      open();
      const written = await writing;
      assert.equal(rig.store.contentOf(written.blob).length, 32 * MiB);
    });

    test('many uploads share the memory; stalled ones hand over what they hold', async () => {
      rig = new ClientRig(4 * MiB);
      const count = 64;
      const piece = content(64 * KiB);
      const writers = await Promise.all(Array.from({ length: count }, () => rig.blobs.create()));
      let written = 0;
      // Every upload stops in the middle of a chunk; together they would hold more than there is.
      const halves = writers.map(async (writer) => {
        for (let i = 0; i < 31; i++) {
          await writer.write(piece);
          written += piece.length;
        }
      });
      await Promise.all(halves);
      assert.equal(written, count * 31 * piece.length);
      assert.ok(written > limits.clientWriteBytesMax);
      // Half of them never go on; the others still can.
      await Promise.all(
        writers.slice(32).map(async (writer) => {
          for (let i = 0; i < 97; i++) await writer.write(piece);
          const { blob } = await writer.finish();
          const found = rig.store.contentOf(blob);
          assert.equal(found.length, 8 * MiB);
          for (let at = 0; at < found.length; at += piece.length)
            assert.ok(found.subarray(at, at + piece.length).equals(piece));
        }),
      );
      for (const { change, expectedBytes, fresh } of rig.store.updates) {
        assert.ok(change.kind === 'write');
        // A chunk that is begun with a piece says how long it will be.
        if (fresh === true && change.bytes.length < 4 * MiB) assert.equal(expectedBytes, 4 * MiB);
        assert.equal(change.bytes.length % limits.checksumUnitBytes, 0);
      }
    });

    test('no more updates at once than the session has channels', async () => {
      rig = new ClientRig(64 * KiB);
      const writers = await Promise.all(Array.from({ length: 100 }, () => rig.blobs.create()));
      await Promise.all(
        writers.map(async (writer) => {
          for (let i = 0; i < 8; i++) await writer.write(content(64 * KiB));
          await writer.finish();
        }),
      );
      assert.ok(rig.runningMax <= limits.sessionChannelsMax);
      const tags = rig.store.updates.map(({ tag }) => `${tag.channel}/${tag.sequence}`);
      assert.equal(new Set(tags).size, tags.length);
    });

    test('a download asks for a bounded number of pieces ahead', async () => {
      const written = await write(content(16 * MiB));
      rig.calls = 0;
      const reading = rig.blobs.read(runOf(written))[Symbol.asyncIterator]();
      await reading.next();
      await drained();
      assert.equal(rig.calls, 1 + limits.clientReadAhead);
      await reading.return?.();
      await drained();
      assert.equal(rig.calls, 1 + limits.clientReadAhead);
    });
  });

  describe('a blob that is given up', () => {
    test('is discarded after what is on its way has ended', async () => {
      const open = rig.shut();
      const writer = await rig.blobs.create();
      await writer.write(content(3 * MiB + 5));
      const abandoned = writer.abandon();
      await drained();
      assert.deepEqual(rig.discarded, []);
      open();
      await abandoned;
      assert.equal(rig.discarded.length, 1);
      // Its memory is free again.
      await write(content(limits.clientWriteBytesMax));
    });

    test('after a failed write gives its error to the caller, and its memory back', async () => {
      const writer = await rig.blobs.create();
      rig.faults.push('DISK_FULL');
      await writer.write(content(MiB));
      await drained();
      await assert.rejects(writer.write(content(1)), is('DISK_FULL'));
      await writer.abandon();
      assert.equal(rig.discarded.length, 1);
      await write(content(limits.clientWriteBytesMax));
    });
  });
});
