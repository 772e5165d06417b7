// From headers to digests: which errors come before a byte of the body, what is computed, what is compared.
// The matrix of modes is in body-matrix.test.ts.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { receiveBody, type ReceiveOptions } from '../../../protocols/s3/body-receiver.ts';
import { checksumAlgorithms, checksumHeader, checksumOf } from '../../../protocols/s3/checksums.ts';
import { parsePayloadMode } from '../../../protocols/s3/payload-mode.ts';
import { sha256Hex } from '../../../protocols/s3/sign-request.ts';
import { encodeAwsChunked } from './aws-chunked-encoder.ts';
import { rawRequest, s3Error, value } from './helpers.ts';

const content = Buffer.from('abcdefg');
const md5 = createHash('md5').update(content).digest('hex');

function start(
  headers: Record<string, string>,
  payload = 'UNSIGNED-PAYLOAD',
  options: Partial<ReceiveOptions> = {},
) {
  const request = rawRequest('PUT', '/b/k', { host: 'h', 'content-length': '7', ...headers });
  return receiveBody({
    request,
    payload: value(parsePayloadMode(payload)),
    signing: undefined,
    contentBytesMax: 100,
    ...options,
  });
}

function receive(
  headers: Record<string, string>,
  payload?: string,
  options: Partial<ReceiveOptions> = {},
  body: Uint8Array = content,
) {
  const receiver = value(start(headers, payload, options));
  receiver.push(body);
  return receiver.end();
}

