// What the chunk store promises its callers, path by path; random histories are in engine-model.test.ts.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c } from '../../../core/base/crc32c.ts';
import { type ErrorName, isCoreError } from '../../../core/base/errors.ts';
import type { ChainVer, UpdateVer } from '../../../core/base/ids.ts';
import { KiB, MiB, limits } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import type { ChunkChange, ChunkUpdate } from '../../../core/store/types.ts';
import { drained } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import {
  type Rig,
  changed,
  chunkOf,
  keysOf,
  openRig,
  smallTuning,
  target1,
  target2,
  updateOf,
  writeOf,
} from './engine-rig.ts';

function random(bytes: number, seed: number | string = 1): Buffer {
  const buffer = Buffer.alloc(bytes);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
  new Prng(seed).fill(buffer);
  return buffer;
}

async function content(rig: Rig, blob: number): Promise<Buffer> {
  const read = await rig.engine.read(target1, chunkOf(blob), 0, 64 * MiB);
  assert.equal(read.crc32c, crc32c(read.bytes));
  assert.equal(read.state.crc32c, read.crc32c);
  return Buffer.from(read.bytes);
}

function refused(action: Promise<unknown>, name: ErrorName, pattern = /./): Promise<void> {
  return assert.rejects(action, (error) => {
    assert.ok(isCoreError(error, name), String(error));
    assert.match(error.message, pattern);
    return true;
  });
}

/** After a restart: of the process, or of the machine with everything unsynced lost. */
function restarted(rig: Rig, powerLoss = false): Promise<Rig> {
  const disk = rig.disk as SimDisk;
  const kv = rig.kv as SimKv;
  return powerLoss
    ? openRig({ disk: disk.crash(() => false), kv: kv.crash(() => false) })
    : openRig({ disk: disk.copy(), kv: kv.copy() });
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  const made = { promise: Promise.resolve(), resolve: (): void => undefined };
  made.promise = new Promise<void>((resolve) => (made.resolve = resolve));
  return made;
}

function atVersion(version: number): Partial<ChunkUpdate> {
  return { version: version as UpdateVer };
}

