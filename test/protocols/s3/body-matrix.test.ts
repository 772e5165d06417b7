// Every cell of payload mode × authorization × length form, from the request line to the digests: accepted
// as sent, refused when cut, lengthened, changed or lied about. docs/internals/s3-body.md names this table.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAuthorization } from '../../../protocols/s3/authorization.ts';
import { receiveBody, type BodyReceiver } from '../../../protocols/s3/body-receiver.ts';
import { checksumOf } from '../../../protocols/s3/checksums.ts';
import type { ContentDigests } from '../../../protocols/s3/content-digester.ts';
import type { S3ErrorCode } from '../../../protocols/s3/errors.ts';
import { payloadMarkers } from '../../../protocols/s3/payload-mode.ts';
import { presignTarget, sha256Hex, signRequest } from '../../../protocols/s3/sign-request.ts';
import { SigningKeyCache } from '../../../protocols/s3/signing-key.ts';
import { verifySignature, type ChunkSigning } from '../../../protocols/s3/verify-signature.ts';
import { encodeAwsChunked } from './aws-chunked-encoder.ts';
import { exampleIdentity, exampleMs, rawRequest, s3Error, value } from './helpers.ts';

const modes = ['none', 'sha256', ...Object.keys(payloadMarkers)] as (
  | 'none'
  | 'sha256'
  | keyof typeof payloadMarkers
)[];
type Mode = (typeof modes)[number];
const authorizations = ['header', 'presigned', 'anonymous'] as const;
type Authorization = (typeof authorizations)[number];
const lengths = ['Content-Length', 'chunked'] as const;

interface Cell {
  readonly mode: Mode;
  readonly authorization: Authorization;
  readonly length: (typeof lengths)[number];
}

const content = Buffer.from(Array.from({ length: 300 }, (_, at) => (at * 7) % 256));
const checksum = checksumOf('CRC32C', content);
const framed = (mode: Mode) => mode.endsWith('chunks') || mode.endsWith('trailer');
const signedChunks = (mode: Mode) => mode.startsWith('signed');
const trailing = (mode: Mode) => mode.endsWith('trailer');
const isCell = ({ mode, authorization }: Cell) =>
  // A header authorization always states its payload; nobody anonymous can sign chunks.
  !(mode === 'none' && authorization === 'header') &&
  !(signedChunks(mode) && authorization === 'anonymous');

const cells: Cell[] = modes
  .flatMap((mode) => authorizations.map((authorization) => ({ mode, authorization })))
  .flatMap((cell) => lengths.map((length) => ({ ...cell, length })))
  .filter(isCell);

interface Upload {
  readonly receiver: BodyReceiver;
  readonly body: Buffer;
}

/** A request of the cell with `lies` among its headers, authenticated, and its body. */
function upload(cell: Cell, lies: Record<string, string> = {}): Upload {
  const { mode, authorization } = cell;
  const probe = framed(mode) ? encode(mode, fakeSigning) : content;
  const headers: Record<string, string> = { host: 'h' };
  if (cell.length === 'chunked') headers['transfer-encoding'] = 'chunked';
  else headers['content-length'] = String(probe.length);
  if (framed(mode)) headers['x-amz-decoded-content-length'] = String(content.length);
  if (trailing(mode)) headers['x-amz-trailer'] = 'x-amz-checksum-crc32c';
  else headers['x-amz-checksum-crc32c'] = checksum;
  Object.assign(headers, lies);
  const { request, signing } = authenticated(mode, authorization, headers);
  const body = framed(mode) ? encode(mode, signing ?? fakeSigning) : content;
  const { payload } = value(parseAuthorization(request));
  const receiver = receiveBody({ request, payload, signing, contentBytesMax: 1000 });
  return { receiver: value(receiver), body };
}

const fakeSigning: ChunkSigning = {
  signingKey: Buffer.alloc(32),
  scope: { date: '20130524', region: 'us-east-1', service: 's3' },
  amzDate: '20130524T000000Z',
  seedSignature: '0'.repeat(64),
};

function encode(mode: Mode, signing: ChunkSigning): Buffer {
  return encodeAwsChunked(content, {
    signing: signedChunks(mode) ? signing : undefined,
    chunkBytes: [1, 99, 100],
    trailers: trailing(mode) ? [['x-amz-checksum-crc32c', checksum]] : undefined,
  });
}

