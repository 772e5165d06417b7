// @aws-sdk/client-s3 as an oracle: requests that it would send, caught in its request handler, must verify
// and their bodies decode. Its streams come as trailers over chunked transfer, its presigned URLs carry the
// checksum of an empty body.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { parseAuthorization } from '../../../protocols/s3/authorization.ts';
import { receiveBody } from '../../../protocols/s3/body-receiver.ts';
import { checksumAlgorithms, checksumOf } from '../../../protocols/s3/checksums.ts';
import { uriEncode } from '../../../protocols/s3/canonical-request.ts';
import type { RawRequest } from '../../../protocols/s3/raw-request.ts';
import { SigningKeyCache } from '../../../protocols/s3/signing-key.ts';
import { verifySignature } from '../../../protocols/s3/verify-signature.ts';
import { exampleIdentity, rawRequest, s3Error, value } from './helpers.ts';

interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string | string[] | null>;
  readonly headers: Record<string, string | undefined>;
  readonly body: unknown;
}

interface Sent {
  readonly request: RawRequest;
  readonly body: Buffer;
}

class Caught extends Error {
  readonly sent: Sent;

  constructor(sent: Sent) {
    super('caught before the socket');
    this.sent = sent;
  }
}

/** As @smithy/node-http-handler writes the query of its request target. */
function queryText(query: SentRequest['query']): string {
  const pairs = Object.keys(query)
    .toSorted()
    .flatMap((name) => {
      const given = query[name];
      const values = Array.isArray(given) ? given : [given];
      return values.map((one) =>
        typeof one === 'string' ? `${uriEncode(name)}=${uriEncode(one)}` : uriEncode(name),
      );
    });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** Streams whose length is unknown have x-amz-decoded-content-length: undefined, which is not sent. */
function sentHeaders(headers: SentRequest['headers']): string[] {
  return Object.entries(headers).flatMap(([name, text]) =>
    text === undefined ? [] : [name, text],
  );
}

const handler = {
  metadata: { handlerProtocol: 'http/1.1' },
  async handle(sent: SentRequest): Promise<never> {
    const pieces: Buffer[] = [];
    if (sent.body instanceof Readable)
      for await (const piece of sent.body) pieces.push(Buffer.from(piece));
    else if (sent.body !== undefined) pieces.push(Buffer.from(sent.body as Uint8Array));
    const target = sent.path + queryText(sent.query);
    const request = rawRequest(sent.method, target, sentHeaders(sent.headers));
    throw new Caught({ request, body: Buffer.concat(pieces) });
  },
};

/** The SDK reports every caught stream as a failed one. */
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function client(config: S3ClientConfig = {}): S3Client {
  return new S3Client({
    region: exampleIdentity.region,
    endpoint: 'http://127.0.0.1:9000',
    credentials: {
      accessKeyId: exampleIdentity.accessKey,
      secretAccessKey: exampleIdentity.secretKey,
    },
    forcePathStyle: true,
    maxAttempts: 1,
    logger: silent,
    requestHandler: handler,
    ...config,
  });
}

async function caught(send: () => Promise<unknown>): Promise<Sent> {
  try {
    await send();
  } catch (error) {
    if (error instanceof Caught) return error.sent;
    throw error;
  }
  return assert.fail('nothing was sent');
}

const keys = new SigningKeyCache();

function authenticate({ request }: Sent) {
  const parsed = value(parseAuthorization(request));
  assert.ok(parsed.kind !== 'anonymous');
  const options = { request, parsed, nowMs: parsed.signedAtMs, regions: ['us-east-1'], keys };
  const { secretKey } = exampleIdentity;
  s3Error('SignatureDoesNotMatch', verifySignature({ ...options, secretKey: `${secretKey}x` }));
  return { parsed, signing: value(verifySignature({ ...options, secretKey })) };
}

/** Verifies, receives the body in pieces of 7 bytes, returns content and digests. */
function receive(sent: Sent) {
  const { parsed, signing } = authenticate(sent);
  const { request } = sent;
  const { payload } = parsed;
  const receiver = value(receiveBody({ request, payload, signing, contentBytesMax: 1 << 24 }));
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < sent.body.length; at += 7) {
    pieces.push(...receiver.push(sent.body.subarray(at, at + 7)));
  }
  const content = Buffer.concat(pieces);
  return { parsed, content, digests: receiver.end() };
}