describe('chunk engine', () => {
  it('keeps small and large chunks over restarts and power losses, with and without a checkpoint', async () => {
    const rig = await openRig();
    const small = random(5000, 1);
    const large = random(60 * KiB, 2);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, small), { fresh: true }));
    await rig.engine.update(updateOf(chunkOf(2), writeOf(0, large), { fresh: true }));
    for (const checkpoint of [false, true]) {
      if (checkpoint) await rig.journal.checkpoint();
      for (const powerLoss of [false, true]) {
        const again = await restarted(rig, powerLoss);
        assert.deepEqual(await content(again, 1), small);
        assert.deepEqual(await content(again, 2), large);
        assert.equal((await again.engine.stat(target1, chunkOf(1)))?.version, 1);
      }
    }
  });

  it('applies every kind of change like a byte array', async () => {
    const rig = await openRig();
    const changes: ChunkChange[] = [
      writeOf(0, random(30 * KiB, 1)),
      writeOf(29 * KiB, random(3 * KiB, 2)), // overlaps the end and extends in place
      writeOf(100, random(5000, 3)), // a patch
      writeOf(6000, random(20 * KiB, 4)), // a patch written directly
      { kind: 'truncate', length: 10_000 },
      writeOf(20_000, random(10, 5)), // zeros where the base had bytes
      writeOf(40 * KiB, random(18 * KiB, 6)), // a gap, out of the block
      writeOf(60 * KiB, random(100, 7)),
      { kind: 'truncate', length: 62 * KiB + 7 },
      { kind: 'truncate', length: 5 },
      writeOf(0, random(0)),
      { kind: 'truncate', length: 0 },
      writeOf(9, random(9, 9)),
    ];
    let expected: Buffer | undefined;
    for (const [step, change] of changes.entries()) {
      expected = changed(expected, change);
      await rig.engine.update(updateOf(chunkOf(1), change));
      assert.deepEqual(await content(rig, 1), expected, `step ${step}`);
      if (step % 3 === 0) await rig.journal.checkpoint();
      assert.deepEqual(
        await content(await restarted(rig, true), 1),
        expected,
        `step ${step}, lost`,
      );
    }
    assert.equal((await rig.engine.stat(target1, chunkOf(1)))?.version, changes.length);
  });

  it('reads any range, clipped, with the checksum of what it returns', async () => {
    const rig = await openRig();
    const bytes = random(50_000, 1);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, bytes)));
    await rig.engine.update(updateOf(chunkOf(1), writeOf(7000, bytes.subarray(0, 9000))));
    const now = changed(bytes, writeOf(7000, bytes.subarray(0, 9000))) as Buffer;
    const prng = new Prng('ranges');
    for (let i = 0; i < 200; i++) {
      const offset = prng.below(55_000);
      const length = prng.below(55_000);
      const read = await rig.engine.read(target1, chunkOf(1), offset, length);
      assert.deepEqual(Buffer.from(read.bytes), now.subarray(offset, offset + length));
      assert.equal(read.crc32c, crc32c(read.bytes));
    }
  });

  it('refuses what does not fit, before anything is stored', async () => {
    const rig = await openRig();
    const { engine } = rig;
    const abc = Buffer.from('abc');
    const wrong: ChunkChange = { kind: 'write', offset: 0, bytes: abc, crc32c: 1 };
    await refused(engine.update(updateOf(chunkOf(1), wrong)), 'CHECKSUM_MISMATCH');
    const far = writeOf(limits.blockBytesMax - 2, abc);
    await refused(engine.update(updateOf(chunkOf(1), far)), 'LIMIT_EXCEEDED');
    await refused(engine.update(updateOf(chunkOf(1), writeOf(-1, abc))), 'INVALID_ARGUMENT');
    await refused(engine.update(updateOf(chunkOf(1), { kind: 'seal' })), 'CHUNK_NOT_FOUND');
    await refused(
      engine.update(updateOf(chunkOf(1), { kind: 'truncate', length: 1 })),
      'CHUNK_NOT_FOUND',
    );
    await refused(engine.read(target1, chunkOf(1), 0, 1), 'CHUNK_NOT_FOUND');
    await refused(engine.read(target1, chunkOf(1), 0.5, 1), 'INVALID_ARGUMENT');
    await refused(
      engine.update(updateOf(chunkOf(1), writeOf(0, abc), { target: 9 as never })),
      'INVALID_ARGUMENT',
      /target 9 is not on this disk/,
    );
    assert.equal(await engine.stat(target1, chunkOf(1)), undefined);
    assert.equal(engine.space().usedBytes, 0);
  });

  it('orders updates by version and chain version', async () => {
    const { engine } = await openRig();
    const write = (more: Partial<ChunkUpdate>) =>
      engine.update(updateOf(chunkOf(1), writeOf(0, Buffer.from('x')), more));
    await refused(write(atVersion(2)), 'CHUNK_VERSION_MISMATCH', /2 does not follow 0/);
    assert.equal((await write(atVersion(1)))?.version, 1);
    assert.equal((await write({}))?.version, 2);
    await refused(write(atVersion(2)), 'CHUNK_VERSION_MISMATCH');
    await write({ chainVersion: 5 as ChainVer });
    await refused(write({ chainVersion: 4 as ChainVer }), 'CHUNK_VERSION_MISMATCH', /older than 5/);
  });

  it('seals: no more changes but a remove; removing what is not there succeeds', async () => {
    const rig = await openRig();
    const { engine } = rig;
    await engine.update(updateOf(chunkOf(1), writeOf(0, Buffer.from('abc'))));
    assert.equal((await engine.update(updateOf(chunkOf(1), { kind: 'seal' })))?.sealed, true);
    await refused(
      engine.update(updateOf(chunkOf(1), writeOf(3, Buffer.from('d')))),
      'CHUNK_SEALED',
    );
    await refused(
      engine.update(updateOf(chunkOf(1), { kind: 'truncate', length: 1 })),
      'CHUNK_SEALED',
    );
    assert.equal(await engine.update(updateOf(chunkOf(1), { kind: 'remove' })), undefined);
    assert.equal(await engine.update(updateOf(chunkOf(1), { kind: 'remove' })), undefined);
    assert.equal(await engine.stat(target1, chunkOf(1)), undefined);
    assert.equal((await restarted(rig)).engine.space().usedBytes, 0);
  });

  it('lists the chunks of a target in key order', async () => {
    const { engine } = await openRig();
    for (const [blob, index] of [
      [2, 0],
      [1, 7],
      [1, 2],
    ] as const)
      await engine.update(updateOf(chunkOf(blob, index), writeOf(0, Buffer.from('x'))));
    await engine.update(updateOf(chunkOf(1, 1), writeOf(0, Buffer.from('y')), { target: target2 }));
    const first = await engine.scan(target1, undefined, 2);
    assert.deepEqual(
      first.map(({ chunk }) => chunk),
      [chunkOf(1, 2), chunkOf(1, 7)],
    );
    const rest = await engine.scan(target1, first[1]?.chunk, 10);
    assert.deepEqual(
      rest.map(({ chunk }) => chunk),
      [chunkOf(2, 0)],
    );
    assert.equal((await engine.scan(target2, undefined, 10)).length, 1);
  });
});

