import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { SystemStatus } from '../../gateways/launcher/status.ts';
import { signRequest } from '../../protocols/s3/sign-request.ts';
import { type Lampyr, startLampyr } from '../tools/lampyr.ts';
import { type Scope, temporaryDirectory } from '../tools/temporary.ts';
import { type Running, run, start } from './command.ts';

// Real processes, real sockets, a real client: how the system starts, survives and stops.

const anyPorts = ['--s3-port', '0', '--admin-port', '0'];

interface Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

function client(endpoint: string, { accessKey, secretKey }: Keys): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
}

async function put(s3: S3Client, Key: string, Body: string): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body }));
}

async function get(s3: S3Client, Key: string): Promise<string> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key }));
  return (await Body?.transformToString()) ?? '';
}

/** An object by virtual-host style; whether resolvers know the host is no matter here. */
function getOfHost({ endpoints, ...keys }: Lampyr, name: string, path: string): Promise<string> {
  const { port } = new URL(endpoints.s3);
  const host = `${name}:${port}`;
  const { headers } = signRequest(
    { method: 'GET', target: path, headers: { host } },
    { ...keys, region: 'us-east-1' },
    Date.now(),
  );
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, agent: false }, (answer) => {
      text(answer).then(resolve, reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** Creates the bucket with a plain request of the command that makes one. */
async function withBucket(lampyr: Lampyr): Promise<S3Client> {
  const { CreateBucketCommand } = await import('@aws-sdk/client-s3');
  const s3 = client(lampyr.endpoints.s3, lampyr);
  await s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  return s3;
}

async function statusOf(context: Scope, data: string): Promise<SystemStatus> {
  const { code, out, err } = await run(context, ['status', '--data', data, '--json']);
  assert.equal(code, 0, err);
  return JSON.parse(out) as SystemStatus;
}

function pidOf(status: SystemStatus, role: string): number {
  const found = status.processes.find((process) => process.role === role)?.pid;
  assert.ok(typeof found === 'number', `${role} has a process`);
  return found;
}

function credentialsIn(data: string): Keys {
  return JSON.parse(readFileSync(join(data, 'credentials.json'), 'utf8')) as Keys;
}

describe('processes', () => {
  test('--json prints exactly one line; SIGTERM drains and exits 0', async (context) => {
    const data = join(temporaryDirectory(context), 'data');
    const system = start(context, ['start', '--data', data, '--json', ...anyPorts]);
    await system.until('\n');
    const endpoints = JSON.parse(system.out()) as { s3: string; admin: string };
    assert.deepEqual(Object.keys(endpoints), ['s3', 'admin']);
    assert.deepEqual(JSON.parse(readFileSync(join(data, 'endpoints.json'), 'utf8')), endpoints);
    assert.equal(statSync(join(data, 'credentials.json')).mode & 0o777, 0o600);
    assert.deepEqual(Object.keys(credentialsIn(data)), ['accessKey', 'secretKey', 'checksum']);
    assert.equal((await fetch(`${endpoints.admin}/readyz`)).status, 200);
    const metrics = await (await fetch(`${endpoints.admin}/metrics`)).text();
    for (const role of ['launcher', 'core', 'object'])
      assert.match(metrics, new RegExp(`process_resident_memory_bytes\\{role="${role}"\\} \\d`));
    system.process.kill('SIGTERM');
    const { code, out, err } = await system.ended;
    assert.equal(code, 0, err);
    assert.equal(out.trimEnd().split('\n').length, 1);
    assert.ok(
      !`${out}${err}`.includes(credentialsIn(data).secretKey),
      'no secret, not in logs either',
    );
    assert.equal(existsSync(join(data, 'endpoints.json')), false);
  });

  test('SIGTERM to npm start drains and exits 0', async (context) => {
    const data = join(temporaryDirectory(context), 'data');
    const system = start(context, ['start', '-s', '--', '--json', '--data', data, ...anyPorts], {
      program: ['npm'],
      cwd: new URL('../../../', import.meta.url).pathname,
    });
    const { s3 } = JSON.parse(await system.until('\n')) as { s3: string };
    system.process.kill('SIGTERM');
    const { code, err } = await system.ended;
    assert.equal(code, 0, err);
    await assert.rejects(fetch(s3));
  });

  test('the secret is shown at the first start only', async (context) => {
    const data = join(temporaryDirectory(context), 'data');
    const outputs: string[] = [];
    for (const _ of [1, 2]) {
      const system = start(context, ['start', '--data', data, ...anyPorts]);
      // oxlint-disable-next-line no-await-in-loop -- one start after the other
      outputs.push(await system.until('\nready\n'));
      system.process.kill('SIGINT');
      // oxlint-disable-next-line no-await-in-loop
      assert.equal((await system.ended).code, 0);
    }
    const { secretKey } = credentialsIn(data);
    assert.deepEqual(
      outputs.map((out) => out.includes(secretKey)),
      [true, false],
    );
  });

  test('a killed door or core is restarted; nothing acknowledged is lost', async (context) => {
    const lampyr = await startLampyr();
    context.after(() => lampyr.killAll());
    const s3 = await withBucket(lampyr);
    await put(s3, 'before', 'kept');
    for (const role of ['object', 'core']) {
      // oxlint-disable-next-line no-await-in-loop -- one role after the other
      process.kill(pidOf(await statusOf(context, lampyr.dataDir), role), 'SIGKILL');
      // oxlint-disable-next-line no-await-in-loop -- the client's own retries bridge the restart
      assert.equal(await get(s3, 'before'), 'kept');
      // oxlint-disable-next-line no-await-in-loop
      await put(s3, `after-${role}`, role);
      // oxlint-disable-next-line no-await-in-loop
      assert.equal(await get(s3, `after-${role}`), role);
    }
    const { processes } = await statusOf(context, lampyr.dataDir);
    const restarts = processes.filter(({ role }) => role === 'core' || role === 'object');
    assert.deepEqual(
      restarts.map(({ role, state, restarts: count, reason }) => [role, state, count, reason]),
      [
        ['core', 'SERVING', 1, 'signal SIGKILL'],
        ['object', 'SERVING', 1, 'signal SIGKILL'],
      ],
    );
    assert.equal(await lampyr.stop(), 0);
  });

  test('after kill -9 of everything, or of the launcher alone, a start just works', async (context) => {
    const data = join(temporaryDirectory(context), 'data');
    const first = await startLampyr({ dataDir: data });
    const s3 = await withBucket(first);
    await put(s3, 'key', 'value');
    await first.killAll();

    const second = await startLampyr({ dataDir: data });
    assert.equal(await get(client(second.endpoints.s3, second), 'key'), 'value');
    assert.equal(await getOfHost(second, 'bucket.localhost', '/key'), 'value');
    const children = second.pids().slice(1);
    assert.equal(children.length, 2);
    process.kill(second.pids()[0] as number, 'SIGKILL');

    // At once, on the same ports, while the children of the former launcher still end.
    const port = new URL(second.endpoints.s3).port;
    const third = await startLampyr({ dataDir: data, arguments: ['--s3-port', port] });
    context.after(() => third.killAll());
    assert.equal(await get(client(third.endpoints.s3, third), 'key'), 'value');
    assert.equal(new URL(third.endpoints.s3).port, port);
    await Promise.all(children.map((pid) => gone(pid)));
    assert.equal(await third.stop(), 0);
  });

  test('SIGTERM to every process at once drains in order and exits 0', async (context) => {
    const data = join(temporaryDirectory(context), 'data');
    const system = start(context, ['start', '--data', data, '--json', ...anyPorts]);
    await system.until('\n');
    process.kill(-(system.process.pid as number), 'SIGTERM');
    assert.equal((await system.ended).code, 0);
  });

  test('a second start on the directory is refused with the holder', async (context) => {
    const lampyr = await startLampyr();
    context.after(() => lampyr.killAll());
    const args = ['start', '--data', lampyr.dataDir, ...anyPorts];
    const { code, out, err } = await run(context, args);
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.match(err, new RegExp(`in use by lampyr, process ${lampyr.pids()[0]}; stop it with`));
    assert.equal(await lampyr.stop(), 0, 'the first was not disturbed');
  });

  test('status names the roles, users come and go', async (context) => {
    const lampyr = await startLampyr();
    context.after(() => lampyr.killAll());
    const s3 = await withBucket(lampyr);
    await put(s3, 'key', 'value'.repeat(100_000));
    const { processes, chains } = await statusOf(context, lampyr.dataDir);
    assert.deepEqual(
      processes.map(({ role }) => role),
      ['launcher', 'core', 'manager', 'meta', 'store', 'object'],
    );
    assert.ok(processes.every(({ state }) => state === 'SERVING'));
    assert.equal(chains[0]?.targets[0]?.state, 'SERVING');

    const data = ['--data', lampyr.dataDir];
    const added = await run(context, ['user', 'add', 'ann', ...data, '--json']);
    assert.equal(added.code, 0, added.err);
    const ann = JSON.parse(added.out) as Keys & Record<string, string>;
    assert.deepEqual(Object.keys(ann), ['name', 'id', 'displayName', 'accessKey', 'secretKey']);
    await assert.rejects(get(client(lampyr.endpoints.s3, ann), 'key'), { name: 'AccessDenied' });
    const again = await run(context, ['user', 'add', 'ann', ...data]);
    assert.equal(again.code, 1);
    assert.match(again.err, /ann/);
    const listed = await run(context, ['user', 'list', ...data, '--json']);
    assert.match(listed.out, /"ann"/);
    assert.ok(!listed.out.includes(ann.secretKey));
    assert.equal((await run(context, ['user', 'remove', 'ann', ...data])).code, 0);
  });

  test('fsck is clean on a running and on a stopped system', async (context) => {
    const data = join(temporaryDirectory(context), 'data');
    const lampyr = await startLampyr({ dataDir: data });
    context.after(() => lampyr.killAll());
    const s3 = await withBucket(lampyr);
    await put(s3, 'small', 'value');
    await put(s3, 'large', 'value'.repeat(1_000_000));
    const running = await run(context, ['fsck', '--data', data]);
    assert.equal(running.code, 0, running.out + running.err);
    assert.match(running.out, /^clean: errors 0, .*\nlooked at .* [1-9]\d* chunks/m);
    assert.equal(await lampyr.stop(), 0);
    const stopped = await run(context, ['fsck', '--data', data, '--json']);
    assert.equal(stopped.code, 0, stopped.out + stopped.err);
    assert.equal((JSON.parse(stopped.out) as { clean: boolean }).clean, true);
    assert.match((await run(context, ['status', '--data', data])).err, /no system runs on/);
  });

  test('keys of the environment are the root for that run', async (context) => {
    const keys = { accessKey: 'environment-key', secretKey: 'environment-secret' };
    const data = join(temporaryDirectory(context), 'data');
    const environment = { LAMPYR_ACCESS_KEY: keys.accessKey, LAMPYR_SECRET_KEY: keys.secretKey };
    const system = start(context, ['start', '--data', data, '--json', ...anyPorts], {
      environment,
    });
    await system.until('\n');
    const { s3 } = JSON.parse(system.out()) as { s3: string };
    const { ListBucketsCommand } = await import('@aws-sdk/client-s3');
    const { Owner } = await client(s3, keys).send(new ListBucketsCommand({}));
    assert.match(Owner?.ID ?? '', /^[0-9a-f]{64}$/);
    assert.equal(existsSync(join(data, 'credentials.json')), false);
    assert.equal(await stop(system), 0);
  });
});

/** @throws AssertionError when the process still runs after 20 s */
async function gone(pid: number): Promise<void> {
  const until = performance.now() + 20_000;
  for (;;) {
    // A zombie, which a container without an init process keeps, runs no more.
    const stat = statOf(pid);
    if (stat === '' || / Z /.test(stat)) return;
    assert.ok(performance.now() < until, `process ${pid} outlives its launcher: ${stat}`);
    // oxlint-disable-next-line no-await-in-loop -- polling
    await delay(50);
  }
}

/** Empty when the process is gone, in whatever words the kernel says so. */
function statOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}

async function stop(system: Running): Promise<number | null> {
  system.process.kill('SIGTERM');
  return (await system.ended).code;
}