function trailing(name: string, text: string) {
  const headers = { 'content-length': '99', 'x-amz-trailer': name };
  const body = encodeAwsChunked(content, { trailers: [[name, text]] });
  return () => receive(headers, 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', {}, body);
}

describe('body receiver', () => {
  test('answers the MD5 as ETag, and a given ETag without computing it', () => {
    assert.deepEqual(receive({}), { etag: md5 });
    assert.deepEqual(receive({}, undefined, { etag: 'opaque' }), { etag: 'opaque' });
    const checked = { 'content-md5': Buffer.from(md5, 'hex').toString('base64') };
    assert.deepEqual(receive(checked, undefined, { etag: 'opaque' }), { etag: 'opaque' });
    const wrong = { 'content-md5': 'k/9lbpFmu0ZGhRVsVRwUfw==' };
    s3Error('BadDigest', () => receive(wrong, undefined, { etag: 'opaque' }));
  });

  test('verifies and returns a checksum of each algorithm, by header and by trailer', () => {
    for (const algorithm of checksumAlgorithms) {
      const header = checksumHeader(algorithm);
      const right = checksumOf(algorithm, content);
      const wrong = checksumOf(algorithm, Buffer.from('other'));
      const expected = { etag: md5, checksum: { algorithm, type: 'FULL_OBJECT', value: right } };
      assert.deepEqual(receive({ [header]: right }), expected);
      assert.deepEqual(receive({ [header]: right }, sha256Hex(content)), expected);
      assert.deepEqual(trailing(header, right)(), expected);
      const message = new RegExp(`^The ${algorithm} you specified did not match`);
      assert.match(s3Error('BadDigest', () => receive({ [header]: wrong })).message, message);
      assert.match(s3Error('BadDigest', trailing(header, wrong)).message, message);
      // No such value exists: refused before the body.
      s3Error('BadDigest', start({ [header]: 'bad' }));
      const malformed = s3Error('InvalidRequest', trailing(header, 'bad'));
      assert.equal(malformed.message, `Value for ${header} trailing header is invalid.`);
    }
  });

  test('computes an algorithm that the upload asks for, when none is stated', () => {
    const { checksum } = receive({}, undefined, { checksumAlgorithm: 'CRC64NVME' });
    assert.deepEqual(checksum, {
      algorithm: 'CRC64NVME',
      type: 'FULL_OBJECT',
      value: 'SmzZ/LTp1CA=',
    });
    const stated = { 'x-amz-checksum-crc32': 'MSpqpg==' };
    const both = receive(stated, undefined, { checksumAlgorithm: 'CRC64NVME' });
    assert.equal(both.checksum?.algorithm, 'CRC32');
  });

  test('finds the hash of the payload wrong before anything else', () => {
    const headers = {
      'x-amz-checksum-crc32': 'AAAAAA==',
      'content-md5': 'k/9lbpFmu0ZGhRVsVRwUfw==',
    };
    const stated = sha256Hex('other');
    const error = s3Error('XAmzContentSHA256Mismatch', () => receive(headers, stated));
    assert.deepEqual(error.fields, {
      ClientComputedContentSHA256: stated,
      S3ComputedContentSHA256: sha256Hex(content),
    });
    s3Error('BadDigest', () => receive(headers, sha256Hex(content)));
  });

  test('takes no headers for an empty body, unless a length is required', () => {
    const request = rawRequest('PUT', '/b/k', { host: 'h' });
    const options = {
      request,
      payload: { kind: 'none' },
      signing: undefined,
      contentBytesMax: 1,
    } as const;
    const receiver = value(receiveBody(options));
    assert.equal(receiver.sizeBytes, 0);
    assert.equal(receiver.end().etag, 'd41d8cd98f00b204e9800998ecf8427e');
    s3Error('MissingContentLength', receiveBody({ ...options, lengthRequired: true }));
    const chunked = rawRequest('PUT', '/b/k', { host: 'h', 'transfer-encoding': 'chunked' });
    assert.equal(
      value(receiveBody({ ...options, request: chunked, lengthRequired: true })).sizeBytes,
      undefined,
    );
  });

  test('knows the size of the content, not of its framing', () => {
    const headers = { 'content-length': '99', 'x-amz-decoded-content-length': '7' };
    const payload = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
    const receiver = value(start(headers, payload));
    assert.equal(receiver.sizeBytes, 7);
    const [piece] = receiver.push(encodeAwsChunked(content, { trailers: [] }));
    assert.deepEqual(piece, content);
    assert.equal(receiver.receivedBytes, 7);
    receiver.end();
    const unknown = value(start({ 'content-length': '99' }, payload));
    assert.equal(unknown.sizeBytes, undefined);
  });

  test('enforces the largest size where the length is unknown', () => {
    const headers = { 'transfer-encoding': 'chunked', 'content-length': '' };
    s3Error('MissingContentLength', start(headers));
    const request = rawRequest('PUT', '/b/k', { host: 'h', 'transfer-encoding': 'chunked' });
    const payload = { kind: 'unsigned' } as const;
    const receiver = value(
      receiveBody({ request, payload, signing: undefined, contentBytesMax: 10 }),
    );
    receiver.push(Buffer.alloc(10));
    const error = s3Error('EntityTooLarge', () => receiver.push(Buffer.alloc(1)));
    assert.deepEqual(error.fields, { ProposedSize: '11', MaxSizeAllowed: '10' });
  });

  test('refuses a trailer with a plain body, and signed chunks without their length', () => {
    const trailer = start({ 'x-amz-trailer': 'x-amz-checksum-crc32' });
    assert.match(s3Error('InvalidRequest', trailer).message, /x-amz-content-sha256 with trailer/);
    const signing = {
      signingKey: Buffer.alloc(32),
      scope: { date: '20260915', region: 'lampyr', service: 's3' },
      amzDate: '20260915T120000Z',
      seedSignature: '',
    };
    s3Error('MissingContentLength', start({}, 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { signing }));
  });

  test('enforces strict chunks when asked', () => {
    const headers = { 'content-length': '99', 'x-amz-decoded-content-length': '7' };
    const payload = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
    const body = encodeAwsChunked(content, { trailers: [], chunkBytes: [3] });
    receive(headers, payload, {}, body);
    s3Error('InvalidChunkSizeError', () => receive(headers, payload, { strictChunks: true }, body));
  });
});