describe('staged updates', () => {
  it('are invisible until durable, keep order per chunk, and leave nothing when aborted', async () => {
    const rig = await openRig();
    const { engine } = rig;
    const one = await engine.stage(updateOf(chunkOf(1), writeOf(0, random(20 * KiB, 1))));
    let second = false;
    const waiting = engine
      .stage(updateOf(chunkOf(1), writeOf(0, random(100, 2))))
      .then((staged) => ((second = true), staged));
    await drained();
    assert.equal(second, false, 'the lock is held');
    assert.equal(await engine.stat(target1, chunkOf(1)), undefined);
    one.abort();
    const two = await waiting;
    assert.equal(two.next?.version, 1);
    assert.equal(engine.space().usedBytes, 0);
    await two.submit().durable;
    assert.deepEqual(await content(rig, 1), random(100, 2));
    assert.throws(() => two.abort(), /once/);
  });

  it('of one turn have consecutive records and become durable together', async () => {
    const rig = await openRig();
    const staged = await Promise.all(
      [1, 2, 3].map((blob) =>
        rig.engine.stage(updateOf(chunkOf(blob), writeOf(0, random(100, blob)), { fresh: true })),
      ),
    );
    const groups = rig.journal.stats.groups;
    const tickets = staged.map((update) => update.submit());
    assert.deepEqual(
      tickets.map(({ number }) => number - (tickets[0]?.number ?? 0)),
      [0, 1, 2],
    );
    await Promise.all(tickets.map(({ durable }) => durable));
    assert.equal(rig.journal.stats.groups, groups + 1);
  });

  it('do not look the caller’s buffer up again after they are staged', async () => {
    const rig = await openRig();
    for (const bytes of [Buffer.alloc(3000, 1), Buffer.alloc(30 * KiB, 1)]) {
      const staged = await rig.engine.stage(updateOf(chunkOf(bytes.length), writeOf(0, bytes)));
      const expected = Buffer.from(bytes);
      bytes.fill(2);
      await staged.submit().durable;
      assert.deepEqual(await content(rig, bytes.length), expected);
    }
  });
});

describe('readers', () => {
  it('finish on the row they began with, whatever happens to the chunk', async () => {
    let hold: Promise<void> | undefined;
    const disk = new SimDisk({
      delay: (operation) => (operation === 'read' && hold ? hold : Promise.resolve()),
    });
    const rig = await openRig({ disk });
    const old = random(60 * KiB, 1);
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, old)));
    const gate = deferred();
    hold = gate.promise;
    const read = rig.engine.read(target1, chunkOf(1), 0, 60 * KiB);
    await drained();
    hold = undefined;
    // Overwrites that would take the block if it were free: same class, bytes written directly.
    for (let i = 0; i < 6; i++)
      await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(60 * KiB, 10 + i))));
    gate.resolve();
    assert.deepEqual(Buffer.from((await read).bytes), old);
  });
});

