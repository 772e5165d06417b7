// Every operation of the table, with no signature, a wrong one and somebody else's: nothing is done without
// the right one, whatever the route and the payload mode.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { operations } from '../../../protocols/s3/operations.ts';
import { presignTarget } from '../../../protocols/s3/sign-request.ts';
import {
  type Door,
  headBytes,
  main,
  openDoor,
  other,
  outcome,
  region,
  requestBytes,
} from './door.ts';

let door: Door;

const payloads = [
  undefined,
  'UNSIGNED-PAYLOAD',
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
];

function targetOf(operation: (typeof operations)[number]): string {
  const path = { service: '/', bucket: '/bucket', object: '/bucket/key' }[operation.scope];
  const { subResource, when } = operation;
  const [name, value = '1'] = when?.query ?? [];
  const pairs = [
    ...(subResource === undefined ? [] : [`${subResource}=x`]),
    ...(name === undefined ? [] : [`${name}=${value}`]),
  ];
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

async function raw(bytes: Uint8Array, bodyless: boolean) {
  const client = await door.connect();
  client.write(bytes);
  const answer = await client.read(bodyless);
  client.destroy();
  return answer;
}

const ask = (headers: Record<string, string>) =>
  raw(
    headBytes('OPTIONS', '/bucket/key?X-Amz-Signature=0', { host: door.host, ...headers }),
    false,
  );

describe('authentication', () => {
  before(async () => {
    door = await openDoor();
    await door.send({ method: 'PUT', target: '/bucket' });
    await door.send({ method: 'PUT', target: '/bucket/key', body: 'content' });
  });
  after(() => door.close());

  test('without a signature every operation is denied, in every payload mode', async () => {
    let checked = 0;
    for (const operation of operations) {
      if (operation.method === 'OPTIONS') continue;
      const bodyless = operation.method === 'HEAD';
      for (const payload of payloads) {
        const headers = {
          host: door.host,
          'content-length': '0',
          ...(operation.when?.header === undefined
            ? {}
            : { [operation.when.header]: '/bucket/key' }),
          ...(payload === undefined ? {} : { 'x-amz-content-sha256': payload }),
        };
        const answer = await raw(
          headBytes(operation.method, targetOf(operation), headers),
          bodyless,
        );
        // An anonymous request with signed chunks contradicts itself.
        const contradicts = payload?.startsWith('STREAMING-AWS4') === true;
        assert.equal(answer.status, contradicts ? 400 : 403, `${operation.name} ${payload}`);
        checked++;
      }
    }
    assert.ok(checked >= 4 * 113, `${checked} requests`);
    assert.equal(
      (await door.send({ method: 'GET', target: '/bucket/key' })).body.toString(),
      'content',
    );
  });

  test('a signature of the wrong key is denied for every operation', async () => {
    const thief = { ...main, secretKey: 'guessed' };
    for (const operation of operations) {
      if (operation.method === 'OPTIONS') continue;
      const { method } = operation;
      const bytes = requestBytes(door.host, {
        method,
        target: targetOf(operation),
        who: thief,
        body: '',
      });
      assert.equal((await raw(bytes, method === 'HEAD')).status, 403, operation.name);
    }
  });

  test('what is not offered answers 501 to those who may ask', async () => {
    for (const operation of operations) {
      if (operation.status !== 'notImplemented') continue;
      const { method, when } = operation;
      const headers = when?.header === undefined ? {} : { [when.header]: 'x' };
      const answer = await door.send({ method, target: targetOf(operation), headers, body: '' });
      assert.equal(outcome(answer), '501 NotImplemented', operation.name);
    }
  });

  test('who is who', async () => {
    const cases: [Parameters<Door['send']>[0], string][] = [
      [{ method: 'GET', target: '/bucket/key', who: other }, '403 AccessDenied'],
      [{ method: 'PUT', target: '/bucket/key', who: other, body: 'x' }, '403 AccessDenied'],
      [{ method: 'DELETE', target: '/bucket', who: other }, '403 AccessDenied'],
      [{ method: 'PUT', target: '/bucket', who: other }, '409 BucketAlreadyExists'],
      [
        { method: 'GET', target: '/', who: { ...main, accessKey: 'NOBODY' } },
        '403 InvalidAccessKeyId',
      ],
      [
        { method: 'GET', target: '/bucket', headers: { 'x-amz-expected-bucket-owner': main.id } },
        '200',
      ],
      [
        {
          method: 'GET',
          target: '/bucket',
          headers: { 'x-amz-expected-bucket-owner': '111122223333' },
        },
        '403 AccessDenied',
      ],
      [
        { method: 'PUT', target: '/bucket/key', body: 'x', payloadHash: '0'.repeat(64) },
        '400 XAmzContentSHA256Mismatch',
      ],
      [
        { method: 'PUT', target: '/bucket/key', body: 'x', payloadHash: 'STREAMING-SOMETHING-NEW' },
        '400 InvalidArgument',
      ],
    ];
    for (const [request, expected] of cases)
      assert.equal(outcome(await door.send(request)), expected, JSON.stringify(request));
    assert.equal(
      (await door.send({ method: 'GET', target: '/bucket/key' })).body.toString(),
      'content',
    );
  });

  test('presigned links read and write, until they expire, and their query is not logged', async () => {
    const identity = { accessKey: main.accessKey, secretKey: main.secretKey, region };
    const sign = (method: string, target: string, atMs = Date.now()): string =>
      presignTarget({ method, target, headers: { host: door.host } }, identity, atMs, 60);
    const send = async (method: string, target: string, body = '') => {
      const headers = { host: door.host, 'content-length': String(body.length) };
      return raw(Buffer.concat([headBytes(method, target, headers), Buffer.from(body)]), false);
    };
    assert.equal((await send('PUT', sign('PUT', '/bucket/link'), 'linked')).status, 200);
    const got = await send('GET', sign('GET', '/bucket/link?response-content-type=text%2Fx'));
    assert.equal(got.body.toString(), 'linked');
    assert.equal(got.headers['content-type'], 'text/x');
    const expired = await send('GET', sign('GET', '/bucket/link', Date.now() - 120_000));
    assert.equal(outcome(expired), '403 AccessDenied');
    assert.equal(
      outcome(await send('DELETE', sign('GET', '/bucket/link'))),
      '403 SignatureDoesNotMatch',
    );
    assert.ok(!JSON.stringify(door.events).includes('Signature='), 'no signature in the log');
    assert.ok(!JSON.stringify(door.events).includes(main.secretKey), 'no secret in the log');
  });

  test('a session token is refused: nobody issues any', async () => {
    const headers = { 'x-amz-security-token': 'token' };
    assert.equal(
      outcome(await door.send({ method: 'GET', target: '/', headers })),
      '400 InvalidToken',
    );
  });

  test('preflights need no signature and promise nothing', async () => {
    assert.equal(outcome(await ask({})), '400 BadRequest');
    assert.equal(outcome(await ask({ origin: 'http://a' })), '400 BadRequest');
    const full = await ask({ origin: 'http://a', 'access-control-request-method': 'GET' });
    assert.equal(outcome(full), '403 AccessForbidden');
    assert.equal(full.headers['access-control-allow-origin'], undefined);
  });
});
