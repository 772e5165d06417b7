// What reaches the door before it is an S3 request: malformed heads, smuggling tricks, lying lengths, clients
// that stop half-way. On real sockets, since paths and framing are tested that libraries would repair.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Door,
  type RawClient,
  elementOf,
  headBytes,
  openDoor,
  outcome,
  requestBytes,
} from './door.ts';
import { MemoryObjects } from './memory-objects.ts';

let door: Door;

/** Sends bytes as they are; the first answer. */
async function raw(bytes: string | Uint8Array): Promise<Awaited<ReturnType<RawClient['read']>>> {
  const client = await door.connect();
  try {
    client.write(bytes);
    return await client.read();
  } finally {
    client.destroy();
  }
}

const expectingPut = (
  headers: Record<string, string> = {},
  bucket = 'bucket',
  size = 5,
): Buffer => {
  const whole = requestBytes(door.host, {
    method: 'PUT',
    target: `/${bucket}/expect`,
    body: 'x'.repeat(size),
    headers: { expect: '100-continue', ...headers },
  });
  return whole.subarray(0, whole.indexOf('\r\n\r\n') + 4);
};

const head = (length: number, extra: Record<string, string> = {}): Buffer => {
  const whole = requestBytes(door.host, {
    method: 'PUT',
    target: '/bucket/body',
    body: '',
    headers: { 'content-length': String(length), ...extra },
    payloadHash: 'UNSIGNED-PAYLOAD',
  });
  return whole;
};

const isThere = async (): Promise<boolean> =>
  (await door.send({ method: 'HEAD', target: '/bucket/body' })).status === 200;

