import assert from 'node:assert/strict';
import { type TestContext, describe, test } from 'node:test';
import { CoreError } from '../../../core/base/errors.ts';
import { type AdminServer, startAdmin } from '../../../gateways/admin/server.ts';

const token = 'the-operator-token';
const root = { accessKey: 'ROOTKEY', secretKey: 'root-secret' };
const bearer = { authorization: `Bearer ${token}` };

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

interface Roles {
  state: string;
}

async function start(
  context: TestContext,
  role: Roles = { state: 'SERVING' },
): Promise<AdminServer> {
  const users = new Map<string, { name: string; secretKey: string }>();
  const server = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    events: { emit: () => undefined },
    operatorToken: token,
    root,
    roles: () => [{ role: 'core', state: role.state }],
    status: () => Promise.resolve({ processes: [], chains: [] }),
    metrics: () => Promise.resolve(['# HELP a b\n# TYPE a gauge\na 1\n']),
    core: {
      status: () => Promise.reject(new Error('not here')),
      fsck: () => Promise.reject(new TypeError('boom')),
      close: () => Promise.resolve(),
      identities: {
        byAccessKey: () => Promise.resolve(undefined),
        add: (request) => {
          if (users.has(request.name))
            throw new CoreError('IDENTITY_EXISTS', `user ${request.name} exists`);
          const { name, displayName = name } = request;
          const keys = { accessKey: 'A', secretKey: 'S' };
          const user = { name, displayName, id: 'f'.repeat(64), ...keys, root: false };
          users.set(name, user);
          return Promise.resolve(user);
        },
        list: () => Promise.resolve([]),
        remove: (name) => {
          if (!users.delete(name)) throw new CoreError('IDENTITY_NOT_FOUND', `no user ${name}`);
          return Promise.resolve();
        },
      },
    },
  });
  context.after(() => server.close());
  return server;
}

describe('admin API', () => {
  test('health, readiness and metrics are open', async (context) => {
    const role = { state: 'STARTING' };
    const { url } = await start(context, role);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    const waiting = await fetch(`${url}/readyz`);
    assert.equal(waiting.status, 503);
    assert.deepEqual(await waiting.json(), {
      ready: false,
      roles: [{ role: 'core', state: 'STARTING' }],
    });
    role.state = 'SERVING';
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    const metrics = await fetch(`${url}/metrics`);
    assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(await metrics.text(), /^# HELP a b/);
  });

  test('the rest needs the operator token or the root keys', async (context) => {
    const { url } = await start(context);
    for (const [authorization, status] of [
      [undefined, 401],
      ['', 401],
      ['Bearer', 401],
      ['Bearer wrong', 401],
      [basic('ROOTKEY:wrong'), 401],
      [basic('ROOTKEY'), 401],
      [bearer.authorization, 200],
      [basic('ROOTKEY:root-secret'), 200],
    ] as const) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      // oxlint-disable-next-line no-await-in-loop -- a table
      assert.equal((await fetch(`${url}/v1/status`, { headers })).status, status, authorization);
    }
    const refused = await fetch(`${url}/v1/users`, { method: 'POST', body: 'x'.repeat(1e6) });
    assert.equal(refused.status, 401, 'refused before the body is looked at');
  });

  test('users: add, refuse, remove', async (context) => {
    const { url } = await start(context);
    const post = (body: unknown): Promise<Response> =>
      fetch(`${url}/v1/users`, {
        method: 'POST',
        headers: { ...bearer, 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
    const added = await post({ name: 'ann', displayName: 'Ann' });
    assert.equal(added.status, 201);
    assert.deepEqual(await added.json(), {
      name: 'ann',
      id: 'f'.repeat(64),
      displayName: 'Ann',
      accessKey: 'A',
      secretKey: 'S',
    });
    const again = await post({ name: 'ann' });
    assert.equal(again.status, 409);
    assert.deepEqual(await again.json(), {
      error: { code: 'IDENTITY_EXISTS', message: 'user ann exists' },
    });
    for (const body of ['{', '[]', '{}', { name: 'a b' }, { name: 'x', secretKey: 's' }])
      // oxlint-disable-next-line no-await-in-loop -- a table
      assert.equal((await post(body)).status, 400, JSON.stringify(body));
    assert.equal((await post({ name: 'y'.repeat(1e6) })).status, 413);
    const remove = (): Promise<Response> =>
      fetch(`${url}/v1/users/ann`, { method: 'DELETE', headers: bearer });
    assert.equal((await remove()).status, 204);
    assert.equal((await remove()).status, 404);
  });

  test('an unexpected failure is a 500 with its code, an unknown path a 404', async (context) => {
    const { url } = await start(context);
    const failed = await fetch(`${url}/v1/fsck`, { method: 'POST', headers: bearer });
    assert.equal(failed.status, 500);
    assert.deepEqual(await failed.json(), { error: { code: 'INTERNAL', message: 'boom' } });
    assert.equal((await fetch(`${url}/nothing`)).status, 404);
  });
});
