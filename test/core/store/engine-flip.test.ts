// Every byte of a small store's files, one at a time, is damaged; then the store is opened and every chunk
// read. Allowed: an error that says so, or the right bytes. Never other bytes, never "no such chunk".
// LAMPYR_FLIP_STRIDE=1 takes every byte; the default takes a sample, dense where the headers are.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import { KiB } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import { checkStore } from '../../../core/store/check.ts';
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
  updateOf,
  writeOf,
} from './engine-rig.ts';

const stride = Number(process.env['LAMPYR_FLIP_STRIDE'] ?? 251);
const tuning = { ...smallTuning, slabBytesMin: 8 * KiB, slabBytesMax: 32 * KiB };
const segmentBytes = 64 * KiB;

type Outcome = 'refused' | 'error' | 'right';
type Expected = ReadonlyMap<number, Buffer>;

function random(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
  new Prng(seed).fill(buffer);
  return buffer;
}

/** Chunks of every shape, the first half behind a checkpoint, the second half only in the journal. */
async function build(): Promise<{ rig: Rig; expected: Expected }> {
  const rig = await openRig({ tuning, segmentBytes });
  const expected = new Map<number, Buffer>();
  const write = async (blob: number, offset: number, bytes: Buffer): Promise<void> => {
    const change = writeOf(offset, bytes);
    await rig.engine.update(updateOf(chunkOf(blob), change));
    expected.set(blob, changed(expected.get(blob), change) as Buffer);
  };
  for (const first of [1, 11]) {
    await write(first, 0, random(700, first));
    await write(first + 1, 0, random(14 * KiB, first + 1));
    await write(first + 2, 0, random(9000, first + 2));
    await write(first + 2, 3000, random(500, first + 3));
    await write(first + 2, 9500, random(300, first + 4));
    if (first === 1) await rig.journal.checkpoint();
  }
  await rig.engine.update(updateOf(chunkOf(12), { kind: 'remove' }));
  expected.delete(12);
  // The idle mark: from here on, damage to the last group is told from a torn one.
  await rig.clock.advance(1000);
  return { rig, expected };
}

async function outcome(
  disk: SimDisk,
  kv: SimKv,
  expected: Expected,
  what: string,
): Promise<Outcome> {
  let rig: Rig;
  try {
    rig = await openRig({ disk, kv, tuning, segmentBytes });
  } catch (error) {
    assert.ok(
      isCoreError(error, 'DISK_REFUSED') ||
        isCoreError(error, 'CORRUPT') ||
        isCoreError(error, 'VERSION_UNSUPPORTED'),
      `${what}: ${String(error)}`,
    );
    return 'refused';
  }
  return read(rig, expected, what);
}

async function read(rig: Rig, expected: Expected, what: string): Promise<Outcome> {
  let found: Outcome = 'right';
  for (const [blob, bytes] of expected) {
    try {
      const { bytes: seen } = await rig.engine.read(target1, chunkOf(blob), 0, 64 * KiB);
      assert.ok(bytes.equals(seen), `${what}: wrong bytes in chunk ${blob}`);
    } catch (error) {
      assert.ok(isCoreError(error, 'CORRUPT'), `${what}: ${String(error)}`);
      found = 'error';
    }
  }
  return found;
}

it('a damaged byte is an error or does not matter', { timeout: 3_600_000 }, async (t) => {
  const { rig, expected } = await build();
  const disk = rig.disk as SimDisk;
  const kv = rig.kv as SimKv;
  const table: Record<string, Record<Outcome, number>> = {};
  const note = (kind: string, result: Outcome): void => {
    table[kind] ??= { refused: 0, error: 0, right: 0 };
    table[kind][result]++;
  };
  for (const path of disk.files()) {
    const kind = path.split('/')[0] as string;
    const bytes = disk.content(path).length;
    for (let at = 0; at < bytes; at++) {
      // Both slots of a superblock and the start of a segment are full of fields.
      const dense =
        at % 4096 < 120 && (path.includes('superblock') || (at < 8192 && kind === 'journal'));
      if (at % stride !== 0 && !(dense && at % 3 === 0)) continue;
      const copy = disk.copy();
      copy.flip(path, at, 1 << (at % 8));
      note(kind, await outcome(copy, kv.copy(), expected, `byte ${at} of ${path}`));
    }
  }
  for (const [kind, counts] of Object.entries(table))
    t.diagnostic(`${kind}: ${JSON.stringify(counts)}`);
  for (const kind of ['slabs', 'journal'])
    assert.ok((table[kind]?.error ?? 0) + (table[kind]?.refused ?? 0) > 0, `${kind} is checked`);
});

it('a damaged row of the index is an error, a lost one is found by the check', async (t) => {
  const { rig, expected } = await build();
  await rig.engine.close();
  const disk = rig.disk as SimDisk;
  const kv = rig.kv as SimKv;
  const counts: Record<Outcome, number> = { refused: 0, error: 0, right: 0 };
  for (const key of keysOf(kv)) {
    const value = (await kv.get(key)) as Uint8Array;
    for (let at = 0; at < value.length; at++) {
      const damaged = Uint8Array.from(value);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      const copy = kv.copy();
      copy.damage(key, damaged);
      counts[
        await outcome(disk.copy(), copy, expected, `byte ${at} of row ${key.toString('hex')}`)
      ]++;
    }
    const copy = kv.copy();
    copy.damage(key, undefined);
    const lost = await openRig({ disk: disk.copy(), kv: copy, tuning, segmentBytes }).catch(
      (error: unknown) => {
        assert.ok(isCoreError(error, 'DISK_REFUSED'), String(error));
        return undefined;
      },
    );
    // What was removed where is only a hint of what to compact (core/store/table-compaction.ts).
    const hint = key[0] === 0 && key[1] === 0;
    if (lost !== undefined)
      assert.equal((await checkStore(lost.engine)).ok, hint, `lost row ${key.toString('hex')}`);
  }
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.error > 0 && counts.refused > 0);
});
