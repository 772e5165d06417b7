// Fuzzer of request parsing and authentication: a signed request is mutated in its line and headers. It must
// be refused with an S3 error, never by another exception, and never verify unless what changed was not
// signed. Every reader of a header or of the query is called with what came, too.

import assert from 'node:assert/strict';
import { Prng } from '../../core/base/prng.ts';
import { parseAddress } from '../../protocols/s3/address.ts';
import { parseAuthorization } from '../../protocols/s3/authorization.ts';
import { receiveBody } from '../../protocols/s3/body-receiver.ts';
import { canonicalQuery, canonicalUri } from '../../protocols/s3/canonical-request.ts';
import { readConditions, writeConditions } from '../../protocols/s3/conditions.ts';
import { parseCopySource } from '../../protocols/s3/copy-source.ts';
import type { SignedRequest } from '../../protocols/s3/credential.ts';
import { isS3Error } from '../../protocols/s3/errors.ts';
import { decodeToken, listParameters, urlEncode } from '../../protocols/s3/listing.ts';
import {
  contentHeaders,
  headerOverrides,
  refuseUnsupported,
  storageClass,
  userMetadata,
} from '../../protocols/s3/object-headers.ts';
import { parseCopyRange, parseRange } from '../../protocols/s3/ranges.ts';
import { parseRawTarget, type RawRequest } from '../../protocols/s3/raw-request.ts';
import { route } from '../../protocols/s3/router.ts';
import {
  presignTarget,
  signRequest,
  type SigningIdentity,
} from '../../protocols/s3/sign-request.ts';
import { SigningKeyCache } from '../../protocols/s3/signing-key.ts';
import { parseStatedChecksum, trailerNames } from '../../protocols/s3/stated-checksum.ts';
import { parseTaggingHeader } from '../../protocols/s3/tags.ts';
import { verifySignature } from '../../protocols/s3/verify-signature.ts';
import { fuzzer, mutateBytes } from './fuzzer.ts';

const identity: SigningIdentity = { accessKey: 'AKIA', secretKey: 'secret', region: 'lampyr' };
const nowMs = Date.UTC(2026, 8, 15, 12);
const keys = new SigningKeyCache();

const tokens = [
  '%',
  '%2f',
  '%zz',
  '%00',
  '%ed%a0%80',
  '/',
  '//',
  '..',
  '?',
  '&',
  '=',
  ';',
  ',',
  ' ',
  '\t',
  '\u00e4',
  '\0',
  '"',
  '*',
  'X-Amz-Signature=',
  'X-Amz-Algorithm=AWS4-HMAC-SHA256',
  'X-Amz-Expires=604801',
  'x-amz-',
  'AWS ',
  'AWS4-HMAC-SHA256 ',
  '__proto__',
  'constructor',
  '-1',
  '1e9',
  '99999999999999999999',
  'bytes=0-',
  'bytes=-',
  'Tue, 15 Sep 2026 12:00:00 GMT',
  'UNSIGNED-PAYLOAD',
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'x-amz-checksum-crc32',
  'response-expires=',
  'versionId=',
  'uploadId=',
  'partNumber=1',
  'encoding-type=url',
  'continuation-token=',
];

/** Headers that some reader takes apart, with a value that it takes. */
const headerSamples: Readonly<Record<string, string>> = {
  range: 'bytes=0-9',
  'x-amz-copy-source-range': 'bytes=0-9',
  'x-amz-copy-source': '/bucket/key%20x?versionId=1',
  'if-match': '"a", "b"',
  'if-none-match': '*',
  'if-modified-since': 'Tue, 15 Sep 2026 12:00:00 GMT',
  'x-amz-tagging': 'a=1&b=%20',
  'x-amz-checksum-crc32': 'AAAAAA==',
  'x-amz-checksum-algorithm': 'CRC64NVME',
  'x-amz-checksum-type': 'COMPOSITE',
  'x-amz-sdk-checksum-algorithm': 'SHA256',
  'x-amz-trailer': 'x-amz-checksum-crc32c',
  'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'content-encoding': 'aws-chunked,gzip',
  'x-amz-website-redirect-location': '/x',
  'x-amz-storage-class': 'STANDARD',
  'x-amz-meta-a': 'b  c',
  'x-amz-acl': 'private',
  'x-amz-decoded-content-length': '3',
  'transfer-encoding': 'chunked',
  expires: 'never',
};

type Wire = { method: string; target: string; headers: string[] };
type Input = { signed: Wire; sent: Wire };

const targets = [
  '/',
  '/b',
  '/bkt/k%20x',
  '/bkt/a(b)+c?list-type=2&prefix=a%2Fb&delimiter=%2F&max-keys=5&encoding-type=url',
  '/bkt/k?uploads',
  '/bkt/k?partNumber=1&uploadId=abc',
  '/bkt/k?response-content-type=a&response-expires=b',
  '/bkt?versions&key-marker=a&version-id-marker=b',
  '/bkt?continuation-token=AQAAAAA&list-type=2',
  '/bkt//k/..?a=1&a=0',
  'http://h:9000/bkt/k',
];

