import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCoreError } from '../../../../core/base/errors.ts';
import { openLevelKv } from '../../../../core/env/node/kv.ts';

const refused = (pattern: RegExp) => (error: unknown) =>
  isCoreError(error, 'DISK_REFUSED') && pattern.test(error.message);

async function inDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'lampyr-level-'));
  try {
    await run(join(root, 'index'));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const holder = `
  const { openLevelKv } = await import(process.argv[1]);
  await openLevelKv(process.argv[2]);
  process.stdout.write('open');
  process.stdin.resume();
`;

describe('level as a Kv', () => {
  test('a store that another process holds is refused, and free when that one is gone', () =>
    inDirectory(async (path) => {
      const module = new URL('../../../../core/env/node/kv.js', import.meta.url).href;
      const args = ['--input-type=module', '-e', holder, module, path];
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      try {
        await once(child.stdout, 'data');
        await assert.rejects(openLevelKv(path), refused(/already in use by another process/));
      } finally {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await (await openLevelKv(path)).close();
    }));

  test('a second open in this process is refused without losing the lock', () =>
    inDirectory(async (path) => {
      const kv = await openLevelKv(path);
      await assert.rejects(openLevelKv(path), refused(/already in use by this process/));
      await kv.batch([{ key: Buffer.from('k'), value: Buffer.from('v') }], { sync: true });
      await kv.close();
      const again = await openLevelKv(path);
      assert.equal(String(await again.get(Buffer.from('k'))), 'v');
      await again.close();
    }));

  test('a damaged store is refused with the reason', () =>
    inDirectory(async (path) => {
      await (await openLevelKv(path)).close();
      for (const name of await readdir(path)) {
        // oxlint-disable-next-line no-await-in-loop -- few files
        if (name.startsWith('MANIFEST')) await writeFile(join(path, name), 'not a manifest');
      }
      await assert.rejects(openLevelKv(path), refused(/is damaged|cannot be opened/));
    }));
});
