import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCoreError } from '../../../../core/base/errors.ts';
import type { Disk } from '../../../../core/env/disk.ts';
import type { KvMutation } from '../../../../core/env/kv.ts';
import { nodeDisk } from '../../../../core/env/node/disk.ts';
import { openLevelKv } from '../../../../core/env/node/kv.ts';
import { lossyCalls } from '../../../../core/env/node/lossy/calls.ts';
import { LossyFiles } from '../../../../core/env/node/lossy/files.ts';
import { LossyKv } from '../../../../core/env/node/lossy/kv.ts';
import { openLossyStorage } from '../../../../core/env/node/lossy/storage.ts';
import {
  makeDirectories,
  readFileIfAny,
  writeFileAtomic,
} from '../../../../gateways/launcher/files.ts';
import { temporaryDirectory } from '../../../tools/temporary.ts';

const text = (value: string): Buffer => Buffer.from(value);

async function put(disk: Disk, path: string, content: string): Promise<void> {
  const file = await disk.open(path, 'create').catch(() => disk.open(path, 'write'));
  await file.write([text(content)], 0);
  await file.close();
}

async function sync(disk: Disk, path: string): Promise<void> {
  const file = await disk.open(path, 'write');
  await file.sync();
  await file.close();
}

async function contentOf(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, 'read');
  const bytes = Buffer.alloc(await file.size());
  await file.read(bytes, 0);
  await file.close();
  return bytes.toString();
}

describe('lossy files', () => {
  test('the first kill keeps the page cache, the second takes what is still unsynced', async (t) => {
    const root = temporaryDirectory(t);
    let files: LossyFiles | undefined;
    const start = (): Disk => {
      files?.kill();
      files = new LossyFiles(join(root, 'side'), 'lossy-twice');
      return nodeDisk(join(root, 'disk'), lossyCalls(files));
    };
    let disk = start();
    await disk.makeDirectory('d');
    await put(disk, 'd/base', 'synced');
    await sync(disk, 'd/base');
    await disk.syncDir('d');
    await put(disk, 'd/base', 'SYN');
    await put(disk, 'd/a', 'one');
    await put(disk, 'd/b', 'two');
    await put(disk, 'd/c', 'three');
    await disk.rename('d/c', 'd/d');
    disk = start();
    assert.deepEqual(await disk.list('d'), ['a', 'b', 'base', 'd'], 'the process died alone');
    assert.equal(await contentOf(disk, 'd/base'), 'SYNced');
    assert.equal(await contentOf(disk, 'd/d'), 'three');
    await sync(disk, 'd/a');
    await disk.remove('d/b');
    await disk.syncDir('d');
    disk = start();
    assert.deepEqual(await disk.list('d'), ['a', 'base', 'd'], 'names were synced');
    assert.equal(await contentOf(disk, 'd/base'), 'synced');
    assert.equal(await contentOf(disk, 'd/a'), 'one');
    assert.equal(await contentOf(disk, 'd/d'), '', 'its content was not');
    files?.kill();
  });

  test('a directory whose name was not synced is lost with all that lies in it', async (t) => {
    const root = temporaryDirectory(t);
    const files = new LossyFiles(join(root, 'side'), 'lossy');
    files.mkdirSync(join(root, 'stores', '0'), { recursive: true, mode: 0o700 });
    const disk = nodeDisk(join(root, 'stores', '0'), lossyCalls(files));
    await put(disk, 'f', 'x');
    await sync(disk, 'f');
    await disk.syncDir('');
    files.kill();
    const after = new LossyFiles(join(root, 'side'), 'lossy');
    assert.deepEqual(after.readdirSync(root), ['side']);
    after.kill();
  });

  test('an orderly end writes everything back', async (t) => {
    const root = temporaryDirectory(t);
    const files = new LossyFiles(join(root, 'side'), 'lossy-twice');
    const disk = nodeDisk(join(root, 'disk'), lossyCalls(files));
    await disk.makeDirectory('');
    await put(disk, 'f', 'kept');
    await put(disk, 'g', 'kept');
    await disk.remove('g');
    files.writeBack();
    files.kill();
    const real = nodeDisk(join(root, 'disk'));
    assert.deepEqual(await real.list(''), ['f']);
    assert.equal(await contentOf(real, 'f'), 'kept');
  });

  test('directories that makeDirectories made stay, those that were there too', (t) => {
    const root = temporaryDirectory(t);
    let files = new LossyFiles(join(root, 'side'), 'lossy');
    for (const path of ['a/b/c', 'a/b/c', 'a/d']) {
      makeDirectories(join(root, path), 0o700, files);
      files.kill();
      files = new LossyFiles(join(root, 'side'), 'lossy');
      assert.ok(existsSync(join(root, path)), path);
    }
    files.kill();
  });

  test('a small file is the old one or the new one, and the new one when the call returns', (t) => {
    const root = temporaryDirectory(t);
    const path = join(root, 'small.json');
    let files = new LossyFiles(join(root, 'side'), 'lossy');
    for (const content of ['one', 'two']) {
      writeFileAtomic(path, content, 0o600, files);
      files.kill();
      files = new LossyFiles(join(root, 'side'), 'lossy');
      assert.equal(readFileIfAny(path, files), content);
    }
    files.kill();
  });
});

