// What every Disk promises (core/env/disk.ts), run on the real file system and on the simulated disk.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Disk } from '../../core/env/disk.ts';

export interface DiskFixture {
  readonly disk: Disk;
  remove(): Promise<void>;
}

const text = (value: string): Buffer => Buffer.from(value);

const refuses = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

export function diskContract(implementation: string, make: () => Promise<DiskFixture>): void {
  const withDisk = async (run: (disk: Disk) => Promise<void>): Promise<void> => {
    const fixture = await make();
    try {
      await run(fixture.disk);
    } finally {
      await fixture.remove();
    }
  };
  describe(`disk contract: ${implementation}`, () => {
    test('parts are written one after another and read back at any position', () =>
      withDisk(async (disk) => {
        await disk.makeDirectory('a/b');
        const file = await disk.open('a/b/file', 'create');
        await file.write([text('hello '), text(''), text('world')], 3);
        assert.equal(await file.size(), 14);
        const into = Buffer.alloc(20, 0x7e);
        assert.equal(await file.read(into, 0), 14);
        assert.equal(into.toString(), '\0\0\0hello world~~~~~~');
        assert.equal(await file.read(Buffer.alloc(4), 14), 0);
        await file.write([text('W')], 9);
        await file.sync();
        await file.close();
        const again = await disk.open('a/b/file', 'read');
        const part = Buffer.alloc(5);
        assert.equal(await again.read(part, 9), 5);
        assert.equal(part.toString(), 'World');
        await again.close();
      }));

    test('what is read in the calling turn, where it is, is what `read` reads', () =>
      withDisk(async (disk) => {
        const file = await disk.open('file', 'create');
        await file.write([text('hello world')], 3);
        const into = Buffer.alloc(20, 0x7e);
        // The first read of a disk may always be made.
        const bytes = file.readNow?.(into, 5) ?? (await file.read(into, 5));
        assert.equal(bytes, 9);
        assert.equal(into.toString('utf8', 0, 10), 'llo world~');
        await file.close();
        // Or it is left out: lossy files.
        assert.throws(() => assert.equal(file.readNow?.(into, 0), 0), /close|undefined/);
      }));

    test('a closed file refuses use: its descriptor may be another file by now', () =>
      withDisk(async (disk) => {
        const closed = await disk.open('closed', 'create');
        await closed.close();
        const other = await disk.open('other', 'create');
        await assert.rejects(closed.write([text('lost')], 0), /close/);
        await assert.rejects(closed.read(Buffer.alloc(1), 0), /close/);
        await assert.rejects(closed.sync(), /close/);
        await assert.rejects(closed.close(), /close/);
        assert.equal(await other.size(), 0);
        await other.close();
      }));

    test('more parts than one system call takes', () =>
      withDisk(async (disk) => {
        const file = await disk.open('many', 'create');
        const parts = Array.from({ length: 3000 }, (_, index) => text(`${index},`));
        await file.write(parts, 0);
        const whole = Buffer.concat(parts);
        const into = Buffer.alloc(whole.length);
        assert.equal(await file.read(into, 0), whole.length);
        assert.ok(into.equals(whole));
        await file.close();
      }));

    test('open modes', () =>
      withDisk(async (disk) => {
        await assert.rejects(disk.open('x', 'read'), refuses('ENOENT'));
        await assert.rejects(disk.open('x', 'write'), refuses('ENOENT'));
        await assert.rejects(disk.open('no/such/x', 'create'), refuses('ENOENT'));
        await (await disk.open('x', 'create')).close();
        await assert.rejects(disk.open('x', 'create'), refuses('EEXIST'));
        const file = await disk.open('x', 'write');
        await file.write([text('1')], 0);
        await file.close();
      }));

    test('truncate cuts and extends with zeros', () =>
      withDisk(async (disk) => {
        const file = await disk.open('t', 'create');
        await file.write([text('abcdef')], 0);
        await file.truncate(2);
        await file.truncate(4);
        const into = Buffer.alloc(8, 0x7e);
        assert.equal(await file.read(into, 0), 4);
        assert.equal(into.toString(), 'ab\0\0~~~~');
        await file.close();
      }));

    test('names: list is sorted, rename replaces, remove removes', () =>
      withDisk(async (disk) => {
        assert.deepEqual(await disk.list('none'), []);
        await disk.makeDirectory('d/inner');
        await disk.makeDirectory('d/inner');
        for (const name of ['d/b', 'd/a', 'd/inner/z']) {
          // oxlint-disable-next-line no-await-in-loop -- in order
          await (await disk.open(name, 'create')).close();
        }
        assert.deepEqual(await disk.list('d'), ['a', 'b', 'inner']);
        await disk.rename('d/b', 'd/a');
        assert.deepEqual(await disk.list('d'), ['a', 'inner']);
        await disk.remove('d/a');
        await disk.syncDir('d');
        await assert.rejects(disk.remove('d/a'), refuses('ENOENT'));
        await assert.rejects(disk.rename('d/a', 'd/c'), refuses('ENOENT'));
        await assert.rejects(disk.syncDir('nowhere'), refuses('ENOENT'));
        assert.deepEqual(await disk.list('d'), ['inner']);
      }));

    test('a removed file stays readable through an open descriptor', () =>
      withDisk(async (disk) => {
        const file = await disk.open('gone', 'create');
        await file.write([text('still here')], 0);
        await disk.remove('gone');
        await file.write([text('S')], 0);
        await file.sync();
        const into = Buffer.alloc(10);
        assert.equal(await file.read(into, 0), 10);
        assert.equal(into.toString(), 'Still here');
        await file.close();
        assert.deepEqual(await disk.list(''), []);
      }));

    test('space is stated in bytes', () =>
      withDisk(async (disk) => {
        const { totalBytes, freeBytes } = await disk.space();
        assert.ok(totalBytes > 0 && freeBytes >= 0 && freeBytes <= totalBytes);
      }));
  });
}