describe('damage', () => {
  it('is an error that names target, chunk, file and offset, and other chunks go on', async () => {
    const events: string[] = [];
    const rig = await openRig({ events: { emit: (_, name) => void events.push(name) } });
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(60 * KiB, 1))));
    await rig.engine.update(updateOf(chunkOf(2), writeOf(0, random(60 * KiB, 2))));
    (rig.disk as SimDisk).flip('slabs/64k/00000001', 20_000);
    await refused(
      content(rig, 1),
      'CORRUPT',
      /target 1, chunk 1\/0: 4096 bytes at 16384 of slabs\/64k\/00000001 do not match/,
    );
    assert.ok(events.includes('chunk-corrupt'));
    assert.deepEqual(await content(rig, 2), random(60 * KiB, 2));
    // Units that the damage does not touch are still good.
    assert.equal((await rig.engine.read(target1, chunkOf(1), 0, 16_384)).bytes.length, 16_384);
    // A change that needs the damaged bytes is refused; one that replaces them is not.
    await refused(
      rig.engine.update(updateOf(chunkOf(1), writeOf(20_000, Buffer.from('x')))),
      'CORRUPT',
    );
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(61 * KiB, 3))));
    assert.deepEqual(await content(rig, 1), random(61 * KiB, 3));
  });

  it('of a row is an error, not a missing chunk', async () => {
    const rig = await openRig();
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(100, 1))));
    await rig.engine.close();
    const kv = (rig.kv as SimKv).copy();
    const key = keysOf(kv).find((found) => found[1] === 'c'.charCodeAt(0)) as Buffer;
    const value = Buffer.from((await kv.get(key)) as Uint8Array);
    value[10] = (value[10] as number) ^ 1;
    kv.damage(key, value);
    const again = await openRig({ disk: (rig.disk as SimDisk).copy(), kv });
    await refused(content(again, 1), 'CORRUPT');
    await refused(again.engine.stat(target1, chunkOf(1)), 'CORRUPT');
  });
});

describe('a failing disk', () => {
  it('goes offline at the first failed write or sync of a slab; reads go on', async () => {
    for (const operation of ['write', 'sync'] as const) {
      const rig = await openRig();
      await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(60 * KiB, 1))));
      const disk = rig.disk as SimDisk;
      disk.inject({ operation, code: 'EIO', path: 'slabs/', once: true });
      await refused(
        rig.engine.update(updateOf(chunkOf(2), writeOf(0, random(60 * KiB, 2)))),
        'DISK_OFFLINE',
      );
      // The fault is gone, the disk stays offline.
      await refused(
        rig.engine.update(updateOf(chunkOf(3), writeOf(0, random(10, 3)))),
        'DISK_OFFLINE',
        /the disk is offline: (write|sync|creation) of slabs/,
      );
      await refused(rig.journal.checkpoint(), 'DISK_OFFLINE');
      assert.ok(rig.engine.offline !== undefined);
      assert.deepEqual(await content(rig, 1), random(60 * KiB, 1));
      assert.equal(await rig.engine.stat(target1, chunkOf(2)), undefined);
      assert.deepEqual(await content(await restarted(rig, true), 1), random(60 * KiB, 1));
    }
  });

  it('goes offline when the journal fails; nothing unacknowledged shows', async () => {
    const rig = await openRig();
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(100, 1))));
    const offline: string[] = [];
    rig.engine.commits.onOffline = (error) => void offline.push(error.message);
    (rig.disk as SimDisk).inject({ operation: 'sync', code: 'EIO', path: 'journal/' });
    const updates = [2, 1, 1].map((blob) =>
      rig.engine.update(updateOf(chunkOf(blob), writeOf(0, random(200, blob)))),
    );
    for (const update of updates) await refused(update, 'DISK_OFFLINE');
    assert.equal(offline.length, 1);
    assert.deepEqual(await content(rig, 1), random(100, 1));
    assert.equal(await rig.engine.stat(target1, chunkOf(2)), undefined);
  });

  it('that fails a checkpoint loses nothing', async () => {
    for (const [operation, path] of [
      ['sync', 'slabs/'],
      ['write', 'slabs/'],
    ] as const) {
      const rig = await openRig();
      await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(5000, 1))));
      (rig.disk as SimDisk).inject({ operation, code: 'EIO', path });
      await refused(rig.journal.checkpoint(), 'DISK_OFFLINE');
      assert.deepEqual(await content(rig, 1), random(5000, 1));
      for (const powerLoss of [false, true])
        assert.deepEqual(await content(await restarted(rig, powerLoss), 1), random(5000, 1));
    }
  });
});

