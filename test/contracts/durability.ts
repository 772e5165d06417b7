// What a Disk promises about power losses: what was synced is there, and of what was not synced nothing is lost
// by accident only. Run where a test can play one: on the simulated disk, and on nodeDisk above the lossy file
// system, where it fails when nodeDisk leaves out a sync.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Disk } from '../../core/env/disk.ts';

export interface Power {
  readonly disk: Disk;
  /** The power goes, and with it everything unsynced; the same disk afterwards. */
  lose(): Promise<Disk>;
  remove(): Promise<void>;
}

const text = (value: string): Buffer => Buffer.from(value);

async function contentOf(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, 'read');
  const bytes = Buffer.alloc(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return bytes.toString();
}

/** A file `d/f` with content `base`, durable with its name. */
async function makeFile(disk: Disk, base: string): Promise<void> {
  await disk.makeDirectory('d');
  const file = await disk.open('d/f', 'create');
  await file.write([text(base)], 0);
  await file.sync();
  await file.close();
  await disk.syncDir('d');
}

/** `d/f` by a new file, synced; its name is not. */
async function replace(disk: Disk): Promise<void> {
  const file = await disk.open('d/f.new', 'create');
  await file.write([text('new')], 0);
  await file.sync();
  await file.close();
  await disk.rename('d/f.new', 'd/f');
}

export function durabilityContract(name: string, start: () => Promise<Power>): void {
  const withPower = async (run: (power: Power) => Promise<void>): Promise<void> => {
    const power = await start();
    try {
      await run(power);
    } finally {
      await power.remove();
    }
  };

  describe(`durability contract: ${name}`, () => {
    test('a synced file with a synced name survives; so do directories', () =>
      withPower(async (power) => {
        await makeFile(power.disk, 'kept');
        await power.disk.makeDirectory('x/y/z');
        const disk = await power.lose();
        assert.equal(await contentOf(disk, 'd/f'), 'kept');
        assert.deepEqual(await disk.list('x/y'), ['z']);
      }));

    test('writes after the last sync are lost, in the middle and at the end', () =>
      withPower(async (power) => {
        await makeFile(power.disk, 'abc');
        const file = await power.disk.open('d/f', 'write');
        await file.write([text('B')], 1);
        await file.sync();
        await file.write([text('CDEF')], 2);
        await file.write([text('far')], 100_000);
        await file.close();
        assert.equal((await contentOf(power.disk, 'd/f')).slice(0, 6), 'aBCDEF');
        assert.equal(await contentOf(await power.lose(), 'd/f'), 'aBc');
      }));

    test('cuts and extensions are lost or kept with the sync', () =>
      withPower(async (power) => {
        await makeFile(power.disk, 'abcdef');
        const file = await power.disk.open('d/f', 'write');
        await file.truncate(2);
        await file.truncate(4);
        await file.close();
        assert.equal(await contentOf(power.disk, 'd/f'), 'ab\0\0');
        const disk = await power.lose();
        assert.equal(await contentOf(disk, 'd/f'), 'abcdef');
        const again = await disk.open('d/f', 'write');
        await again.truncate(2);
        await again.truncate(10_000);
        await again.write([text('end')], 10_000);
        await again.sync();
        await again.close();
        assert.equal(await contentOf(await power.lose(), 'd/f'), `ab${'\0'.repeat(9_998)}end`);
      }));

    test('a created name needs a sync of its directory, whatever was synced in the file', () =>
      withPower(async (power) => {
        await makeFile(power.disk, 'old');
        const file = await power.disk.open('d/new', 'create');
        await file.write([text('x')], 0);
        await file.sync();
        await file.close();
        assert.deepEqual(await power.disk.list('d'), ['f', 'new']);
        const disk = await power.lose();
        assert.deepEqual(await disk.list('d'), ['f']);
        await (await disk.open('d/new', 'create')).close();
        await disk.syncDir('d');
        assert.deepEqual(await (await power.lose()).list('d'), ['f', 'new']);
      }));

    test('a removed or replaced file comes back unless its directory was synced', () =>
      withPower(async (power) => {
        await makeFile(power.disk, 'old');
        await power.disk.remove('d/f');
        const file = await power.disk.open('d/f', 'create');
        await file.write([text('new')], 0);
        await file.sync();
        await file.close();
        assert.equal(await contentOf(power.disk, 'd/f'), 'new');
        const disk = await power.lose();
        assert.equal(await contentOf(disk, 'd/f'), 'old');
        await disk.remove('d/f');
        await disk.syncDir('d');
        assert.deepEqual(await (await power.lose()).list('d'), []);
      }));

    test('a rename shows the old file or the new one, whole', () =>
      withPower(async (power) => {
        await makeFile(power.disk, 'old');
        await replace(power.disk);
        assert.equal(await contentOf(power.disk, 'd/f'), 'new');
        const disk = await power.lose();
        assert.equal(await contentOf(disk, 'd/f'), 'old');
        assert.deepEqual(await disk.list('d'), ['f']);
        await replace(disk);
        await disk.syncDir('d');
        const after = await power.lose();
        assert.equal(await contentOf(after, 'd/f'), 'new');
        assert.deepEqual(await after.list('d'), ['f']);
      }));
  });
}
