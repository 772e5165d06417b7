// boto3 as an oracle: requests captured from it (test/vectors/s3/capture-boto3.py) must verify, their bodies
// decode to the content, and a change anywhere in what is signed must not verify.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseAuthorization } from '../../../protocols/s3/authorization.ts';
import { receiveBody } from '../../../protocols/s3/body-receiver.ts';
import { SigningKeyCache } from '../../../protocols/s3/signing-key.ts';
import { verifySignature } from '../../../protocols/s3/verify-signature.ts';
import { rawRequest, s3Error, value } from './helpers.ts';

interface Captured {
  readonly name: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Base64. */
  readonly body: string;
}

interface Capture {
  readonly provenance: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly content: string;
  readonly requests: readonly Captured[];
}

const file = new URL('../../../../test/vectors/s3/boto3.json', import.meta.url);
const capture = JSON.parse(readFileSync(file, 'utf8')) as Capture;
const content = Buffer.from(capture.content, 'base64');
const keys = new SigningKeyCache();

/** As Node's parser gives them: without blanks around the value. */
function received(captured: Captured): string[] {
  return captured.headers.flatMap(([name, text]) => [name, text.trim()]);
}

function verify(captured: Captured, secretKey: string | undefined) {
  const request = rawRequest(captured.method, captured.target, received(captured));
  const parsed = value(parseAuthorization(request));
  assert.ok(parsed.kind !== 'anonymous');
  assert.equal(parsed.accessKey, capture.accessKey);
  const nowMs = parsed.signedAtMs + 60_000;
  const regions = [capture.region];
  const signing = verifySignature({ request, parsed, secretKey, nowMs, regions, keys });
  return { request, parsed, signing };
}

const isV2 = (captured: Captured) => captured.name.includes('Version 2');
const isAnonymous = (captured: Captured) => captured.name.includes('anonymous');
const signed = capture.requests.filter((one) => !isV2(one) && !isAnonymous(one));

describe(`boto3: ${capture.provenance}`, () => {
  assert.ok(signed.length >= 34);

  for (const captured of signed) {
    test(captured.name, () => {
      value(verify(captured, capture.secretKey).signing);
      s3Error('SignatureDoesNotMatch', verify(captured, 'another secret').signing);
      s3Error('InvalidAccessKeyId', verify(captured, undefined).signing);
      const other = { ...captured, target: captured.target.replace(/^\//, '/x') };
      s3Error('SignatureDoesNotMatch', verify(other, capture.secretKey).signing);
      const method = captured.method === 'PUT' ? 'POST' : 'PUT';
      s3Error('SignatureDoesNotMatch', verify({ ...captured, method }, capture.secretKey).signing);
    });
  }

  for (const captured of capture.requests.filter((one) => one.name.includes(': '))) {
    test(`body: ${captured.name}`, () => {
      const request = rawRequest(captured.method, captured.target, received(captured));
      const parsed = value(parseAuthorization(request));
      const { payload } = parsed;
      const receiver = value(
        receiveBody({ request, payload, signing: undefined, contentBytesMax: 1 << 20 }),
      );
      const expected = captured.name.endsWith('nothing') ? Buffer.alloc(0) : content;
      assert.deepEqual(
        Buffer.concat(receiver.push(Buffer.from(captured.body, 'base64'))),
        expected,
      );
      const { checksum } = receiver.end();
      assert.ok(checksum !== undefined);
      const algorithm = /SHA1|SHA256/.exec(captured.name)?.[0] ?? 'CRC32';
      assert.equal(checksum.algorithm, algorithm);
    });
  }

  test('Signature Version 2 is refused and the remedy named', () => {
    const captured = capture.requests.find(isV2);
    assert.ok(captured);
    const request = rawRequest(captured.method, captured.target, received(captured));
    assert.match(s3Error('InvalidRequest', parseAuthorization(request)).message, /s3v4/);
  });
});