function authenticated(mode: Mode, authorization: Authorization, headers: Record<string, string>) {
  const payloadHash =
    mode === 'none' ? undefined : mode === 'sha256' ? sha256Hex(content) : payloadMarkers[mode];
  const stated = payloadHash === undefined ? {} : { payloadHash };
  const unsigned = { method: 'PUT', target: '/bucket/key', headers, ...stated };
  if (authorization === 'anonymous') {
    const claim = payloadHash === undefined ? {} : { 'x-amz-content-sha256': payloadHash };
    const request = rawRequest('PUT', '/bucket/key', { ...headers, ...claim });
    return { request, signing: undefined };
  }
  const request =
    authorization === 'header'
      ? rawRequest('PUT', '/bucket/key', signRequest(unsigned, exampleIdentity, exampleMs).headers)
      : rawRequest('PUT', presignTarget(unsigned, exampleIdentity, exampleMs, 60), headers);
  const parsed = value(parseAuthorization(request));
  assert.ok(parsed.kind !== 'anonymous');
  const { secretKey } = exampleIdentity;
  const keys = new SigningKeyCache();
  const options = { request, parsed, secretKey, nowMs: exampleMs, regions: ['us-east-1'], keys };
  return { request, signing: value(verifySignature(options)) };
}

interface Received {
  readonly content: Buffer;
  readonly digests: ContentDigests;
}

function receive({ receiver, body }: Upload, pieceBytes = 64): Received {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += pieceBytes) {
    pieces.push(...receiver.push(body.subarray(at, at + pieceBytes)));
  }
  return { digests: receiver.end(), content: Buffer.concat(pieces) };
}

function changed(body: Buffer, at: number): Buffer {
  const copy = Buffer.from(body);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

/** What a changed content byte is found by first. */
function codeOfChange(mode: Mode): S3ErrorCode {
  if (mode === 'sha256') return 'XAmzContentSHA256Mismatch';
  return signedChunks(mode) ? 'SignatureDoesNotMatch' : 'BadDigest';
}

describe('payload mode × authorization × length', () => {
  assert.equal(cells.length, 30);

  for (const cell of cells) {
    const { mode } = cell;
    describe(`${mode} × ${cell.authorization} × ${cell.length}`, () => {
      test('is received', () => {
        for (const pieceBytes of [1, 7, 64, 1000]) {
          const received = receive(upload(cell), pieceBytes);
          assert.deepEqual(received.content, content);
          assert.equal(received.digests.checksum?.value, checksum);
        }
      });

      test('is refused with a changed byte of content', () => {
        const { receiver, body } = upload(cell);
        const at = body.lastIndexOf(content.subarray(250)) + 3;
        s3Error(codeOfChange(mode), () => receive({ receiver, body: changed(body, at) }));
      });

      test('is refused when it ends early', () => {
        const lengthKnown = framed(mode) || cell.length === 'Content-Length';
        // Without any length only the digests tell; a cut transfer is the HTTP parser's finding.
        const code = lengthKnown ? 'IncompleteBody' : codeOfChange(mode);
        for (const missing of [1, 2, 30, 299]) {
          const { receiver, body } = upload(cell);
          const cut = body.subarray(0, body.length - missing);
          s3Error(code, () => receive({ receiver, body: cut }));
        }
      });

      test('is refused when it goes on', () => {
        const lengthKnown = framed(mode) || cell.length === 'Content-Length';
        const code = lengthKnown ? 'IncompleteBody' : codeOfChange(mode);
        for (const more of ['x', '\r\n', '0\r\n\r\n']) {
          const { receiver, body } = upload(cell);
          const longer = Buffer.concat([body, Buffer.from(more)]);
          s3Error(code, () => receive({ receiver, body: longer }));
        }
      });

      if (framed(mode)) {
        test('is refused when the decoded length lies', () => {
          for (const length of ['299', '301', '0']) {
            const lies = { 'x-amz-decoded-content-length': length };
            s3Error('IncompleteBody', () => receive(upload(cell, lies)));
          }
          for (const length of ['', 'abc', '12x', '-1', '1e3', '9'.repeat(21)]) {
            const lies = { 'x-amz-decoded-content-length': length };
            s3Error('MissingContentLength', () => upload(cell, lies));
          }
          for (const length of ['9007199254740993', '18446744073709551615']) {
            const lies = { 'x-amz-decoded-content-length': length };
            s3Error('EntityTooLarge', () => upload(cell, lies));
          }
        });
      }

      test('is refused over the largest size', () => {
        const header = framed(mode) ? 'x-amz-decoded-content-length' : 'content-length';
        s3Error('EntityTooLarge', () => upload(cell, { [header]: '1001' }));
      });

      test('is refused when Content-MD5 differs', () => {
        const md5 = { 'content-md5': 'k/9lbpFmu0ZGhRVsVRwUfw==' };
        s3Error('BadDigest', () => receive(upload(cell, md5)));
        for (const bad of ['', 'k/9lbpFmu0ZGhRVsVRwU', 'k/9lbpFmu0ZGhRVsVRwUfw=', 'not base64']) {
          s3Error('InvalidDigest', () => upload(cell, { 'content-md5': bad }));
        }
      });

      if (!trailing(mode)) {
        test('is refused when it announces a trailer', () => {
          const lies = { 'x-amz-trailer': 'x-amz-checksum-crc32c' };
          s3Error('InvalidRequest', () => upload(cell, lies));
        });
      }
    });
  }
});