describe('a full disk', () => {
  it('refuses new data before it is full; reads and removes go on and make room again', async () => {
    // The journal takes 768 KiB at most.
    const disk = new SimDisk({ totalBytes: 2 * MiB });
    const tuning = { ...smallTuning, reserveBytes: 200 * KiB };
    const rig = await openRig({ disk, tuning });
    const { engine } = rig;
    const stored = new Map<number, Buffer>();
    let refusals = 0;
    for (let blob = 1; blob < 60; blob++) {
      const bytes = random(blob % 3 === 0 ? 2000 : 60 * KiB, blob);
      try {
        await engine.update(updateOf(chunkOf(blob), writeOf(0, bytes)));
        stored.set(blob, bytes);
      } catch (error) {
        assert.ok(isCoreError(error, 'DISK_FULL'), String(error));
        assert.match(error.message, /bytes are free.*remove data or add space/);
        refusals++;
      }
    }
    assert.ok(refusals > 5 && stored.size > 5);
    const { freeBytes } = await disk.space();
    assert.ok(freeBytes >= 100 * KiB, `half of the reserve is left: ${freeBytes}`);
    assert.equal(engine.offline, undefined);
    for (const [blob, bytes] of stored) assert.deepEqual(await content(rig, blob), bytes);
    const removed = [...stored.keys()].filter((blob) => blob % 3 !== 0).slice(0, 3);
    for (const blob of removed) await engine.update(updateOf(chunkOf(blob), { kind: 'remove' }));
    await engine.update(updateOf(chunkOf(100), writeOf(0, random(60 * KiB, 100))));
    assert.deepEqual(await content(rig, 100), random(60 * KiB, 100));
  });

  it('that others filled refuses all new data and says so', async () => {
    const disk = new SimDisk({ totalBytes: 4 * MiB });
    const tuning = { ...smallTuning, reserveBytes: 1 * MiB };
    const rig = await openRig({ disk, tuning });
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(100, 1))));
    assert.equal(rig.engine.space().full, false);
    const other = await disk.open('other', 'create');
    await other.write([Buffer.alloc((await disk.space()).freeBytes - 200 * KiB)], 0);
    await rig.engine.parts.space.refresh();
    assert.equal(rig.engine.space().full, true);
    await refused(rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(10, 2)))), 'DISK_FULL');
    assert.deepEqual(await content(rig, 1), random(100, 1));
    assert.equal(await rig.engine.update(updateOf(chunkOf(1), { kind: 'remove' })), undefined);
  });

  it('counts rows that still wait for their room', async () => {
    let pendingBytes = 0;
    const tuning = { ...smallTuning, reserveBytes: 1 * MiB };
    const disk = new SimDisk({ totalBytes: 4 * MiB });
    const { engine } = await openRig({ disk, tuning, pendingBytes: () => pendingBytes });
    engine.admit();
    pendingBytes = (await disk.space()).freeBytes - 512 * KiB + 1;
    assert.throws(
      () => engine.admit(),
      (error) => isCoreError(error, 'DISK_FULL'),
    );
    pendingBytes = 0;
    engine.admit();
  });

  it('without room for a slab that was promised by the reserve stays online', async () => {
    const disk = new SimDisk();
    const rig = await openRig({ disk });
    disk.inject({ operation: 'write', code: 'ENOSPC', path: 'slabs/64k' });
    await refused(
      rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(60 * KiB, 1)))),
      'DISK_FULL',
    );
    disk.healFaults();
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(60 * KiB, 1))));
    assert.deepEqual(await content(rig, 1), random(60 * KiB, 1));
  });
});

describe('closing', () => {
  it('takes a checkpoint, so that the next start replays nothing, and refuses updates', async () => {
    const rig = await openRig();
    await rig.engine.update(updateOf(chunkOf(1), writeOf(0, random(100, 1))));
    await rig.engine.close();
    await refused(rig.engine.update(updateOf(chunkOf(2), writeOf(0, random(1)))), 'UNAVAILABLE');
    await rig.journal.close();
    let replayed = 0;
    const again = await openRig({
      disk: (rig.disk as SimDisk).copy(),
      kv: (rig.kv as SimKv).copy(),
      events: {
        emit: (_, name, fields) => {
          if (name === 'journal-open') replayed = Number(fields?.['records']);
        },
      },
    });
    assert.ok(replayed <= 2, `more than the journal's own marks: ${replayed}`);
    assert.deepEqual(await content(again, 1), random(100, 1));
  });
});
