import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, describe, test } from 'node:test';
import { isCoreError } from '../../../../core/base/errors.ts';
import { lockDirectory } from '../../../../core/env/node/lock.ts';
import { temporaryDirectory } from '../../../tools/temporary.ts';

const holder = new URL('lock-holder.js', import.meta.url).pathname;

/** A process that holds the lock; resolves when it does. */
async function hold(context: TestContext, directory: string): Promise<ChildProcess> {
  const child = fork(holder, [directory]);
  context.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.once('message', resolve));
  return child;
}

const isBusy = (error: unknown): boolean => isCoreError(error, 'BUSY');

describe('directory lock', () => {
  test('refuses a second process, and lets it in when the holder is killed', async (context) => {
    const directory = join(temporaryDirectory(context), 'lock');
    const child = await hold(context, directory);
    await assert.rejects(lockDirectory(directory), isBusy);
    let waited = 0;
    const lock = lockDirectory(directory, {
      waitMs: 10_000,
      onWait: () => {
        waited += 1;
        child.kill('SIGKILL');
      },
    });
    await (await lock).release();
    assert.equal(waited, 1);
  });

  test('stays held after a refused second attempt of the same process', async (context) => {
    const directory = temporaryDirectory(context);
    const lock = await lockDirectory(directory);
    await assert.rejects(lockDirectory(directory), isBusy);
    const child = fork(holder, [directory]);
    const answer = await new Promise((resolve) => child.once('message', resolve));
    assert.equal(answer, 'BUSY', 'another process still finds it held');
    await lock.release();
    await (await lockDirectory(directory)).release();
  });

  test('damage to its own files, as a power loss leaves it, does not matter', async (context) => {
    const directory = temporaryDirectory(context);
    await (await lockDirectory(directory)).release();
    for (const name of readdirSync(directory)) {
      writeFileSync(join(directory, name), '');
      // oxlint-disable-next-line no-await-in-loop -- one kind of damage after another
      await (await lockDirectory(directory)).release();
    }
  });

  test('a place that cannot be locked is refused with the reason', async (context) => {
    const file = join(temporaryDirectory(context), 'file');
    writeFileSync(file, '');
    await assert.rejects(lockDirectory(file), (error) => isCoreError(error, 'DISK_REFUSED'));
  });
});
