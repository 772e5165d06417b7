// How answers reach the client: in full or visibly not, at the reader's pace, late, while the door drains, and
// when there is too much to do.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CoreError } from '../../../core/base/errors.ts';
import { MiB } from '../../../core/base/limits.ts';
import type { ObjectContent, Principal, ReadRequest } from '../../../core/model/objects/types.ts';
import { type Door, elementOf, main, openDoor, outcome, requestBytes } from './door.ts';
import { MemoryObjects } from './memory-objects.ts';

const pieceBytes = 1 * MiB;

/** Content of `/b/SIZE` is SIZE MiB; names with a mark misbehave. */
class OddContent extends MemoryObjects {
  pulled = 0;
  cancelled = 0;

  override async get(who: Principal, request: ReadRequest): Promise<ObjectContent> {
    const head = await super.head(who, { ...request, key: Buffer.from('x') });
    const name = Buffer.from(request.key).toString();
    const lengthBytes = Number.parseInt(name, 10) * MiB;
    const info = { ...head.info, sizeBytes: lengthBytes };
    const chunks = name.endsWith('lent')
      ? this.lentPieces(lengthBytes)
      : this.pieces(name, lengthBytes);
    const cancel = (): void => void this.cancelled++;
    return { info, firstByte: 0, lengthBytes, partial: false, chunks, cancel };
  }

  /** Each piece lies in the memory of the one before it, which is scrawled over first. */
  private async *lentPieces(lengthBytes: number): AsyncGenerator<Uint8Array> {
    const memory = Buffer.alloc(pieceBytes);
    for (let sent = 0; sent < lengthBytes; sent += pieceBytes) {
      yield memory.fill(sent / pieceBytes + 1);
      memory.fill(0xee);
    }
  }

  private async *pieces(name: string, lengthBytes: number): AsyncGenerator<Uint8Array> {
    if (name.endsWith('fails-at-once')) throw new CoreError('CORRUPT', 'bad block');
    for (let sent = 0; sent < lengthBytes; sent += pieceBytes) {
      if (name.endsWith('fails') && sent > 0) throw new CoreError('CORRUPT', 'bad block');
      if (name.endsWith('short') && sent > 0) return;
      this.pulled++;
      yield Buffer.alloc(name.endsWith('long') ? pieceBytes + 1 : pieceBytes, 'x');
    }
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`never: ${what}`);
}

describe('content', () => {
  const objects = new OddContent();
  let door: Door;

  before(async () => {
    door = await openDoor({ objects, limits: { stallMs: 400, sweepMs: 100 } });
    await door.send({ method: 'PUT', target: '/bucket' });
    await door.send({ method: 'PUT', target: '/bucket/x', body: 'x' });
  });
  after(() => door.close());

  const get = async (name: string) => {
    const client = await door.connect();
    client.write(requestBytes(door.host, { method: 'GET', target: `/bucket/${name}` }));
    return client;
  };

  test('whole content arrives whole', async () => {
    const client = await get('5');
    const answer = await client.read();
    assert.equal(answer.status, 200);
    assert.equal(answer.body.length, 5 * MiB);
    client.destroy();
  });

  test('no piece is pulled before the connection has taken the one before it', async () => {
    const client = await get('24-lent');
    client.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.socket.resume();
    const { body } = await client.read();
    assert.equal(body.length, 24 * MiB);
    for (let piece = 0; piece < 24; piece++) {
      const bytes = body.subarray(piece * MiB, (piece + 1) * MiB);
      assert.ok(bytes.equals(Buffer.alloc(MiB, piece + 1)), `piece ${piece}`);
    }
    client.destroy();
  });

  test('a read that fails before its first byte is an error answer', async () => {
    const client = await get('2-fails-at-once');
    assert.equal(outcome(await client.read()), '500 InternalError');
    assert.ok(
      door.events.some(
        ({ name, fields }) => name === 's3-request-failed' && fields['reason'] === 'bad block',
      ),
    );
    client.destroy();
  });

  test('content that fails, ends early or is too long never looks whole', async () => {
    for (const name of ['3-fails', '3-short', '3-long']) {
      const client = await get(name);
      await assert.rejects(client.read(), /connection closed/, name);
      client.destroy();
    }
  });

  test('a reader that does not read is not read for, and cut in the end', async () => {
    const [pulled, cancelled] = [objects.pulled, objects.cancelled];
    const client = await get('500');
    client.socket.pause();
    await until(() => objects.cancelled > cancelled, 'cancelled');
    // What the kernel's buffers and one window take, not 500.
    assert.ok(objects.pulled - pulled < 40, `${objects.pulled - pulled} MiB were read`);
    client.destroy();
  });

  test('a reader that goes away stops the read', async () => {
    const [pulled, cancelled] = [objects.pulled, objects.cancelled];
    const client = await get('500');
    client.socket.once('data', () => client.destroy());
    await until(() => objects.cancelled > cancelled, 'cancelled');
    assert.ok(objects.pulled - pulled < 100);
  });
});

