// AWS's published examples for Signature Version 4 in S3, retyped. Provenance: AWS S3 API reference,
// "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk",
// "… in Multiple Chunks", "… with trailing headers" and "Using Query Parameters". They use the access key
// AKIAIOSFODNN7EXAMPLE, the region us-east-1 and the time 20130524T000000Z.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAuthorization } from '../../../protocols/s3/authorization.ts';
import { makeBodyDecoder } from '../../../protocols/s3/body-decoder.ts';
import { sha256Hex } from '../../../protocols/s3/sign-request.ts';
import { SigningKeyCache } from '../../../protocols/s3/signing-key.ts';
import { verifySignature, type ChunkSigning } from '../../../protocols/s3/verify-signature.ts';
import { exampleIdentity, exampleMs, rawRequest, s3Error, value } from './helpers.ts';

const emptyHash = sha256Hex('');

interface Example {
  readonly name: string;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signedHeaders: string;
  readonly signature: string;
}

const bucketHeaders = {
  Host: 'examplebucket.s3.amazonaws.com',
  'x-amz-content-sha256': emptyHash,
  'x-amz-date': '20130524T000000Z',
};

const examples: readonly Example[] = [
  {
    name: 'GET Object with a range',
    method: 'GET',
    target: '/test.txt',
    headers: { ...bucketHeaders, Range: 'bytes=0-9' },
    signedHeaders: 'host;range;x-amz-content-sha256;x-amz-date',
    signature: 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  {
    name: 'PUT Object, with a path that the client did not escape',
    method: 'PUT',
    target: '/test$file.text',
    headers: {
      ...bucketHeaders,
      Date: 'Fri, 24 May 2013 00:00:00 GMT',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': sha256Hex('Welcome to Amazon S3.'),
    },
    signedHeaders: 'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
    signature: '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  },
  {
    name: 'GET Bucket lifecycle: a parameter without a value',
    method: 'GET',
    target: '/?lifecycle',
    headers: bucketHeaders,
    signedHeaders: 'host;x-amz-content-sha256;x-amz-date',
    signature: 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  },
  {
    name: 'GET Bucket (list objects)',
    method: 'GET',
    target: '/?max-keys=2&prefix=J',
    headers: bucketHeaders,
    signedHeaders: 'host;x-amz-content-sha256;x-amz-date',
    signature: '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  },
];

function verifyExample(example: Example, secretKey = exampleIdentity.secretKey) {
  const credential = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';
  const { signedHeaders, signature } = example;
  const request = rawRequest(example.method, example.target, {
    ...example.headers,
    Authorization: `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=${signedHeaders},Signature=${signature}`,
  });
  const parsed = value(parseAuthorization(request));
  assert.ok(parsed.kind === 'header');
  const keys = new SigningKeyCache();
  return verifySignature({
    request,
    parsed,
    secretKey,
    nowMs: exampleMs,
    regions: ['us-east-1'],
    keys,
  });
}

describe('examples of AWS', () => {
  for (const example of examples) {
    test(example.name, () => {
      value(verifyExample(example));
      const error = s3Error('SignatureDoesNotMatch', verifyExample(example, 'another'));
      assert.match(error.fields['CanonicalRequest'] ?? '', /^(GET|PUT)\n\//);
    });
  }

  test('presigned GET', () => {
    const target =
      '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';
    const request = rawRequest('GET', target, { Host: 'examplebucket.s3.amazonaws.com' });
    const parsed = value(parseAuthorization(request));
    assert.ok(parsed.kind === 'query');
    assert.deepEqual(parsed.payload, { kind: 'none' });
    const options = { request, parsed, regions: ['us-east-1'], keys: new SigningKeyCache() };
    const { secretKey } = exampleIdentity;
    value(verifySignature({ ...options, secretKey, nowMs: exampleMs + 86_400_000 }));
    const late = { ...options, secretKey, nowMs: exampleMs + 86_400_001 };
    assert.equal(s3Error('AccessDenied', verifySignature(late)).message, 'Request has expired');
  });
});

/** 66,560 letters `a` in chunks of 64 KiB, as in both streaming examples. */
const content = Buffer.alloc(66_560, 'a');

function streamingExample(kind: string, extra: Record<string, string>, seed: string): ChunkSigning {
  const headers = {
    Host: 's3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': kind,
    'Content-Encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
    ...extra,
  };
  const signedHeaders = Object.keys(headers)
    .map((name) => name.toLowerCase())
    .toSorted()
    .join(';');
  const example = {
    name: kind,
    method: 'PUT',
    target: '/examplebucket/chunkObject.txt',
    headers,
    signedHeaders,
    signature: seed,
  };
  return value(verifyExample(example));
}

function chunk(bytes: Buffer, signature: string, end = '\r\n'): Buffer {
  const head = `${bytes.length.toString(16)};chunk-signature=${signature}\r\n`;
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from(end)]);
}

describe('examples of AWS: streaming', () => {
  test('a payload in signed chunks', () => {
    const signing = streamingExample(
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      { 'Content-Length': '66824' },
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    );
    const body = Buffer.concat([
      chunk(
        content.subarray(0, 65_536),
        'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
      ),
      chunk(
        content.subarray(65_536),
        '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
      ),
      chunk(Buffer.alloc(0), 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9'),
    ]);
    assert.equal(body.length, 66_824);
    const decoder = makeBodyDecoder({
      kind: 'aws-chunked',
      signing,
      trailerNames: undefined,
      contentBytes: 66_560,
      contentBytesMax: 66_560,
    });
    assert.deepEqual(Buffer.concat(decoder.push(body)), content);
    decoder.end();
  });

  test('a payload in signed chunks with a trailing checksum', () => {
    const signing = streamingExample(
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
      { 'x-amz-trailer': 'x-amz-checksum-crc32c' },
      '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    );
    const body = Buffer.concat([
      chunk(
        content.subarray(0, 65_536),
        'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
      ),
      chunk(
        content.subarray(65_536),
        '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
      ),
      chunk(
        Buffer.alloc(0),
        '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
        '',
      ),
      Buffer.from(
        'x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n',
      ),
    ]);
    const decoder = makeBodyDecoder({
      kind: 'aws-chunked',
      signing,
      trailerNames: ['x-amz-checksum-crc32c'],
      contentBytes: 66_560,
      contentBytesMax: 66_560,
    });
    assert.deepEqual(Buffer.concat(decoder.push(body)), content);
    decoder.end();
    assert.deepEqual([...decoder.trailers], [['x-amz-checksum-crc32c', 'sOO8/Q==']]);
  });
});