describe('the HTTP edge', () => {
  before(async () => {
    door = await openDoor({ limits: { stallMs: 400, sweepMs: 100, headersMs: 600 } });
    await door.send({ method: 'PUT', target: '/bucket' });
  });
  after(() => door.close());

  describe('heads', () => {
    test('what the HTTP parser refuses is answered in XML, with the connection closed', async () => {
      const host = `Host: ${door.host}\r\n`;
      const bad = [
        'NONSENSE\r\n\r\n',
        `GET / HTTP/1.1\r\n${host}Bad Header: x\r\n\r\n`,
        `GET / HTTP/1.1\r\n${host}X: a\u0000b\r\n\r\n`,
        `PUT /bucket/k HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`,
        `PUT /bucket/k HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
        `PUT /bucket/k HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
        `PUT /bucket/k HTTP/1.1\r\n${host}Transfer-Encoding: gzip\r\n\r\n`,
        `GET / HTTP/1.1\r\n${host}X: a\r\n folded\r\n\r\n`,
        `GET / HTTP/9.9\r\n${host}\r\n`,
      ];
      for (const bytes of bad) {
        const client = await door.connect();
        client.write(bytes);
        const answer = await client.read();
        assert.equal(outcome(answer), '400 BadRequest', JSON.stringify(bytes));
        assert.equal(answer.headers['content-type'], 'application/xml');
        assert.equal(answer.headers['x-amz-request-id'], elementOf(answer, 'RequestId'));
        await client.closed;
        client.destroy();
      }
    });

    test('a tunnel is refused in XML, too', async () => {
      const answer = await raw(`CONNECT other:80 HTTP/1.1\r\nHost: ${door.host}\r\n\r\n`);
      assert.equal(outcome(answer), '405 MethodNotAllowed');
    });

    test('a head that trickles in, and a connection that says nothing, are ended in time', async () => {
      const [slow, silent] = [await door.connect(), await door.connect()];
      slow.write(`GET / HTTP/1.1\r\nHost: ${door.host}\r\n`);
      const trickle = setInterval(() => slow.write('x: y\r\n'), 50);
      const started = performance.now();
      assert.equal(outcome(await slow.read()), '400 RequestTimeout');
      assert.equal(outcome(await silent.read()), '400 RequestTimeout');
      assert.ok(performance.now() - started < 5_000);
      clearInterval(trickle);
      for (const client of [slow, silent]) {
        await client.closed;
        client.destroy();
      }
    });

    test('a head above the limits', async () => {
      const long = 'x'.repeat(9000);
      const signed = await door.send({ method: 'GET', target: '/', headers: { 'x-long': long } });
      assert.equal(outcome(signed), '400 RequestHeaderSectionTooLarge');
      const endless = await raw(`GET / HTTP/1.1\r\nHost: ${door.host}\r\nX: ${'x'.repeat(40_000)}`);
      assert.equal(outcome(endless), '400 RequestHeaderSectionTooLarge');
      const many = 'a:\r\n'.repeat(3000);
      assert.equal(
        outcome(await raw(`GET / HTTP/1.1\r\nHost: ${door.host}\r\n${many}\r\n`)),
        '400 RequestHeaderSectionTooLarge',
      );
    });

    test('no Host, two Hosts, a Host that contradicts the target', async () => {
      assert.equal(outcome(await raw('GET / HTTP/1.1\r\n\r\n')), '400 InvalidHost');
      const two = await raw(`GET / HTTP/1.1\r\nHost: ${door.host}\r\nHost: other\r\n\r\n`);
      assert.equal(outcome(two), '400 InvalidRequest');
      const other = await raw(`GET http://other/ HTTP/1.1\r\nHost: ${door.host}\r\n\r\n`);
      assert.equal(outcome(other), '400 InvalidRequest');
      assert.equal(outcome(await raw('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')), '400 InvalidURI');
    });

    test('targets that are no names', async () => {
      const cases: [string, string][] = [
        ['/bucket/%ff', '400 InvalidURI'],
        ['/bucket/%', '400 InvalidURI'],
        ['//bucket/k', '400 InvalidURI'],
        ['/%2e%2e/k', '400 InvalidBucketName'],
        ['/..%2f..%2fetc/passwd', '400 InvalidBucketName'],
        [`/bucket/${'x'.repeat(1025)}`, '400 KeyTooLongError'],
        ['/bucket?prefix=%ff', '400 InvalidURI'],
      ];
      for (const [target, expected] of cases)
        assert.equal(
          outcome(await raw(headBytes('GET', target, { host: door.host }))),
          expected,
          target,
        );
    });

    test('keys that look like paths are names and nothing else', async () => {
      for (const key of ['../../etc/passwd', './a', 'a//b', '/', '%00', 'a%5Cb', '%2e%2e/x']) {
        const target = `/bucket/${key}`;
        const put = await door.send({ method: 'PUT', target, body: key });
        assert.equal(put.status, 200, key);
        const got = await door.send({ method: 'GET', target });
        assert.equal(got.body.toString(), key);
        await door.send({ method: 'DELETE', target });
      }
    });
  });

  describe('Expect', () => {
    test('the client is told to go on at once', async () => {
      const client = await door.connect();
      const started = performance.now();
      client.write(expectingPut());
      assert.equal((await client.read()).status, 100);
      assert.ok(performance.now() - started < 500);
      client.write('xxxxx');
      assert.equal((await client.read()).status, 200);
      client.destroy();
    });

    test('what is refused from the head alone is refused before the body, and the connection ends', async () => {
      const cases: [Buffer, string][] = [
        [expectingPut({}, 'no-such-bucket'), '404 NoSuchBucket'],
        [expectingPut({ 'x-amz-acl': 'authenticated-read' }), '501 NotImplemented'],
        [expectingPut({ 'content-md5': 'short' }), '400 InvalidDigest'],
        [expectingPut({ 'x-amz-checksum-sha256': 'bad' }), '400 BadDigest'],
        [expectingPut({ 'x-amz-tagging': 'a=1&a=2' }), '400 InvalidTag'],
        [expectingPut({ 'x-amz-storage-class': 'NONE' }), '400 InvalidStorageClass'],
        [expectingPut({ 'content-length': String(6 * 1024 ** 3) }), '400 EntityTooLarge'],
        [
          Buffer.from(
            expectingPut()
              .toString('latin1')
              .replace(/Signature=[0-9a-f]{8}/, 'Signature=00000000'),
            'latin1',
          ),
          '403 SignatureDoesNotMatch',
        ],
        [
          headBytes('PUT', '/bucket/expect', {
            host: door.host,
            expect: '100-continue',
            'content-length': '5',
          }),
          '403 AccessDenied',
        ],
      ];
      for (const [bytes, expected] of cases) {
        const client = await door.connect();
        client.write(bytes);
        const answer = await client.read();
        assert.equal(outcome(answer), expected);
        assert.equal(answer.headers['connection'], 'close', expected);
        await client.closed;
        client.destroy();
      }
    });

    test('a condition that fails is known before the body', async () => {
      await door.send({ method: 'PUT', target: '/bucket/taken', body: 'x' });
      const whole = requestBytes(door.host, {
        method: 'PUT',
        target: '/bucket/taken',
        body: 'y',
        headers: { expect: '100-continue', 'if-none-match': '*' },
      });
      const client = await door.connect();
      client.write(whole.subarray(0, -1));
      assert.equal(outcome(await client.read()), '412 PreconditionFailed');
      client.destroy();
    });

    test('any other expectation fails', async () => {
      const answer = await raw(
        headBytes('PUT', '/bucket/k', { host: door.host, expect: '200-ok', 'content-length': '0' }),
      );
      assert.equal(outcome(answer), '417 ExpectationFailed');
      assert.equal(answer.headers['content-length'], String(answer.body.length));
      const headers = { expect: '' };
      const none = await door.send({ method: 'PUT', target: '/bucket/k', body: 'x', headers });
      assert.equal(none.status, 200);
    });
  });

  describe('bodies', () => {
    test('a client that ends its side early gets IncompleteBody, and nothing is stored', async () => {
      const client = await door.connect();
      client.write(head(10));
      client.write('12345');
      client.socket.end();
      assert.equal(outcome(await client.read()), '400 IncompleteBody');
      assert.equal(await isThere(), false);
      client.destroy();
    });

    test('a client that vanishes leaves nothing', async () => {
      const client = await door.connect();
      client.write(head(10));
      client.write('12345');
      await new Promise((resolve) => setTimeout(resolve, 50));
      client.socket.resetAndDestroy();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(await isThere(), false);
    });

    test('a client that stalls is told so, after a while without bytes', async () => {
      const client = await door.connect();
      client.write(head(10));
      client.write('12345');
      assert.equal(outcome(await client.read()), '400 RequestTimeout');
      await client.closed;
      assert.equal(await isThere(), false);
      client.destroy();
    });

    test('malformed chunked framing', async () => {
      const whole = requestBytes(door.host, {
        method: 'PUT',
        target: '/bucket/body',
        headers: { 'transfer-encoding': 'chunked' },
        payloadHash: 'UNSIGNED-PAYLOAD',
      });
      const client = await door.connect();
      client.write(whole);
      client.write('5\r\nhello\r\nzzz\r\n');
      assert.equal(outcome(await client.read()), '400 BadRequest');
      await client.closed;
      assert.equal(await isThere(), false);
      client.destroy();
    });

    test('no length at all', async () => {
      const whole = requestBytes(door.host, { method: 'PUT', target: '/bucket/body' });
      assert.equal(outcome(await raw(whole)), '411 MissingContentLength');
    });

    test('chunked transfer encoding without Content-Length stores the object', async () => {
      const whole = requestBytes(door.host, {
        method: 'PUT',
        target: '/bucket/chunked',
        headers: { 'transfer-encoding': 'chunked' },
        payloadHash: 'UNSIGNED-PAYLOAD',
      });
      const answer = await raw(
        Buffer.concat([whole, Buffer.from('3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n')]),
      );
      assert.equal(answer.status, 200);
      const got = await door.send({ method: 'GET', target: '/bucket/chunked' });
      assert.equal(got.body.toString(), 'abcdefg');
    });

    test('a transfer coding other than chunked is not stored as it came', async () => {
      const whole = requestBytes(door.host, {
        method: 'PUT',
        target: '/bucket/body',
        headers: { 'transfer-encoding': 'gzip, chunked' },
        payloadHash: 'UNSIGNED-PAYLOAD',
      });
      const answer = await raw(Buffer.concat([whole, Buffer.from('3\r\nabc\r\n0\r\n\r\n')]));
      assert.equal(outcome(answer), '501 NotImplemented');
      assert.equal(await isThere(), false);
    });

    test('a document that is too long is not told as an object that is', async () => {
      const stated = requestBytes(door.host, {
        method: 'POST',
        target: '/bucket?delete',
        headers: { 'content-length': String(3 * 1024 * 1024) },
        payloadHash: 'UNSIGNED-PAYLOAD',
      });
      assert.equal(outcome(await raw(stated)), '400 MaxMessageLengthExceeded');
    });

    test('a small unread body is read over, and the connection serves on', async () => {
      const client = await door.connect();
      const denied = headBytes('PUT', '/bucket/k', { host: door.host, 'content-length': '1000' });
      client.write(Buffer.concat([denied, Buffer.alloc(1000)]));
      assert.equal(outcome(await client.read()), '403 AccessDenied');
      client.write(requestBytes(door.host, { method: 'GET', target: '/' }));
      assert.equal((await client.read()).status, 200);
      client.destroy();
    });

    test('a large unread body does not take the answer with it', async () => {
      const client = await door.connect();
      const length = 4 * 1024 * 1024;
      client.write(
        headBytes('PUT', '/bucket/k', { host: door.host, 'content-length': String(length) }),
      );
      client.write(Buffer.alloc(length / 2));
      const answer = await client.read();
      assert.equal(outcome(answer), '403 AccessDenied');
      assert.equal(answer.headers['connection'], 'close');
      client.write(Buffer.alloc(length / 2));
      await client.closed;
      client.destroy();
    });
  });

  describe('connections', () => {
    test('requests sent ahead are answered in order', async () => {
      const client = await door.connect();
      const gets = ['/', '/bucket', '/no-such-bucket', '/bucket/no-such-key'].map((target) =>
        requestBytes(door.host, { method: 'GET', target }),
      );
      client.write(Buffer.concat(gets));
      const outcomes: string[] = [];
      for (let at = 0; at < gets.length; at++) outcomes.push(outcome(await client.read()));
      assert.deepEqual(outcomes, ['200', '200', '404 NoSuchBucket', '404 NoSuchKey']);
      client.destroy();
    });

    test('a client that does not read the end of its answers is cut, and costs one answer', async () => {
      await door.send({ method: 'PUT', target: '/bucket/big', body: Buffer.alloc(256 * 1024) });
      const client = await door.connect();
      client.socket.pause();
      const get = requestBytes(door.host, { method: 'GET', target: '/bucket/big' });
      client.write(Buffer.concat(Array.from({ length: 60 }, () => get)));
      const gauge = async (name: string): Promise<number> =>
        Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await door.metrics.metrics())?.[1]);
      for (let waited = 0; (await gauge('lampyr_s3_connections')) > 0; waited += 20) {
        assert.ok(waited < 5_000, 'the connection is still open');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.equal(await gauge('lampyr_s3_requests_in_flight'), 0);
      client.destroy();
      await door.send({ method: 'DELETE', target: '/bucket/big' });
    });

    test('a client that sends more requests ahead than allowed is cut', async () => {
      const client = await door.connect();
      const get = requestBytes(door.host, { method: 'GET', target: '/bucket' });
      client.write(Buffer.concat(Array.from({ length: 200 }, () => get)));
      const text = (await client.rest()).toString('latin1');
      const answers = text.split('HTTP/1.1 ').length - 1;
      assert.ok(answers <= 65, `${answers} answers`);
      client.destroy();
    });

    test('requests sent ahead take effect in order', async () => {
      class SlowPuts extends MemoryObjects {
        override async put(...args: Parameters<MemoryObjects['put']>) {
          await new Promise((resolve) => setTimeout(resolve, 30));
          return super.put(...args);
        }
      }
      const slow = await openDoor({ objects: new SlowPuts() });
      const ask = (method: string, target: string, body?: string): Buffer =>
        requestBytes(slow.host, { method, target, ...(body === undefined ? {} : { body }) });
      const client = await slow.connect();
      try {
        client.write(
          Buffer.concat([
            ask('PUT', '/bucket'),
            ask('PUT', '/bucket/k', 'one'),
            ask('GET', '/bucket/k'),
            ask('PUT', '/bucket/k', 'two'),
            ask('DELETE', '/bucket/k'),
            ask('HEAD', '/bucket/k'),
          ]),
        );
        assert.equal((await client.read()).status, 200);
        assert.equal((await client.read()).status, 200);
        assert.equal((await client.read()).body.toString(), 'one');
        assert.equal((await client.read()).status, 200);
        assert.equal((await client.read()).status, 204);
        assert.equal((await client.read(true)).status, 404);
        const many = Array.from({ length: 40 }, () => ask('PUT', '/bucket/k', 'x'));
        client.write(Buffer.concat(many));
        for (const _ of many)
          // oxlint-disable-next-line no-await-in-loop -- answer after answer
          assert.equal((await client.read()).status, 200);
      } finally {
        client.destroy();
        await slow.close();
      }
    });

    test('nothing that was sent behind the last answer of a connection takes effect', async () => {
      const client = await door.connect();
      const refused = Buffer.concat([expectingPut({}, 'no-such-bucket'), Buffer.from('xxxxx')]);
      const behind = requestBytes(door.host, { method: 'PUT', target: '/bucket/behind', body: '' });
      client.write(Buffer.concat([refused, behind]));
      const answer = await client.read();
      assert.equal(outcome(answer), '404 NoSuchBucket');
      assert.equal(answer.headers['connection'], 'close');
      assert.equal((await client.rest()).length, 0);
      const got = await door.send({ method: 'HEAD', target: '/bucket/behind' });
      assert.equal(got.status, 404);
      client.destroy();
    });

    test('every answer names its request and the server', async () => {
      const ids = new Set<string>();
      for (const target of ['/', '/no-such-bucket', '/bucket']) {
        const { headers } = await door.send({ method: 'GET', target });
        assert.match(headers['x-amz-request-id'] ?? '', /^[0-9A-F]{16}$/);
        assert.equal(headers['server'], 'Lampyr');
        assert.ok((headers['x-amz-id-2'] ?? '').length > 10);
        ids.add(headers['x-amz-request-id'] ?? '');
      }
      assert.equal(ids.size, 3);
    });

    test('HEAD answers have no body, errors included', async () => {
      const client = await door.connect();
      client.write(requestBytes(door.host, { method: 'HEAD', target: '/no-such-bucket' }));
      assert.equal((await client.read(true)).status, 404);
      client.write(requestBytes(door.host, { method: 'HEAD', target: '/bucket' }));
      const answer = await client.read(true);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['x-amz-bucket-region'], 'us-east-1');
      client.destroy();
    });

    test('more connections than allowed are closed', async () => {
      const small = await openDoor({ limits: { connectionsMax: 2 } });
      const [first, second] = [await small.connect(), await small.connect()];
      const third = await small.connect();
      assert.equal((await third.rest()).length, 0);
      for (const client of [first, second, third]) client.destroy();
      await small.close();
      assert.match(await small.metrics.metrics(), /lampyr_s3_connections_refused_total 1/);
    });
  });
});
