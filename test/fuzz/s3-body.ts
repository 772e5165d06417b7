// Fuzzer of body decoding: a valid body of some mode is mutated, cut into pieces and received. Whatever
// comes, there is an S3 error or the original content, the same whole, byte by byte and for every cut, and
// never another exception.

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
import {
  cutAt,
  everyByte,
  fromLatin1,
  fuzzer,
  mutateBytes,
  randomBytes,
  randomCuts,
  toLatin1,
} from './fuzzer.ts';

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

type Kind = (typeof kinds)[number];

type Input = {
  kind: Kind;
  headers: Record<string, string>;
  content: string;
  body: string;
  /** Nothing was changed: the body must be accepted. */
  valid: boolean;
  cuts: number[];
};

function makeValid(random: Prng): Input {
  const content = random.chance(0.1) ? '' : randomBytes(random, 400);
  const bytes = fromLatin1(content);
  const kind = random.pick(kinds);
  const algorithm = random.pick(checksumAlgorithms);
  const header = checksumHeader(algorithm);
  const checksum = checksumOf(algorithm, bytes);
  const trailing = kind.endsWith('trailer');
  const framed = trailing || kind === 'signed-chunks';
  const body = framed
    ? encodeAwsChunked(bytes, {
        signing: kind.startsWith('signed') ? signing : undefined,
        chunkBytes: Array.from({ length: random.below(5) }, () => random.below(200)),
        trailers: trailing ? [[header, checksum]] : undefined,
      })
    : bytes;
  const headers: Record<string, string> = trailing
    ? { 'x-amz-trailer': header }
    : { [header]: checksum };
  if (framed) headers['x-amz-decoded-content-length'] = String(content.length);
  // Without a length the digests alone must find what is missing.
  if (random.chance(0.5)) headers['transfer-encoding'] = 'chunked';
  else headers['content-length'] = String(body.length);
  const cuts = randomCuts(random, body.length);
  return { kind, headers, content, body: toLatin1(body), valid: true, cuts };
}

/** Of the framing. */
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

/** In headers that state lengths and checksums. */
const lies = ['-1', '0', '1', '99999999999999999999', '1e3', ' ', ',', '0x10', 'AAAAAA=='];

function mutate(random: Prng, input: Input): Input {
  const body = mutateBytes(random, input.body, tokens, 3);
  const headers = { ...input.headers };
  if (random.chance(0.1)) {
    const name = random.pick(Object.keys(headers));
    headers[name] = mutateBytes(random, headers[name] ?? '', lies, 1);
  }
  const same = body === input.body && JSON.stringify(headers) === JSON.stringify(input.headers);
  const valid = input.valid && same;
  return { ...input, headers, body, valid, cuts: randomCuts(random, body.length) };
}

/** The content, or the code of the error. */
function receive({ kind, headers, content }: Input, pieces: readonly Buffer[]): Buffer | string {
  const raw = Object.entries({ host: 'h', ...headers }).flat();
  const request = parseRawTarget('PUT', '/b/k', raw);
  if (!request.ok) return request.error.code;
  const payload: PayloadMode =
    kind === 'sha256' ? { kind, hex: sha256Hex(fromLatin1(content)) } : { kind };
  const options = { request: request.value, payload, signing, contentBytesMax: 1 << 20 };
  const receiver = receiveBody(options);
  if (!receiver.ok) return receiver.error.code;
  assert.ok(receiver.value instanceof BodyReceiver);
  const received: Uint8Array[] = [];
  try {
    for (const piece of pieces) {
      for (const view of receiver.value.push(piece)) {
        const ofInput = view.length > 0 && view.buffer === piece.buffer;
        assert.ok(ofInput, 'content is a view of the input');
        received.push(view);
      }
    }
    receiver.value.end();
  } catch (error) {
    if (isS3Error(error)) return error.code;
    throw error;
  }
  return Buffer.concat(received);
}

function check(input: Input): string {
  const body = fromLatin1(input.body);
  const whole = receive(input, body.length === 0 ? [] : [body]);
  for (const pieces of [everyByte(body), cutAt(body, input.cuts)])
    assert.deepEqual(receive(input, pieces), whole, 'the outcome depends on how the body is cut');
  const content = fromLatin1(input.content);
  if (input.valid) assert.deepEqual(whole, content, 'a valid body was refused');
  if (typeof whole === 'string') return whole;
  // Without a checksum of the whole (its header was changed) an unsigned body may be any.
  if (isProven(input)) assert.deepEqual(whole, content, 'other content was accepted');
  return input.valid ? 'valid' : 'accepted';
}

const isProven = ({ kind, headers, content }: Input): boolean => {
  if (kind === 'sha256' || kind.startsWith('signed')) return true;
  return checksumAlgorithms.some((algorithm) => {
    const name = checksumHeader(algorithm);
    const value = checksumOf(algorithm, fromLatin1(content));
    return headers[name] === value || headers['x-amz-trailer'] === name;
  });
};

export const bodyFuzzer = fuzzer<Input>({
  name: 's3-body',
  expected: [
    'valid',
    'MalformedTrailerError',
    'IncompleteBody',
    'SignatureDoesNotMatch',
    'BadDigest',
  ],
  generate: (random) => mutate(random, makeValid(random)),
  mutate,
  check,
});