/** Completes after a while, as told. */
class SlowComplete extends MemoryObjects {
  fails = false;

  override async completeUpload(...call: Parameters<MemoryObjects['completeUpload']>) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (this.fails) throw new CoreError('PART_INVALID', 'gone');
    return super.completeUpload(...call);
  }
}

describe('late answers', () => {
  const objects = new SlowComplete();
  let door: Door;

  before(async () => {
    door = await openDoor({ objects, limits: { lateAnswerMs: 60, lateBeatMs: 50 } });
    await door.send({ method: 'PUT', target: '/bucket' });
  });
  after(() => door.close());

  const complete = async () => {
    const created = await door.send({ method: 'POST', target: '/bucket/k?uploads' });
    const id = elementOf(created, 'UploadId');
    const target = `/bucket/k?uploadId=${id}`;
    const part = await door.send({ method: 'PUT', target: `${target}&partNumber=1`, body: 'x' });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part></CompleteMultipartUpload>`;
    return door.send({ method: 'POST', target, body });
  };

  test('the head goes out first, blanks follow, then the document', async () => {
    const answer = await complete();
    assert.equal(answer.status, 200);
    assert.match(
      answer.body.toString(),
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n {2,}<CompleteMultipartUploadResult .*<\/CompleteMultipartUploadResult>$/,
    );
  });

  test('an error that comes late is told in the document', async () => {
    objects.fails = true;
    const answer = await complete();
    assert.equal(answer.status, 200);
    assert.match(
      answer.body.toString(),
      /^<\?xml [^>]*>\n {2,}<Error><Code>InvalidPart<\/Code>.*<\/Error>$/,
    );
  });
});

/** Lists only when let. */
class HeldObjects extends MemoryObjects {
  waiting: (() => void)[] = [];

  override async listBuckets(...call: Parameters<MemoryObjects['listBuckets']>) {
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    return super.listBuckets(...call);
  }
}

describe('load and the end', () => {
  test('above the number of requests served at once clients are told to slow down', async () => {
    const objects = new HeldObjects();
    const door = await openDoor({ objects, limits: { requestsMax: 2 } });
    const held = [1, 2].map(() => door.send({ method: 'GET', target: '/' }));
    await until(() => objects.waiting.length === 2, 'two requests held');
    const third = await door.send({ method: 'GET', target: '/' });
    assert.equal(outcome(third), '503 SlowDown');
    assert.equal(third.headers['retry-after'], '1');
    for (const release of objects.waiting) release();
    for (const answer of await Promise.all(held)) assert.equal(answer.status, 200);
    await door.close();
  });

  test('draining finishes what is under way, closes what idles and takes nothing new', async () => {
    const objects = new HeldObjects();
    const door = await openDoor({ objects });
    const [idle, busy] = [await door.connect(), await door.connect()];
    busy.write(requestBytes(door.host, { method: 'GET', target: '/' }));
    await until(() => objects.waiting.length === 1, 'a request under way');
    const drained = door.drain();
    await assert.rejects(door.connect(), /ECONNREFUSED/);
    await idle.closed;
    objects.waiting[0]?.();
    const answer = await busy.read();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['connection'], 'close');
    await busy.closed;
    for (const client of [idle, busy]) client.destroy();
    await drained;
  });

  test('requests are counted by operation and status, errors by code', async () => {
    const door = await openDoor();
    await door.send({ method: 'PUT', target: '/bucket' });
    await door.send({ method: 'PUT', target: '/bucket/k', body: '12345' });
    await door.send({ method: 'GET', target: '/bucket/k' });
    await door.send({ method: 'GET', target: '/bucket/none' });
    await until(
      () => door.events.filter(({ name }) => name === 's3-request').length === 4,
      'log lines',
    );
    const text = await door.metrics.metrics();
    for (const line of [
      'lampyr_s3_requests_total{operation="PutObject",status="200"} 1',
      'lampyr_s3_requests_total{operation="GetObject",status="404"} 1',
      'lampyr_s3_errors_total{code="NoSuchKey"} 1',
      'lampyr_s3_received_bytes_total 5',
      'lampyr_s3_requests_in_flight 0',
    ])
      assert.ok(text.includes(line), `${line} in\n${text}`);
    const put = door.events.find(({ fields }) => fields['operation'] === 'PutObject');
    const { requestId, ms, peer, ...rest } = put?.fields ?? {};
    assert.deepEqual(rest, {
      operation: 'PutObject',
      bucket: 'bucket',
      key: 'k',
      status: 200,
      code: undefined,
      receivedBytes: 5,
      sentBytes: 0,
      caller: main.displayName,
    });
    assert.ok(typeof requestId === 'string' && typeof ms === 'number' && typeof peer === 'string');
    await door.close();
  });
});