const one = (key: string, value: string | undefined): KvMutation[] => [
  { key: text(key), value: value === undefined ? undefined : text(value) },
];
const shown = async (kv: LossyKv): Promise<string> => {
  const entries = await kv.range({ from: text(''), to: text('~'), limit: 100 });
  return entries.map((entry) => entry.map((part) => Buffer.from(part).toString()).join('')).join();
};

async function opened(root: string, survives: boolean): Promise<LossyKv> {
  const cacheFile = join(root, 'kv-cache');
  return new LossyKv(await openLevelKv(join(root, 'kv')), { cacheFile, survives });
}

describe('lossy kv', () => {
  for (const survives of [false, true])
    test(`unsynced batches ${survives ? 'survive one kill' : 'are lost'}`, async (t) => {
      const root = temporaryDirectory(t);
      let kv = await opened(root, survives);
      await kv.batch(one('a', '1'), { sync: true });
      await kv.batch(one('a', '2'), { sync: false });
      await kv.batch(one('b', '1'), { sync: false });
      await kv.batch(one('c', '1'), { sync: false });
      await kv.batch(one('c', '2'), { sync: true });
      await kv.batch(one('d', '1'), { sync: true });
      await kv.batch(one('d', undefined), { sync: false });
      assert.equal(await shown(kv), 'a2,b1,c2');
      await kv.kill();
      kv = await opened(root, false);
      assert.equal(await shown(kv), survives ? 'a2,b1,c2' : 'a1,c2,d1');
      await kv.kill();
      kv = await opened(root, false);
      assert.equal(await shown(kv), 'a1,c2,d1');
      await kv.batch(one('e', '1'), { sync: false });
      await kv.close();
      kv = await opened(root, false);
      assert.equal(await shown(kv), 'a1,c2,d1,e1', 'an orderly end loses nothing');
      await kv.close();
    });
});

describe('lossy storage', () => {
  test('is refused where nobody made it possible by hand', (t) => {
    const root = temporaryDirectory(t);
    assert.throws(
      () => openLossyStorage(root, 'lossy'),
      (error) => isCoreError(error, 'DISK_REFUSED') && /was not made for one/.test(error.message),
    );
  });

  test('kill -9 loses what was not synced, the end of a process does not', (t) => {
    const program = `
      const [, storage, root, end] = process.argv;
      const { openLossyStorage } = await import(storage);
      const disk = openLossyStorage(root, 'lossy').disk(root + '/disk');
      await disk.makeDirectory('');
      const file = await disk.open(end, 'create');
      await file.write([Buffer.from('synced')], 0);
      await file.sync();
      await disk.syncDir('');
      await file.write([Buffer.from('UN')], 0);
      if (end === 'kill') process.kill(process.pid, 'SIGKILL');
      process.exit(0);`;
    const root = temporaryDirectory(t);
    mkdirSync(join(root, 'lossy'));
    const storage = new URL('../../../../core/env/node/lossy/storage.js', import.meta.url).href;
    const contents = ['kill', 'exit'].map((end) => {
      const command = ['--input-type=module', '-e', program, storage, root, end];
      spawnSync(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] });
      return readFileIfAny(join(root, 'disk', end));
    });
    assert.deepEqual(contents, ['synced', 'UNnced']);
  });
});
