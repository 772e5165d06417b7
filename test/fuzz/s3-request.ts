// Fuzzer of request parsing and authentication: a signed request is mutated in its line and headers. It must
// be refused with an S3 error, never by another exception, and never verify unless what changed was not
// signed; random targets and headers must not throw either.

import assert from 'node:assert/strict';
import { Prng } from '../../core/base/prng.ts';
import { parseAuthorization } from '../../protocols/s3/authorization.ts';
import { receiveBody } from '../../protocols/s3/body-receiver.ts';
import { canonicalQuery, canonicalUri } from '../../protocols/s3/canonical-request.ts';
import type { SignedRequest } from '../../protocols/s3/credential.ts';
import { parseRawTarget, type RawRequest } from '../../protocols/s3/raw-request.ts';
import {
  presignTarget,
  signRequest,
  type SigningIdentity,
} from '../../protocols/s3/sign-request.ts';
import { SigningKeyCache } from '../../protocols/s3/signing-key.ts';
import { verifySignature } from '../../protocols/s3/verify-signature.ts';
import { fuzzMain } from './run.ts';

const identity: SigningIdentity = { accessKey: 'AKIA', secretKey: 'secret', region: 'lampyr' };
const nowMs = Date.UTC(2026, 8, 15, 12);
const keys = new SigningKeyCache();

const tokens = [
  '%',
  '%2f',
  '%zz',
  '/',
  '//',
  '..',
  '?',
  '&',
  '=',
  ';',
  ',',
  ' ',
  '\u00e4',
  '\0',
  'X-Amz-Signature=',
  'x-amz-',
  'AWS ',
  'AWS4-HMAC-SHA256 ',
  '__proto__',
  '-1',
  '1e9',
  'UNSIGNED-PAYLOAD',
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'x-amz-checksum-crc32',
];

interface Wire {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
}

function makeRequest(random: Prng): Wire {
  const method = random.pick(['GET', 'PUT', 'POST', 'DELETE']);
  const target = random.pick([
    '/',
    '/b',
    '/b/k%20x',
    '/b/a(b)+c?list-type=2&prefix=a%2Fb',
    '/b/k?uploads',
    '/b//k/..?a=1&a=0',
  ]);
  const headers: Record<string, string> = {
    host: 'h:9000',
    'x-amz-meta-a': 'b  c',
    'content-length': '3',
  };
  const unsigned = { method, target, headers };
  if (random.chance(0.4)) {
    const presigned = presignTarget(unsigned, identity, nowMs, 60);
    return { method, target: presigned, headers: Object.entries(headers).flat() };
  }
  return {
    method,
    target,
    headers: Object.entries(signRequest(unsigned, identity, nowMs).headers).flat(),
  };
}

function mutateText(random: Prng, text: string): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + random.below(random.chance(0.7) ? 3 : 40));
  const insert = random.pick([
    random.pick(tokens),
    String.fromCharCode(random.below(256)),
    '',
    text.slice(at, to).repeat(2),
    text.slice(at, to).toUpperCase(),
  ]);
  return text.slice(0, at) + insert + text.slice(to);
}

function mutate(random: Prng, wire: Wire): Wire {
  let { method, target } = wire;
  const headers = [...wire.headers];
  for (let count = random.below(3); count > 0; count--) {
    const what = random.below(10);
    const at = random.below(headers.length);
    if (what === 0) method = random.pick(['GET', 'PUT', 'HEAD', 'get', '']);
    else if (what < 4) target = mutateText(random, target);
    else if (what < 8) headers[at] = mutateText(random, headers[at] as string);
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

export function fuzzRequest(seed: number): string {
  const random = new Prng(seed);
  const wire = makeRequest(random);
  const signed = authenticate(wire);
  assert.match(signed, /^\[/, 'a valid request was refused');
  const outcome = authenticate(mutate(random, wire));
  if (!outcome.startsWith('[')) return outcome;
  assert.equal(outcome, signed, 'something that is signed was changed and accepted');
  return 'accepted';
}

fuzzMain(import.meta.url, fuzzRequest);
