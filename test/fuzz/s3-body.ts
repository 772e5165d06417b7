// Fuzzer of body decoding: a valid body of some mode is mutated, cut into pieces and received. Whatever
// comes, there is an S3 error or the original content, the same for every cut, and never another exception;
// a body whose chunks are signed is accepted only as it was signed.

import assert from 'node:assert/strict';
import { Prng } from '../../core/base/prng.ts';
import { BodyReceiver, receiveBody } from '../../protocols/s3/body-receiver.ts';
import { checksumAlgorithms, checksumHeader, checksumOf } from '../../protocols/s3/checksums.ts';
import { isS3Error } from '../../protocols/s3/errors.ts';
import type { PayloadMode } from '../../protocols/s3/payload-mode.ts';
import { parseRawTarget } from '../../protocols/s3/raw-request.ts';
import { sha256Hex } from '../../protocols/s3/sign-request.ts';
import type { ChunkSigning } from '../../protocols/s3/verify-signature.ts';
import { encodeAwsChunked } from '../protocols/s3/aws-chunked-encoder.ts';
import { fuzzMain } from './run.ts';

const signing: ChunkSigning = {
  signingKey: Buffer.alloc(32, 7),
  scope: { date: '20260915', region: 'lampyr', service: 's3' },
  amzDate: '20260915T120000Z',
  seedSignature: 'ab'.repeat(32),
};

const kinds = [
  'sha256',
  'unsigned',
  'signed-chunks',
  'signed-chunks-trailer',
  'unsigned-trailer',
] as const;

interface Case {
  readonly payload: PayloadMode;
  readonly headers: Record<string, string>;
  readonly content: Buffer;
  readonly body: Buffer;
}

function makeCase(random: Prng): Case {
  const content = Buffer.alloc(random.chance(0.1) ? 0 : random.below(400));
  random.fill(content);
  const kind = random.pick(kinds);
  const payload: PayloadMode = kind === 'sha256' ? { kind, hex: sha256Hex(content) } : { kind };
  const algorithm = random.pick(checksumAlgorithms);
  const header = checksumHeader(algorithm);
  const checksum = checksumOf(algorithm, content);
  const trailing = kind.endsWith('trailer');
  const framed = trailing || kind === 'signed-chunks';
  const body = framed
    ? encodeAwsChunked(content, {
        signing: kind.startsWith('signed') ? signing : undefined,
        chunkBytes: Array.from({ length: random.below(5) }, () => random.below(200)),
        trailers: trailing ? [[header, checksum]] : undefined,
      })
    : content;
  const headers: Record<string, string> = trailing
    ? { 'x-amz-trailer': header }
    : { [header]: checksum };
  if (framed) headers['x-amz-decoded-content-length'] = String(content.length);
  // Without a length the digests alone must find what is missing.
  if (random.chance(0.5)) headers['transfer-encoding'] = 'chunked';
  else headers['content-length'] = String(body.length);
  return { payload, headers, content, body };
}

const tokens = [
  '\r\n',
  '\n',
  '0\r\n',
  '0\r\n\r\n',
  ';chunk-signature=',
  '0'.repeat(64),
  'ffffffff\r\n',
  'x-amz-checksum-crc32:',
  'x-amz-trailer-signature:',
  '\r\n\r\n',
  '\0',
  ';',
  ':',
];

function mutate(random: Prng, body: Buffer): Buffer {
  let bytes = Buffer.from(body);
  for (let count = random.below(4); count > 0; count--) {
    const at = random.below(bytes.length + 1);
    const to = Math.min(bytes.length, at + random.below(random.chance(0.5) ? 3 : 80));
    const kept = [bytes.subarray(0, at), bytes.subarray(to)] as const;
    const [inserted] = [
      () => Buffer.from([random.below(256)]),
      () => Buffer.from(random.pick(tokens)),
      () => Buffer.concat([bytes.subarray(at, to), bytes.subarray(at, to)]),
      () => bytes.subarray(random.below(bytes.length + 1)).subarray(0, 100),
      () => Buffer.alloc(0),
      () => bytes.subarray(at, to).map((byte) => byte ^ (1 << random.below(8))),
    ].splice(random.below(6), 1);
    bytes = Buffer.concat([kept[0], inserted?.() ?? Buffer.alloc(0), kept[1]]);
  }
  return bytes;
}

function cut(random: Prng, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  const size = random.pick([1, 10, 100, 1000]);
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(size);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

/** The content, or the code of the error. */
function receive({ payload, headers }: Case, pieces: readonly Buffer[]): Buffer | string {
  const raw = Object.entries({ host: 'h', ...headers }).flat();
  const request = parseRawTarget('PUT', '/b/k', raw);
  assert.ok(request.ok);
  const options = { request: request.value, payload, signing, contentBytesMax: 1 << 20 };
  const receiver = receiveBody(options);
  assert.ok(receiver.ok && receiver.value instanceof BodyReceiver);
  const content: Uint8Array[] = [];
  try {
    for (const piece of pieces) {
      for (const view of receiver.value.push(piece)) {
        assert.ok(
          view.length > 0 && view.buffer === piece.buffer,
          'content is a view of the input',
        );
        content.push(view);
      }
    }
    receiver.value.end();
  } catch (error) {
    if (isS3Error(error)) return error.code;
    throw error;
  }
  return Buffer.concat(content);
}

export function fuzzBody(seed: number): string {
  const random = new Prng(seed);
  const one = makeCase(random);
  const body = mutate(random, one.body);
  const whole = receive(one, body.length === 0 ? [] : [body]);
  const pieces = receive(one, cut(random, body));
  assert.deepEqual(pieces, whole, 'the outcome depends on how the body is cut');
  if (body.equals(one.body)) assert.deepEqual(whole, one.content, 'a valid body was refused');
  if (typeof whole === 'string') return whole;
  assert.deepEqual(whole, one.content, 'other content was accepted');
  return body.equals(one.body) ? 'valid' : 'accepted';
}

fuzzMain(import.meta.url, fuzzBody);