function makeRequest(random: Prng): Wire {
  const method = random.pick(['GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'OPTIONS']);
  const target = random.pick(targets);
  const headers: Record<string, string> = { host: 'h:9000', 'content-length': '3' };
  for (let count = random.below(4); count > 0; count--) {
    const name = random.pick(Object.keys(headerSamples));
    headers[name] = headerSamples[name] as string;
  }
  const unsigned = { method, target, headers };
  if (random.chance(0.4)) {
    const presigned = presignTarget(unsigned, identity, nowMs, 60);
    return { method, target: presigned, headers: Object.entries(headers).flat() };
  }
  const { headers: signed } = signRequest(unsigned, identity, nowMs);
  return { method, target, headers: Object.entries(signed).flat() };
}

function mutateWire(random: Prng, wire: Wire): Wire {
  let { method, target } = wire;
  const headers = [...wire.headers];
  for (let count = random.below(3); count > 0; count--) {
    const what = random.below(10);
    const at = random.below(headers.length + 1);
    if (what === 0) method = random.pick(['GET', 'PUT', 'HEAD', 'get', '']);
    else if (what < 4) target = mutateBytes(random, target, tokens, 2);
    else if (what < 8 && at < headers.length)
      headers[at] = mutateBytes(random, headers[at] as string, tokens, 2);
    else if (what < 9) headers.splice(at - (at % 2), 2);
    else headers.push(random.pick(tokens).trim() || 'x', random.pick(tokens));
  }
  return { method, target, headers };
}

/** What the signature covers, so that two requests with the same are one. */
function covered(request: RawRequest, parsed: SignedRequest): string {
  const headers = parsed.signedHeaders.map((name) =>
    request.headerValues(name).map((text) => text.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '')),
  );
  return JSON.stringify([
    request.method,
    canonicalUri(request.rawPath),
    canonicalQuery(request.query),
    headers,
    parsed.payloadHash,
    parsed.amzDate,
    parsed.signature,
  ]);
}

function authenticate(wire: Wire): string {
  const request = parseRawTarget(wire.method, wire.target, wire.headers);
  if (!request.ok) return request.error.code;
  const parsed = parseAuthorization(request.value);
  if (!parsed.ok) return parsed.error.code;
  if (parsed.value.kind === 'anonymous') return 'anonymous';
  const { secretKey } = identity;
  const known = parsed.value.accessKey === identity.accessKey ? secretKey : undefined;
  const signing = verifySignature({
    request: request.value,
    parsed: parsed.value,
    secretKey: known,
    nowMs,
    regions: ['lampyr'],
    keys,
  });
  if (!signing.ok) return signing.error.code;
  const { payload } = parsed.value;
  receiveBody({ request: request.value, payload, signing: signing.value, contentBytesMax: 10 });
  return covered(request.value, parsed.value);
}

/** Calls every reader. @returns how often each kind of answer came */
function read(wire: Wire): void {
  const parsed = parseRawTarget(wire.method, wire.target, wire.headers);
  if (!parsed.ok) return;
  const request = parsed.value;
  for (const reader of readers) {
    try {
      reader(request);
    } catch (error) {
      if (!isS3Error(error)) throw error;
    }
  }
}

const given = (request: RawRequest, name: string, reader: (value: string) => unknown): unknown => {
  const value = request.header(name);
  return value === undefined ? undefined : reader(value);
};

const overrides = /^(contentType|content(Encoding|Language|Disposition)|cacheControl|expires)$/;

const readers: readonly ((request: RawRequest) => unknown)[] = [
  (request) => {
    const address = parseAddress(request.rawPath, request.header('host') ?? '', ['s3.example']);
    assert.ok(Buffer.from(address.keyBytes).equals(Buffer.from(address.key)), 'a key is its bytes');
    return route(request, address.scope);
  },
  (request) => route(request, 'service'),
  (request) => route(request, 'bucket'),
  (request) => route(request, 'object'),
  (request) => readConditions(request),
  (request) => readConditions(request, 'x-amz-copy-source-'),
  (request) => writeConditions(request),
  (request) => contentHeaders(request),
  (request) => userMetadata(request),
  (request) => storageClass(request),
  (request) => refuseUnsupported(request),
  (request) => {
    for (const [field, value] of Object.entries(headerOverrides(request.query) ?? {})) {
      assert.match(field, overrides, 'a query names a field that is no header');
      // oxlint-disable-next-line no-control-regex -- that is what must not get into a header
      assert.doesNotMatch(value, /[\r\n\0]|[^\u0000-\u00ff]/, 'no header holds this');
    }
  },
  (request) => {
    const { maxKeys, prefix } = listParameters(request);
    assert.ok(Number.isInteger(maxKeys) && maxKeys >= 0 && maxKeys <= 1000, 'a bounded page');
    assert.equal(decodeURIComponent(urlEncode(prefix)), prefix);
  },
  (request) => decodeToken(request.queryFirst('continuation-token') ?? ''),
  (request) => parseStatedChecksum(request),
  (request) => trailerNames(request),
  (request) => given(request, 'range', parseRange),
  (request) => given(request, 'x-amz-copy-source-range', parseCopyRange),
  (request) => given(request, 'x-amz-copy-source', parseCopySource),
  (request) => given(request, 'x-amz-tagging', parseTaggingHeader),
];

function check({ signed, sent }: Input): string {
  const original = authenticate(signed);
  assert.match(original, /^\[/, 'a valid request was refused');
  read(sent);
  const outcome = authenticate(sent);
  if (!outcome.startsWith('[')) return outcome;
  assert.equal(outcome, original, 'something that is signed was changed and accepted');
  return 'accepted';
}

export const requestFuzzer = fuzzer<Input>({
  name: 's3-request',
  expected: ['accepted', 'SignatureDoesNotMatch', 'AccessDenied', 'InvalidURI'],
  generate(random) {
    const signed = makeRequest(random);
    return { signed, sent: mutateWire(random, signed) };
  },
  mutate: (random, { signed, sent }) => ({ signed, sent: mutateWire(random, sent) }),
  check,
});
