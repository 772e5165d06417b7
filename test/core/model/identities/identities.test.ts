import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCoreError, type ErrorName } from '../../../../core/base/errors.ts';
import { limits } from '../../../../core/base/limits.ts';
import { openMemoryMetaStore } from '../../../../core/meta/store/memory-store.ts';
import { IdentityClient } from '../../../../core/model/identities/client.ts';
import {
  openIdentities,
  type PagedIdentities,
} from '../../../../core/model/identities/identities.ts';
import { registerIdentityCalls } from '../../../../core/model/identities/service.ts';
import type { NewIdentity } from '../../../../core/model/identities/types.ts';
import type { Call, Capability, RpcClient } from '../../../../core/rpc/call.ts';
import { CallTable } from '../../../../core/rpc/call-table.ts';
import { localClient } from '../../../../core/rpc/local.ts';
import { SkewedClock } from '../../../contracts/meta-store/skewed-clock.ts';
import { simRng } from '../../../sim/rng.ts';

const root = {
  id: 'f'.repeat(64),
  name: 'root',
  displayName: 'root',
  accessKey: 'ROOTKEY',
  secretKey: 'rootsecret',
};

function openStore(): PagedIdentities & { clock: SkewedClock } {
  const clock = new SkewedClock();
  const store = openMemoryMetaStore({ clock, rng: simRng(1) });
  return Object.assign(openIdentities({ store, rng: simRng(2), clock, root }), { clock });
}

const rejects = (promise: Promise<unknown>, name: ErrorName): Promise<void> =>
  assert.rejects(promise, (error) => isCoreError(error, name));

