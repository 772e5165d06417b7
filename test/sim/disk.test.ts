import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DiskFile } from '../../core/env/disk.ts';
import { SimDisk } from './disk.ts';
import type { UnsyncedUnit } from './disk.ts';
import { SimKv } from './kv.ts';

const sector = (letter: string): Buffer => Buffer.alloc(512, letter);

async function fileOn(disk: SimDisk, content: string): Promise<DiskFile> {
  const file = await disk.open('f', 'create');
  await disk.syncDir('');
  await file.write(content.split('').map(sector), 0);
  await file.sync();
  return file;
}

/** One letter a sector, as after a crash that keeps what `survives` says. */
function after(disk: SimDisk, survives: (unit: UnsyncedUnit) => boolean): string {
  const crashed = disk.crash(survives);
  if (!crashed.files().includes('f')) return 'no file';
  const content = crashed.content('f');
  return Array.from({ length: content.length / 512 }, (_, index) =>
    String.fromCodePoint(content[index * 512] || 0x2e),
  ).join('');
}

describe('simulated disk', () => {
  test('a crash keeps any choice of unsynced sectors and all synced ones', async () => {
    const disk = new SimDisk();
    const file = await fileOn(disk, 'abc');
    await file.write([sector('A'), sector('B')], 0);
    assert.equal(
      after(disk, () => false),
      'abc',
    );
    assert.equal(
      after(disk, () => true),
      'ABc',
    );
    assert.equal(
      after(disk, (unit) => unit.kind === 'sector' && unit.sector === 1),
      'aBc',
    );
    await file.sync();
    assert.deepEqual(disk.unsynced(), []);
    assert.equal(
      after(disk, () => false),
      'ABc',
    );
  });

  test('of several unsynced writes of a sector, an earlier one may be what survives', async () => {
    const disk = new SimDisk();
    const file = await fileOn(disk, 'a');
    await file.write([sector('1')], 0);
    await file.write([sector('2')], 0);
    const [first] = disk.unsynced();
    assert.equal(
      after(disk, (unit) => unit.id === first?.id),
      '1',
    );
  });

  test('bytes beyond a lost size are lost; a kept size shows zeros where sectors were lost', async () => {
    const disk = new SimDisk();
    const file = await fileOn(disk, 'a');
    await file.write([sector('b'), sector('c')], 512);
    assert.equal(
      after(disk, (unit) => unit.kind === 'sector'),
      'a',
    );
    assert.equal(
      after(disk, (unit) => unit.kind === 'size'),
      'a..',
    );
    assert.equal(
      after(disk, (unit) => unit.kind !== 'sector' || unit.sector === 2),
      'a.c',
    );
  });

  test('names need a sync of their directory; a rename survives whole or not at all', async () => {
    const disk = new SimDisk();
    const file = await disk.open('new', 'create');
    await file.write([sector('x')], 0);
    await file.sync();
    assert.deepEqual(disk.crash(() => false).files(), []);
    await disk.syncDir('');
    await disk.rename('new', 'f');
    assert.deepEqual(disk.crash(() => false).files(), ['new']);
    assert.deepEqual(disk.crash(() => true).files(), ['f']);
    assert.equal(
      after(disk, () => true),
      'x',
    );
    await disk.remove('f');
    assert.deepEqual(disk.crash((unit) => unit.kind === 'name' && unit.path === 'f').files(), []);
  });

  test('what a failed sync could not write is not written by the next one', async () => {
    const disk = new SimDisk();
    const file = await fileOn(disk, 'a');
    await file.write([sector('b')], 0);
    disk.inject({ operation: 'sync', code: 'EIO', once: true });
    await assert.rejects(file.sync());
    await file.sync();
    const into = Buffer.alloc(1);
    await file.read(into, 0);
    assert.equal(into.toString(), 'b', 'the page cache still shows it');
    assert.equal(
      after(disk, () => true),
      'a',
    );
  });

  test('space runs out with ENOSPC; faults hit the chosen operation', async () => {
    const disk = new SimDisk({ totalBytes: 1024 });
    const file = await fileOn(disk, 'ab');
    await assert.rejects(file.write([sector('c')], 1024), { code: 'ENOSPC' });
    await file.write([sector('C')], 512);
    disk.inject({ operation: 'read', code: 'EIO', skip: 1 });
    await file.read(Buffer.alloc(1), 0);
    await assert.rejects(file.read(Buffer.alloc(1), 0), { code: 'EIO' });
  });
});

describe('simulated kv', () => {
  test('a crash keeps synced batches and any subset of the others', async () => {
    const kv = new SimKv();
    const put = (key: string, value: string, sync: boolean): Promise<void> =>
      kv.batch([{ key: Buffer.from(key), value: Buffer.from(value) }], { sync });
    await put('a', '1', true);
    await put('a', '2', false);
    await put('b', '1', false);
    await put('c', '1', true);
    const shown = (survives: (id: number) => boolean): string =>
      kv
        .crash(survives)
        .entries()
        .map((entry) => entry.map(String).join(''))
        .join(' ');
    const [first, second] = kv.unsynced();
    assert.equal(
      shown(() => false),
      'a1 c1',
    );
    assert.equal(
      shown((id) => id === first),
      'a2 c1',
    );
    assert.equal(
      shown((id) => id === second),
      'a1 b1 c1',
    );
  });
});
