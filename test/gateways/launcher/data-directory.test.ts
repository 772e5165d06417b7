import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type ErrorName, isCoreError } from '../../../core/base/errors.ts';
import { openCredentials } from '../../../gateways/launcher/credentials.ts';
import { openDataDirectory, systemFormat } from '../../../gateways/launcher/data-directory.ts';
import { asRefusal } from '../../../gateways/launcher/files.ts';
import { coreAddress } from '../../../gateways/launcher/paths.ts';
import { temporaryDirectory } from '../../tools/temporary.ts';

function inRun(path: string, name: string, text: string): void {
  mkdirSync(join(path, 'run'));
  writeFileSync(join(path, 'run', name), text);
}

const formatOf = (path: string): unknown =>
  (JSON.parse(readFileSync(join(path, 'lampyr.json'), 'utf8')) as { format: unknown }).format;

function refusedWith(code: ErrorName, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isCoreError(error, code), String(error));
    assert.match(error.message, pattern);
    return true;
  };
}

describe('data directory', () => {
  test('is made at the first start and found again with its cluster id', async (context) => {
    const path = join(temporaryDirectory(context), 'a', 'b');
    const first = await openDataDirectory(path);
    assert.match(first.clusterId, /^[0-9a-f]{32}$/);
    await first.close();
    const second = await openDataDirectory(path);
    assert.equal(second.clusterId, first.clusterId);
    assert.equal(second.afterCrash, false);
    await second.close();
  });

  test('knows that the former run did not end by draining', async (context) => {
    const path = temporaryDirectory(context);
    await (await openDataDirectory(path)).close();
    mkdirSync(join(path, 'run'));
    writeFileSync(join(path, 'run', 'launcher.json'), '{"pid":1}');
    const opened = await openDataDirectory(path);
    assert.equal(opened.afterCrash, true);
    await opened.close();
  });

  test('in use: refused with the holder, which is not disturbed', async (context) => {
    const path = temporaryDirectory(context);
    const holder = await openDataDirectory(path);
    const wanted = new RegExp(`in use by lampyr, process ${process.pid}; stop it with: kill`);
    await assert.rejects(openDataDirectory(path), refusedWith('BUSY', wanted));
    assert.ok(existsSync(join(path, 'run', 'launcher.json')));
    await holder.close();
  });

  test('foreign: refused, and nothing is left in it', async (context) => {
    const path = temporaryDirectory(context);
    writeFileSync(join(path, 'thesis.tex'), '');
    const wanted = refusedWith('DISK_REFUSED', /thesis\.tex.*choose an empty directory/);
    await assert.rejects(openDataDirectory(path), wanted);
    assert.equal(existsSync(join(path, 'lock')), false);
  });

  test('what a first start left that was killed early is no foreign file', async (context) => {
    const path = temporaryDirectory(context);
    mkdirSync(join(path, 'lock', 'launcher'), { recursive: true });
    writeFileSync(join(path, 'lampyr.json.tmp'), '{"form');
    await (await openDataDirectory(path)).close();
  });

  test('newer, damaged or unusable: refused with the file and what to do', async (context) => {
    const path = temporaryDirectory(context);
    await (await openDataDirectory(path)).close();
    const file = join(path, 'lampyr.json');
    const good = readFileSync(file, 'utf8');
    for (const [text, code, pattern] of [
      ['{"format":99,"clusterId":"x"}', 'VERSION_UNSUPPORTED', /format 99.*newer lampyr/],
      [good.slice(0, 10), 'DISK_REFUSED', /lampyr\.json is damaged.*restore it/],
      ['', 'DISK_REFUSED', /lampyr\.json is damaged/],
      ['null', 'DISK_REFUSED', /lampyr\.json is damaged/],
      ['{"format":1,"clusterId":"../.."}', 'DISK_REFUSED', /lampyr\.json is damaged/],
    ] as const) {
      writeFileSync(file, text);
      // oxlint-disable-next-line no-await-in-loop -- one directory, one damage after another
      await assert.rejects(openDataDirectory(path), refusedWith(code, pattern));
    }
    await assert.rejects(openDataDirectory(file), refusedWith('DISK_REFUSED', /cannot make/));
  });

  test('a directory of an older format is taken over, and closed to older builds', async (context) => {
    const path = temporaryDirectory(context);
    const clusterId = 'ab'.repeat(16);
    writeFileSync(join(path, 'lampyr.json'), JSON.stringify({ format: 1, clusterId }));
    const opened = await openDataDirectory(path);
    assert.equal(opened.clusterId, clusterId);
    await opened.close();
    assert.equal(formatOf(path), systemFormat);
    assert.ok(systemFormat > 1);
  });

  test('whatever moment of its first start a launcher was killed at, the next one goes on', async (context) => {
    const states: readonly ((path: string) => void)[] = [
      (path) => mkdirSync(join(path, 'lock')),
      (path) => mkdirSync(join(path, 'lock', 'launcher'), { recursive: true }),
      (path) => writeFileSync(join(path, 'lampyr.json.tmp'), ''),
      (path) => writeFileSync(join(path, 'lampyr.json.tmp'), '{"format": 2, "clus'),
      (path) => mkdirSync(join(path, 'run')),
      (path) => inRun(path, 'launcher.json.tmp', '{"pi'),
      (path) => inRun(path, 'launcher.json', '{"pid":1}'),
    ];
    const path = temporaryDirectory(context);
    for (const make of states) {
      make(path);
      // oxlint-disable-next-line no-await-in-loop -- one start after another
      await (await openDataDirectory(path)).close();
      rmSync(join(path, 'lampyr.json'));
    }
    const made = await openDataDirectory(path);
    writeFileSync(join(path, 'credentials.json.tmp'), '{"acc');
    assert.equal(openCredentials(path, undefined).source, 'generated');
    await made.close();
  });

  test('without lampyr.json, but with data: refused, and nothing is made', async (context) => {
    const path = temporaryDirectory(context);
    await (await openDataDirectory(path)).close();
    for (const name of ['meta', 'stores', 'credentials.json']) {
      rmSync(join(path, 'lampyr.json'), { force: true });
      mkdirSync(join(path, name));
      const wanted = refusedWith(
        'DISK_REFUSED',
        new RegExp(`${name}.*restore lampyr\\.json if this was`),
      );
      // oxlint-disable-next-line no-await-in-loop
      await assert.rejects(openDataDirectory(path), wanted);
      assert.equal(existsSync(join(path, 'lampyr.json')), false);
      rmSync(join(path, name), { recursive: true });
    }
  });

  test('files that the system does not let us use: refused with the path and what to do', async (context) => {
    const path = temporaryDirectory(context);
    mkdirSync(join(path, 'lampyr.json'));
    const wanted = /EISDIR.*must belong to the user who runs lampyr/;
    await assert.rejects(openDataDirectory(path), refusedWith('DISK_REFUSED', wanted));
    mkdirSync(join(path, 'credentials.json'));
    assert.throws(() => openCredentials(path, undefined), refusedWith('DISK_REFUSED', wanted));
    const denied = Object.assign(new Error("EACCES: permission denied, open '/x'"), {
      code: 'EACCES',
    });
    assert.ok(refusedWith('DISK_REFUSED', /EACCES.*'\/x'; the data directory/)(asRefusal(denied)));
    const other = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    assert.equal(asRefusal(other), other);
  });

  test('a long path has its socket elsewhere, in a directory that is ours alone', async (context) => {
    const path = join(temporaryDirectory(context), 'x'.repeat(120));
    const address = coreAddress(path);
    assert.ok(address.kind === 'unix' && Buffer.byteLength(address.path) <= 107);
    const opened = await openDataDirectory(path);
    assert.ok(existsSync(join(address.path, '..')));
    await opened.close();
    assert.equal(existsSync(join(address.path, '..')), false);
  });
});