const Bucket = 'bucket';
const Key = "k/ä b+%2F//x(1)'*!~日.txt";
const Body = Buffer.from('the quick brown fox '.repeat(100));

describe('@aws-sdk/client-s3', () => {
  const s3 = client();

  test('requests without a body', async () => {
    const commands = [
      new GetObjectCommand({ Bucket, Key, Range: 'bytes=1-2', VersionId: 'a b' }),
      new HeadObjectCommand({ Bucket, Key }),
      new ListObjectsV2Command({
        Bucket,
        Prefix: "a b/ä+%&=~*()'",
        Delimiter: '/',
        StartAfter: 'x;y',
      }),
      new CopyObjectCommand({
        Bucket,
        Key,
        CopySource: 'bucket/a%20b',
        MetadataDirective: 'REPLACE',
      }),
      new CreateBucketCommand({ Bucket }),
    ];
    for (const command of commands) {
      // oxlint-disable-next-line no-await-in-loop -- one request after another
      authenticate(await caught(() => s3.send(command as GetObjectCommand)));
    }
  });

  test('virtual-host style signs the host with the bucket', async () => {
    const virtual = client({ forcePathStyle: false, endpoint: 'http://s3.example.com' });
    const sent = await caught(() => virtual.send(new GetObjectCommand({ Bucket, Key })));
    assert.equal(sent.request.header('host'), 'bucket.s3.example.com');
    authenticate(sent);
  });

  test('bodies in memory: hashed, with a checksum header', async () => {
    const Metadata = { a: 'two  blanks', b: 'tab\tbed' };
    const sent = await caught(() => s3.send(new PutObjectCommand({ Bucket, Key, Body, Metadata })));
    const { parsed, content, digests } = receive(sent);
    assert.equal(parsed.payload.kind, 'sha256');
    assert.deepEqual(content, Body);
    assert.equal(digests.checksum?.value, checksumOf('CRC32', Body));
  });

  test('streams: unsigned chunks with a trailing checksum of each algorithm', async () => {
    for (const ChecksumAlgorithm of checksumAlgorithms) {
      const stream = Readable.from([
        Body.subarray(0, 1),
        Body.subarray(1, 700),
        Body.subarray(700),
      ]);
      const command = new PutObjectCommand({ Bucket, Key, Body: stream, ChecksumAlgorithm });
      // oxlint-disable-next-line no-await-in-loop -- one request after another
      const sent = await caught(() => s3.send(command));
      const { parsed, content, digests } = receive(sent);
      assert.equal(parsed.payload.kind, 'unsigned-trailer');
      assert.deepEqual(content, Body);
      const expected = checksumOf(ChecksumAlgorithm, Body);
      assert.deepEqual(digests.checksum, {
        algorithm: ChecksumAlgorithm,
        type: 'FULL_OBJECT',
        value: expected,
      });
    }
  });

  test('parts, deletes and completions', async () => {
    const upload = { Bucket, Key, UploadId: 'a/b+c=' };
    const commands = [
      new UploadPartCommand({
        ...upload,
        PartNumber: 3,
        Body,
        ContentMD5: 'k/9lbpFmu0ZGhRVsVRwUfw==',
      }),
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }], Quiet: true } }),
      new CompleteMultipartUploadCommand({
        ...upload,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag: 'x' }] },
      }),
    ];
    const [part, ...others] = commands;
    const sent = await caught(() => s3.send(part as UploadPartCommand));
    s3Error('BadDigest', () => receive(sent));
    for (const command of others) {
      // oxlint-disable-next-line no-await-in-loop -- one request after another
      receive(await caught(() => s3.send(command as UploadPartCommand)));
    }
  });

  test('temporary credentials sign their token', async () => {
    const { accessKey: accessKeyId, secretKey: secretAccessKey } = exampleIdentity;
    const credentials = { accessKeyId, secretAccessKey, sessionToken: 'a/token+==' };
    const temporary = client({ credentials });
    const sent = await caught(() => temporary.send(new GetObjectCommand({ Bucket, Key })));
    assert.equal(authenticate(sent).parsed.sessionToken, 'a/token+==');
  });
});