describe('identities', () => {
  it('generates what is not given', async () => {
    const store = openStore();
    const alice = await store.add({ name: 'alice' });
    assert.equal(alice.displayName, 'alice');
    assert.match(alice.id, /^[0-9a-f]{64}$/);
    assert.match(alice.accessKey, /^[A-Z0-9]{20}$/);
    assert.match(alice.secretKey, /^[A-Za-z0-9]{40}$/);
    assert.equal(alice.root, false);
    const bob = await store.add({ name: 'bob' });
    for (const field of ['id', 'accessKey', 'secretKey'] as const) {
      assert.notEqual(alice[field], bob[field]);
    }
    assert.deepEqual(await store.byAccessKey(alice.accessKey), alice);
    assert.equal(await store.byAccessKey('nobody'), undefined);
    assert.equal(await store.byAccessKey('x'.repeat(100_000)), undefined);
  });

  it('keeps what is given', async () => {
    const store = openStore();
    const given = {
      name: 'ops@example.com',
      displayName: 'Ops Team',
      accessKey: 'my-access.key_1',
      secretKey: 'a/secret+with=signs!',
      id: 'ab'.repeat(32),
    };
    assert.deepEqual(await store.add(given), { ...given, root: false });
    assert.deepEqual(await store.byAccessKey(given.accessKey), { ...given, root: false });
  });

  it('refuses a taken name, access key or id, and leaves nothing of the refused', async () => {
    const store = openStore();
    const alice = await store.add({ name: 'alice' });
    await rejects(store.add({ name: 'alice' }), 'IDENTITY_EXISTS');
    await rejects(store.add({ name: 'bob', accessKey: alice.accessKey }), 'IDENTITY_EXISTS');
    await rejects(store.add({ name: 'bob', id: alice.id }), 'IDENTITY_EXISTS');
    for (const own of [
      { name: 'root' },
      { name: 'r', accessKey: 'ROOTKEY' },
      { name: 'r', id: root.id },
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      await rejects(store.add(own), 'IDENTITY_EXISTS');
    }
    assert.deepEqual(
      (await store.list()).map(({ name }) => name),
      ['root', 'alice'],
    );
    await store.add({ name: 'bob' });
  });

  it('decides between concurrent adds of one name or key', async () => {
    const store = openStore();
    const sameName = Array.from({ length: 8 }, () => store.add({ name: 'alice' }));
    const sameKey = Array.from({ length: 8 }, (_, at) =>
      store.add({ name: `u${at}`, accessKey: 'KEY' }),
    );
    for (const adds of [sameName, sameKey]) {
      // oxlint-disable-next-line no-await-in-loop
      const settled = await Promise.allSettled(adds);
      assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
    }
  });

  const wrong: NewIdentity[] = [
    { name: '' },
    { name: 'a b' },
    { name: 'a/b' },
    { name: 'x'.repeat(65) },
    { name: 'a', displayName: '' },
    { name: 'a', displayName: 'line\nbreak' },
    { name: 'a', accessKey: 'ab' },
    { name: 'a', accessKey: 'with/slash' },
    { name: 'a', accessKey: 'x'.repeat(129) },
    { name: 'a', secretKey: 'short' },
    { name: 'a', secretKey: 'with space in it' },
    { name: 'a', id: 'AB'.repeat(32) },
    { name: 'a', id: 'ab' },
  ];
  for (const request of wrong) {
    it(`refuses ${JSON.stringify(request).slice(0, 60)}`, async () => {
      await rejects(openStore().add(request), 'INVALID_ARGUMENT');
    });
  }

  it('removes, and the name and key are free again', async () => {
    const store = openStore();
    const alice = await store.add({ name: 'alice' });
    await store.remove('alice');
    assert.equal(await store.byAccessKey(alice.accessKey), undefined);
    await rejects(store.remove('alice'), 'IDENTITY_NOT_FOUND');
    await rejects(store.remove('root'), 'INVALID_ARGUMENT');
    await store.add({ name: 'alice', accessKey: alice.accessKey, id: alice.id });
  });

  it('knows the root without a row', async () => {
    const store = openStore();
    assert.deepEqual(await store.byAccessKey('ROOTKEY'), { ...root, root: true });
  });

  it('lists every identity over several pages, without secrets', async () => {
    const store = openStore();
    const names = Array.from(
      { length: limits.identitiesPerPage + 5 },
      (_, at) => `u${10_000 + at}`,
    );
    for (const name of names) {
      // oxlint-disable-next-line no-await-in-loop
      await store.add({ name });
    }
    const listed = await store.list();
    assert.deepEqual(
      listed.map(({ name }) => name),
      ['root', ...names],
    );
    assert.ok(listed.every((identity) => !('secretKey' in identity)));
  });
});

/** Counts the calls that reach the other side. */
function counting(client: RpcClient): RpcClient & { calls: Map<string, number> } {
  const calls = new Map<string, number>();
  return {
    calls,
    call<Request extends object, Response extends object>(
      call: Call<Request, Response>,
      request: Request,
    ) {
      calls.set(call.name, (calls.get(call.name) ?? 0) + 1);
      return client.call(call, request);
    },
  };
}

function openClient(capability: Capability) {
  const store = openStore();
  const table = new CallTable();
  registerIdentityCalls(table, store);
  const rpc = counting(localClient(table, capability, 'test'));
  const lookups = (): number => rpc.calls.get('identityByAccessKey') ?? 0;
  return { store, clock: store.clock, client: new IdentityClient(rpc, store.clock), lookups };
}

describe('identity client', () => {
  it('does what the store does', async () => {
    const { client, store } = openClient('operator');
    const alice = await client.add({ name: 'alice' });
    assert.deepEqual(await client.byAccessKey(alice.accessKey), alice);
    assert.equal(await client.byAccessKey('nobody'), undefined);
    assert.deepEqual(await client.list(), await store.list());
    await client.remove('alice');
    assert.equal(await client.byAccessKey(alice.accessKey), undefined);
    await rejects(client.remove('alice'), 'IDENTITY_NOT_FOUND');
    await rejects(client.add({ name: 'a b' }), 'INVALID_ARGUMENT');
  });

  it('may only look up with the capability of a gateway', async () => {
    const { client, store } = openClient('write');
    const alice = await store.add({ name: 'alice' });
    assert.deepEqual(await client.byAccessKey(alice.accessKey), alice);
    await rejects(client.add({ name: 'bob' }), 'ACCESS_DENIED');
    await rejects(client.remove('alice'), 'ACCESS_DENIED');
    await rejects(client.list(), 'ACCESS_DENIED');
  });

  it('keeps answers for a while and asks once for many callers', async () => {
    const { client, store, clock, lookups } = openClient('read');
    const { accessKey } = await store.add({ name: 'alice' });
    await Promise.all(Array.from({ length: 50 }, () => client.byAccessKey(accessKey)));
    await client.byAccessKey(accessKey);
    assert.equal(lookups(), 1);
    assert.equal(client.cached(accessKey), await client.byAccessKey(accessKey));
    assert.equal(client.cached('nobody'), undefined);
    await store.remove('alice');
    assert.notEqual(await client.byAccessKey(accessKey), undefined);
    clock.advance(limits.identityCacheMs);
    assert.equal(client.cached(accessKey), undefined);
    assert.equal(await client.byAccessKey(accessKey), undefined);
    assert.equal(lookups(), 2);
  });

  it('keeps unknown keys shorter, and they push no known one out', async () => {
    const { client, store, clock, lookups } = openClient('read');
    const { accessKey } = await store.add({ name: 'alice' });
    await client.byAccessKey(accessKey);
    for (let at = 0; at < limits.unknownIdentitiesCached + 10; at++) {
      // oxlint-disable-next-line no-await-in-loop
      await client.byAccessKey(`guess${at}`);
    }
    const before = lookups();
    await client.byAccessKey(accessKey);
    await client.byAccessKey(`guess${limits.unknownIdentitiesCached}`);
    assert.equal(lookups(), before);
    await client.byAccessKey('guess0');
    assert.equal(lookups(), before + 1);
    await store.add({ name: 'bob', accessKey: 'guess0' });
    clock.advance(limits.unknownIdentityCacheMs);
    assert.equal((await client.byAccessKey('guess0'))?.name, 'bob');
  });

  it('does not keep an answer that a change of its own overtook', async () => {
    const { client, lookups } = openClient('operator');
    const { accessKey } = await client.add({ name: 'alice' });
    await Promise.all([client.byAccessKey(accessKey), client.remove('alice')]);
    assert.equal(await client.byAccessKey(accessKey), undefined);
    assert.equal(lookups(), 2);
  });

  it('keeps no failure', async () => {
    const { client, store } = openClient('read');
    const { accessKey } = await store.add({ name: 'alice' });
    const byAccessKey = store.byAccessKey.bind(store);
    store.byAccessKey = () => Promise.reject(new Error('down'));
    await rejects(client.byAccessKey(accessKey), 'INTERNAL');
    store.byAccessKey = byAccessKey;
    assert.equal((await client.byAccessKey(accessKey))?.name, 'alice');
  });
});
