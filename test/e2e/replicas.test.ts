import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { MiB, limits } from '../../core/base/limits.ts';
import type { SystemStatus } from '../../gateways/launcher/status.ts';
import { fsckOf, isWhole, processOf, statusOf } from '../tools/admin.ts';
import { type Lampyr, startLampyr } from '../tools/lampyr.ts';
import { temporaryDirectory } from '../tools/temporary.ts';

// Three replicas of every chunk, in real store processes, through S3: what survives the death of any two of them.

/** Design 4.4: nobody is kept waiting longer when a replica of each chain lives. */
const waitMsMax = limits.storeDeadMs + 5_000;
const wholeMs = 60_000;

class Bucket {
  private readonly s3: S3Client;

  constructor({ endpoints, accessKey, secretKey }: Lampyr) {
    this.s3 = new S3Client({
      endpoint: endpoints.s3,
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    });
  }

  async make(): Promise<void> {
    await this.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  }

  async put(Key: string, Body: Buffer): Promise<void> {
    await this.s3.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body }));
  }

  async get(Key: string): Promise<Buffer> {
    const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: 'bucket', Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async remove(Key: string): Promise<void> {
    await this.s3.send(new DeleteObjectCommand({ Bucket: 'bucket', Key }));
  }

  async keys(): Promise<string[]> {
    const { Contents = [] } = await this.s3.send(new ListObjectsV2Command({ Bucket: 'bucket' }));
    return Contents.map(({ Key }) => Key ?? '');
  }

  async multipart(Key: string, parts: readonly Buffer[]): Promise<void> {
    const about = { Bucket: 'bucket', Key };
    const { UploadId } = await this.s3.send(new CreateMultipartUploadCommand(about));
    const Parts = await Promise.all(
      parts.map(async (Body, at) => {
        const part = { ...about, UploadId, PartNumber: at + 1, Body };
        const { ETag } = await this.s3.send(new UploadPartCommand(part));
        return { ETag, PartNumber: at + 1 };
      }),
    );
    const complete = { ...about, UploadId, MultipartUpload: { Parts } };
    await this.s3.send(new CompleteMultipartUploadCommand(complete));
  }
}

async function kill(data: string, ...stores: readonly number[]): Promise<void> {
  const status = await statusOf(data);
  for (const store of stores) process.kill(processOf(status, `store-${store}`).pid, 'SIGKILL');
}

async function whole(data: string): Promise<SystemStatus> {
  for (const end = Date.now() + wholeMs; ;) {
    const status = await statusOf(data);
    // A process that was killed a moment ago is missed at once, its replicas a little later.
    if (isWhole(status) && status.processes.every(({ state }) => state === 'SERVING'))
      return status;
    assert.ok(Date.now() < end, `not whole in time: ${JSON.stringify(status.chains)}`);
    await delay(100);
  }
}

/** Content that no other key has. */
function bodyOf(name: string, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${name} `);
}

async function inTime(what: string, work: () => Promise<void>): Promise<void> {
  const startedMs = Date.now();
  await work();
  const tookMs = Date.now() - startedMs;
  assert.ok(tookMs < waitMsMax, `${what} took ${tookMs} ms`);
}

describe('three replicas', () => {
  test('stores die, one and two at a time: nothing is lost, nobody waits long, all heal', async (context) => {
    const dataDir = join(temporaryDirectory(context), 'data');
    let lampyr = await startLampyr({ dataDir, arguments: ['--replicas', '3'] });
    context.after(() => void lampyr.killAll());
    let bucket = new Bucket(lampyr);
    const expected = new Map<string, Buffer>();
    const put = async (key: string, bytes: number): Promise<void> => {
      const body = bodyOf(key, bytes);
      await bucket.put(key, body);
      expected.set(key, body);
    };
    const check = async (): Promise<void> => {
      for (const [key, body] of expected) assert.ok((await bucket.get(key)).equals(body), key);
      assert.deepEqual(await bucket.keys(), [...expected.keys()].toSorted());
    };
    await bucket.make();
    await put('small', 5);
    await put('large', 5 * MiB + 17);
    await bucket.multipart('parts', [bodyOf('a', 5 * MiB), bodyOf('b', 100)]);
    expected.set('parts', Buffer.concat([bodyOf('a', 5 * MiB), bodyOf('b', 100)]));
    await whole(dataDir);

    await kill(dataDir, 2);
    await inTime('work after one store died', async () => {
      await Promise.all([put('one-a', 4096), put('one-b', 300_000), check()]);
    });
    const { processes, notes } = await whole(dataDir);
    assert.equal(processes.find(({ role }) => role === 'store-2')?.restarts, 1);
    assert.match(notes.join(), /metadata is on one disk/);

    await kill(dataDir, 1, 3);
    await inTime('work after two stores died', async () => {
      await Promise.all([put('two-a', 4096), put('two-b', 300_000)]);
      await bucket.remove('small');
      expected.delete('small');
      await check();
    });
    await whole(dataDir);
    const { clean, counts, findings } = await fsckOf(dataDir);
    assert.ok(clean && findings.length === 0, JSON.stringify(findings));
    assert.ok((counts['replicas compared'] ?? 0) >= 3 * expected.size);

    assert.equal(await lampyr.stop(), 0);
    lampyr = await startLampyr({ dataDir });
    bucket = new Bucket(lampyr);
    await check();
    assert.equal(await lampyr.stop(), 0);
  });
});
