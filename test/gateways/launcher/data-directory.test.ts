import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type ErrorName, isCoreError } from '../../../core/base/errors.ts';
import { openDataDirectory } from '../../../gateways/launcher/data-directory.ts';
import { coreAddress } from '../../../gateways/launcher/paths.ts';
import { temporaryDirectory } from '../../tools/temporary.ts';

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
