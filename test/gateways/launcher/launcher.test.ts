import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCoreError } from '../../../core/base/errors.ts';
import type { CoreOperator } from '../../../gateways/admin/operator.ts';
import { type StartConfig, startSchema } from '../../../gateways/config.ts';
import { openDataDirectory } from '../../../gateways/launcher/data-directory.ts';
import { Launcher, type LauncherParts, type Ready } from '../../../gateways/launcher/launcher.ts';
import { temporaryDirectory } from '../../tools/temporary.ts';

// Real child processes with stand-in roles (fake-roles.ts): what is tested is the launcher.

const silent = { emit: () => undefined };

const operator: CoreOperator = {
  status: () => Promise.resolve({ parts: [], chains: [], notes: [] }),
  fsck: () =>
    Promise.resolve({
      clean: true,
      counts: {},
      found: { error: 0, garbage: 0, note: 0 },
      findings: [],
    }),
  identities: {
    byAccessKey: () => Promise.resolve(undefined),
    add: () => Promise.reject(new Error('not here')),
    list: () => Promise.resolve([]),
    remove: () => Promise.resolve(),
  },
  close: () => Promise.resolve(),
};

const parts: LauncherParts = {
  mainFile: new URL('fake-roles.js', import.meta.url).pathname,
  log: silent,
  connectOperator: () => operator,
};

function configOf(data: string, more: Partial<StartConfig> = {}): StartConfig {
  return { ...startSchema.parse({ data, s3Port: '0', adminPort: '0' }), ...more };
}

async function launch(
  context: TestContext,
  data: string,
  more?: Partial<StartConfig>,
): Promise<Ready & { launcher: Launcher }> {
  const launcher = new Launcher(configOf(data, more), parts);
  context.after(() => launcher.stop());
  return { launcher, ...(await launcher.start()) };
}

/** Over a connection of its own. */
function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}

function refusedWith(pattern: RegExp, code?: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isCoreError(error), String(error));
    assert.match(error.message, pattern);
    if (code !== undefined) assert.equal(error.errorName, code);
    return true;
  };
}

describe('launcher', () => {
  test('starts the roles, says where the doors are, and drains', async (context) => {
    const data = join(temporaryDirectory(context), 'data');
    const { launcher, endpoints, credentials } = await launch(context, data);
    assert.match(await get(endpoints.s3), /^\d+$/);
    assert.deepEqual(JSON.parse(readFileSync(join(data, 'endpoints.json'), 'utf8')), endpoints);
    assert.equal(credentials.source, 'generated');
    assert.equal(statSync(join(data, 'credentials.json')).mode & 0o777, 0o600);
    assert.equal(statSync(join(data, 'run/operator.json')).mode & 0o777, 0o600);
    const { processes } = await launcher.status();
    assert.deepEqual(
      processes.map(({ role, state }) => `${role} ${state}`),
      [
        'launcher SERVING',
        'core SERVING',
        'manager SERVING',
        'meta SERVING',
        'store SERVING',
        'object SERVING',
      ],
    );
    await launcher.stop();
    assert.equal(existsSync(join(data, 'endpoints.json')), false);
    assert.equal(existsSync(join(data, 'run')), false);
    await assert.rejects(get(endpoints.s3), { code: 'ECONNREFUSED' });
    const again = await launch(context, data);
    assert.deepEqual(again.credentials, { ...credentials, source: 'file' });
  });

  test('a crashed door is restarted and its port is never refused', async (context) => {
    const { launcher, endpoints } = await launch(context, temporaryDirectory(context));
    const first = await get(endpoints.s3);
    await assert.rejects(get(`${endpoints.s3}/die`));
    // Sent while the door is down: waits in the kernel's queue.
    const second = await get(endpoints.s3);
    assert.notEqual(second, first);
    const door = (await launcher.status()).processes.find(({ role }) => role === 'object');
    assert.equal(door?.restarts, 1);
    assert.equal(door?.reason, 'signal SIGKILL');
  });

  test('a role that gets SIGTERM by itself is drained and comes back', async (context) => {
    const { launcher, endpoints } = await launch(context, temporaryDirectory(context));
    const slow = get(`${endpoints.s3}/slow`);
    await delay(100);
    const { processes } = await launcher.status();
    const pid = processes.find(({ role }) => role === 'object')?.pid as number;
    process.kill(pid, 'SIGTERM');
    assert.equal(await slow, String(pid), 'the request in flight was finished');
    assert.notEqual(await get(endpoints.s3), String(pid));
    const door = (await launcher.status()).processes.find(({ role }) => role === 'object');
    assert.equal(door?.reason, null, 'draining is no crash');
  });

  test('stop finishes requests in flight and refuses new ones', async (context) => {
    const { launcher, endpoints } = await launch(context, temporaryDirectory(context));
    const slow = get(`${endpoints.s3}/slow`);
    await delay(100);
    const stopped = launcher.stop();
    await delay(100);
    await assert.rejects(get(endpoints.s3), { code: 'ECONNREFUSED' });
    assert.match(await slow, /^\d+$/);
    await stopped;
  });

  test('a role that refuses to start ends the start with its reason', async (context) => {
    const data = temporaryDirectory(context);
    await (await openDataDirectory(data)).close();
    writeFileSync(join(data, 'refuse'), '');
    const launcher = new Launcher(configOf(data), parts);
    await assert.rejects(launcher.start(), refusedWith(/journal is damaged: restore it/));
  });

  test('a role that crashes again and again is shown as a loop and retried', async (context) => {
    const data = temporaryDirectory(context);
    const { launcher } = await launch(context, data);
    const core = async (): Promise<{ state: string; pid: number | null }> => {
      const found = (await launcher.status()).processes.find(({ role }) => role === 'core');
      return { state: found?.state ?? '', pid: found?.pid ?? null };
    };
    writeFileSync(join(data, 'die'), '');
    process.kill((await core()).pid as number, 'SIGKILL');
    const until = performance.now() + 20_000;
    // oxlint-disable-next-line no-await-in-loop -- polling
    while ((await core()).state !== 'CRASH_LOOP' && performance.now() < until) await delay(20);
    assert.equal((await core()).state, 'CRASH_LOOP');
  });

  test('a port in use is refused with the flag', async (context) => {
    const other = createServer().listen(0, '127.0.0.1');
    context.after(() => other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const data = join(temporaryDirectory(context), 'data');
    for (const [key, flag] of [
      ['s3Port', '--s3-port'],
      ['adminPort', '--admin-port'],
    ] as const)
      // oxlint-disable-next-line no-await-in-loop -- one after another on one directory
      await assert.rejects(
        new Launcher(configOf(data, { [key]: port }), parts).start(),
        refusedWith(new RegExp(`^${flag}: cannot listen on 127.0.0.1:${port}.*in use`)),
      );
  });

  test('a stop while starting ends the start', async (context) => {
    const launcher = new Launcher(configOf(temporaryDirectory(context)), parts);
    const started = launcher.start();
    started.catch(() => undefined);
    await delay(30);
    await launcher.stop();
    await assert.rejects(started, refusedWith(/stopped while starting/, 'CANCELLED'));
  });
});
