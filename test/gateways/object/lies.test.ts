// Bodies that are not what their heads say, through the door to a real core: each is refused or cut, and leaves
// nothing: no object, no chunk, no blob.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { MiB } from '../../../core/base/limits.ts';
import { type Answer, outcome, requestBytes } from './door.ts';
import { type System, sharedSystem } from './system.ts';

const bucket = '/lies';
const content = Buffer.alloc(5 * MiB, 'lie');

let system: System;

/** The head of a PUT as a client says it, without a body. */
const head = (key: string, headers: Record<string, string>): Buffer =>
  requestBytes(system.host, {
    method: 'PUT',
    target: `${bucket}/${key}`,
    headers,
    payloadHash: headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD',
  });

/** What is stored: blobs and chunks of the whole system. */
async function stored(): Promise<Record<string, number>> {
  const operator = system.rig.operator();
  try {
    const { counts, found, findings } = await operator.fsck({ scrub: false });
    assert.equal(found.error, 0, JSON.stringify(findings));
    // What is queued waits for readers that may still have it; it names nothing that is stored any more.
    const { queued: _, ...rest } = counts;
    return { ...rest, garbage: found.garbage };
  } finally {
    await operator.close();
  }
}

/** Sends the head and a part of the body, then ends its side, or the whole connection. */
async function send(bytes: Buffer, leave: 'end' | 'reset' | 'stay'): Promise<Answer | undefined> {
  const client = await system.connect();
  try {
    await new Promise((resolve) => client.socket.write(bytes, resolve));
    if (leave === 'end') client.socket.end();
    if (leave !== 'reset') return await client.read();
    client.socket.resetAndDestroy();
    return undefined;
  } finally {
    client.destroy();
  }
}

const wrong = { crc32: 'AAAAAA==', md5: 'AAAAAAAAAAAAAAAAAAAAAA==' };
const size = String(content.length);
const longer = String(content.length + 1);
const streaming = {
  'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'content-encoding': 'aws-chunked',
  'x-amz-trailer': 'x-amz-checksum-crc32',
};
const framed = (trailer: string): Buffer =>
  Buffer.concat([
    Buffer.from(`${content.length.toString(16)}\r\n`),
    content,
    Buffer.from(`\r\n0\r\nx-amz-checksum-crc32:${trailer}\r\n\r\n`),
  ]);
const framedSize = String(framed(wrong.crc32).length);

interface Lie {
  readonly what: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly answer: string;
  /** The body is whole as HTTP sees it; else the client ends its side. */
  readonly whole?: true;
}

const lies: readonly Lie[] = [
  {
    what: 'a body shorter than its length',
    headers: { 'content-length': longer },
    body: content,
    answer: '400 IncompleteBody',
  },
  {
    whole: true,
    what: 'a length of more than an object',
    headers: { 'content-length': String(2 ** 50) },
    body: content,
    answer: '400 EntityTooLarge',
  },
  {
    whole: true,
    what: 'a negative length',
    headers: { 'content-length': '-1' },
    body: content,
    answer: '400 BadRequest',
  },
  {
    whole: true,
    what: 'a length beyond 2^64',
    headers: { 'content-length': '99999999999999999999999' },
    body: content,
    answer: '400 BadRequest',
  },
  {
    whole: true,
    what: 'a length and chunks',
    headers: { 'content-length': size, 'transfer-encoding': 'chunked' },
    body: content,
    answer: '400 BadRequest',
  },
  {
    whole: true,
    what: 'another CRC32',
    headers: { 'content-length': size, 'x-amz-checksum-crc32': wrong.crc32 },
    body: content,
    answer: '400 BadDigest',
  },
  {
    whole: true,
    what: 'another MD5',
    headers: { 'content-length': size, 'content-md5': wrong.md5 },
    body: content,
    answer: '400 BadDigest',
  },
  {
    whole: true,
    what: 'another SHA-256',
    headers: { 'content-length': size, 'x-amz-content-sha256': '0'.repeat(64) },
    body: content,
    answer: '400 XAmzContentSHA256Mismatch',
  },
  {
    whole: true,
    what: 'another trailing CRC32',
    headers: { ...streaming, 'content-length': framedSize, 'x-amz-decoded-content-length': size },
    body: framed(wrong.crc32),
    answer: '400 BadDigest',
  },
  {
    whole: true,
    what: 'a longer decoded length',
    headers: { ...streaming, 'content-length': framedSize, 'x-amz-decoded-content-length': longer },
    body: framed(wrong.crc32),
    answer: '400 IncompleteBody',
  },
  {
    whole: true,
    what: 'a shorter decoded length',
    headers: { ...streaming, 'content-length': framedSize, 'x-amz-decoded-content-length': '5' },
    body: framed(wrong.crc32),
    answer: '400 IncompleteBody',
  },
  {
    what: 'chunks that end early',
    headers: { 'transfer-encoding': 'chunked' },
    body: Buffer.concat([Buffer.from(`${longer}\r\n`), content]),
    answer: '400 IncompleteBody',
  },
];

describe('bodies that lie', () => {
  let empty: Record<string, number>;

  before(async () => {
    system = await sharedSystem();
    await system.put(bucket);
    empty = await stored();
  });

  /** The janitor works behind; at most a few steps. */
  const leftNothing = async (): Promise<void> => {
    let now = await stored();
    for (let tries = 0; tries < 200 && JSON.stringify(now) !== JSON.stringify(empty); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      now = await stored();
    }
    assert.deepEqual(now, empty);
  };

  for (const { what, headers, body, answer, whole } of lies) {
    test(`${what}: ${answer}`, async () => {
      const got = await send(Buffer.concat([head('key', headers), body]), whole ? 'stay' : 'end');
      assert.equal(got === undefined ? '' : outcome(got), answer);
      assert.equal((await system.head(`${bucket}/key`)).status, 404);
    });
  }

  test('more than the length in one piece: 400 BadRequest, since nobody knows what was meant', async () => {
    const bytes = [head('key', { 'content-length': '5' }), Buffer.from('hello, world')];
    const got = await send(Buffer.concat(bytes), 'stay');
    assert.equal(got === undefined ? '' : outcome(got), '400 BadRequest');
    assert.equal((await system.head(`${bucket}/key`)).status, 404);
  });

  test('clients that vanish in the middle', async () => {
    for (const part of [0, 1, 4.5 * MiB]) {
      const bytes = [head('key', { 'content-length': size }), content.subarray(0, part)];
      await send(Buffer.concat(bytes), 'reset');
    }
    assert.equal((await system.head(`${bucket}/key`)).status, 404);
  });

  test('after all of them nothing is stored', () => leftNothing());
});
