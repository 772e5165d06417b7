// What must not authenticate, and with which code: every row of a signed request, wrong one at a time. The
// cases follow the negative lists of the public S3 conformance suites (malformed credentials, wrong scope,
// clocks, unsigned headers, presigned limits) and the classic holes.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Result } from '../../../core/base/result.ts';
import { parseAuthorization } from '../../../protocols/s3/authorization.ts';
import {
  canonicalHeaders,
  canonicalRequest,
  scopeText,
  stringToSign,
} from '../../../protocols/s3/canonical-request.ts';
import type { S3Error, S3ErrorCode } from '../../../protocols/s3/errors.ts';
import {
  presignTarget,
  signRequest,
  sha256Hex,
  type SigningIdentity,
} from '../../../protocols/s3/sign-request.ts';
import { deriveSigningKey, SigningKeyCache, signText } from '../../../protocols/s3/signing-key.ts';
import { verifySignature, type ChunkSigning } from '../../../protocols/s3/verify-signature.ts';
import { exampleIdentity, rawRequest, s3Error, value } from './helpers.ts';

const nowMs = Date.UTC(2026, 8, 15, 12);
const identity: SigningIdentity = { ...exampleIdentity, region: 'lampyr' };
const minute = 60_000;
const keys = new SigningKeyCache();

interface Request {
  readonly method: string;
  readonly target: string;
  readonly headers: Record<string, string>;
}

function authenticate(request: Request, atMs = nowMs): Result<ChunkSigning, S3Error> {
  const raw = rawRequest(request.method, request.target, request.headers);
  const parsed = parseAuthorization(raw);
  if (!parsed.ok) return parsed;
  assert.ok(parsed.value.kind !== 'anonymous', 'taken for anonymous');
  const known = parsed.value.accessKey === identity.accessKey;
  return verifySignature({
    request: raw,
    parsed: parsed.value,
    secretKey: known ? identity.secretKey : undefined,
    nowMs: atMs,
    regions: ['lampyr', 'us-east-1'],
    keys,
  });
}

const plain = {
  method: 'PUT',
  target: '/bucket/key?b=2&a&b=1',
  headers: { host: 'h:9000', 'content-type': 'a/b', 'x-amz-meta-a': ' b  c ', 'x-custom': '1' },
};

function signed(as: SigningIdentity = identity, atMs = nowMs, unsigned: Request = plain): Request {
  const payloadHash = sha256Hex('content');
  return { ...unsigned, headers: signRequest({ ...unsigned, payloadHash }, as, atMs).headers };
}

function presigned(as: SigningIdentity = identity, atMs = nowMs, seconds = 60): Request {
  const unsigned = { ...plain, headers: { host: 'h:9000', 'x-amz-meta-a': 'b' } };
  return { ...unsigned, target: presignTarget(unsigned, as, atMs, seconds) };
}

function refused(code: S3ErrorCode, request: Request, message: RegExp, atMs?: number): S3Error {
  const error = s3Error(code, authenticate(request, atMs));
  assert.match(error.message, message);
  return error;
}

/** The signed request with its Authorization header edited. */
function withHeader(edit: (authorization: string) => string): Request {
  const request = signed();
  const authorization = edit(request.headers['authorization'] ?? '');
  return { ...request, headers: { ...request.headers, authorization } };
}

function withCredential(credential: string): Request {
  return withHeader((text) => text.replace(/Credential=[^,]+/, `Credential=${credential}`));
}

/** The presigned request with a query parameter replaced, or removed. */
function withParameter(name: string, replacement: string | undefined): Request {
  const request = presigned();
  const pattern = new RegExp(`&${name}=[^&]*`);
  assert.match(request.target, pattern);
  const text = replacement === undefined ? '' : `&${name}=${encodeURIComponent(replacement)}`;
  return { ...request, target: request.target.replace(pattern, text) };
}

function without(request: Request, header: string): Request {
  const headers = { ...request.headers };
  delete headers[header];
  return { ...request, headers };
}

function withHeaders(request: Request, headers: Record<string, string>): Request {
  return { ...request, headers: { ...request.headers, ...headers } };
}

function badCredential(credential: string, message: RegExp): S3Error {
  return refused('AuthorizationHeaderMalformed', withCredential(credential), message);
}

function badPresignedCredential(credential: string, message: RegExp): S3Error {
  const request = withParameter('X-Amz-Credential', credential);
  return refused('AuthorizationQueryParametersError', request, message);
}

function parseAnonymous(headers: Record<string, string>) {
  return parseAuthorization(rawRequest('PUT', '/b/k?uploads', { host: 'h', ...headers }));
}

function parseAnonymousPayload(claim: string) {
  return parseAnonymous({ 'x-amz-content-sha256': claim });
}

/** Signed without the client's code: over exactly this path and these headers. */
function signedByHand(path: string, dated: Record<string, string>): Request {
  const scope = { date: '20260915', region: 'lampyr', service: 's3' };
  const payloadHash = 'UNSIGNED-PAYLOAD';
  const headers: Record<string, string> = {
    host: 'h',
    ...dated,
    'x-amz-content-sha256': payloadHash,
  };
  const signedHeaders = Object.keys(headers).toSorted();
  const canonical = canonicalRequest({
    method: 'GET',
    uri: path,
    query: '',
    headers: canonicalHeaders(rawRequest('GET', path, headers), signedHeaders),
    signedHeaders,
    payloadHash,
  });
  const key = deriveSigningKey(identity.secretKey, scope);
  const signature = signText(key, stringToSign('20260915T120000Z', scope, canonical));
  const credential = `${identity.accessKey}/${scopeText(scope)}`;
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
  return { method: 'GET', target: path, headers };
}

describe('authorization by header', () => {
  test('accepts what was signed, in the own region and in us-east-1', () => {
    value(authenticate(signed()));
    value(authenticate(signed({ ...identity, region: 'us-east-1' })));
    value(authenticate(signed({ ...identity, sessionToken: 'a+b/c==' })));
    value(authenticate(withHeaders(signed(), { 'user-agent': 'unsigned', range: 'bytes=0-1' })));
    value(authenticate(withHeader((text) => text.replaceAll(', ', ','))));
  });

  test('judges each of two clients that take turns by its own claim', () => {
    const [own, other] = [signed(), signed({ ...identity, region: 'us-east-1' })];
    for (const request of [own, other, own, own]) value(authenticate(request));
    const [claim = '', signature = ''] = (own.headers['authorization'] ?? '').split('Signature=');
    const [others = ''] = (other.headers['authorization'] ?? '').split('Signature=');
    for (const authorization of [
      `${others}Signature=${signature}`,
      `${claim}Signature=${signature}0`,
    ])
      refused('SignatureDoesNotMatch', withHeaders(own, { authorization }), /./);
    value(authenticate(own));
  });

  test('accepts Content-Type unsigned: clients add it after signing', () => {
    const request = signed(identity, nowMs, { ...plain, headers: { host: 'h' } });
    value(authenticate(withHeaders(request, { 'content-type': 'text/plain' })));
  });

  test('accepts a Date header in place of x-amz-date', () => {
    const request = signedByHand('/b', { date: new Date(nowMs).toUTCString() });
    value(authenticate(request));
    refused('AccessDenied', withHeaders(request, { date: 'yesterday' }), /valid Date/);
    refused('AccessDenied', without(request, 'date'), /valid Date/);
  });

  test('accepts a signature over the path as it was sent', () => {
    const path = '/b/a(b)%2fc';
    const request = signedByHand(path, { 'x-amz-date': '20260915T120000Z' });
    value(authenticate(request));
    refused('SignatureDoesNotMatch', { ...request, target: '/b/a(b)%2Fc' }, /./);
  });

  test('refuses any change of what was signed', () => {
    const request = signed();
    const changes: Request[] = [
      { ...request, method: 'GET' },
      { ...request, target: '/bucket/other?b=2&a&b=1' },
      { ...request, target: '/bucket/key?b=2&a&b=1&c' },
      { ...request, target: '/bucket/key?b=2&a' },
      { ...request, target: '/bucket/./key?b=2&a&b=1' },
      withHeaders(request, { host: 'other' }),
      withHeaders(request, { 'content-type': 'text/html' }),
      withHeaders(request, { 'x-amz-meta-a': 'b d' }),
      withHeaders(request, { 'x-amz-content-sha256': sha256Hex('other') }),
      withHeaders(request, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }),
      withHeaders(request, { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }),
      without(request, 'x-custom'),
    ];
    for (const change of changes) refused('SignatureDoesNotMatch', change, /./);
  });

  test('reads values with blanks as signers do', () => {
    value(authenticate(withHeaders(signed(), { 'x-amz-meta-a': 'b \t c' })));
  });

  test('keeps bytes above 0x7f apart: 0xa0 is no blank', () => {
    const headers = { host: 'h', 'x-amz-meta-a': Buffer.from('et  voilà').toString('latin1') };
    const request = signed(identity, nowMs, { ...plain, headers });
    value(authenticate(request));
    const cut = headers['x-amz-meta-a'].slice(0, -1);
    refused('SignatureDoesNotMatch', withHeaders(request, { 'x-amz-meta-a': cut }), /./);
  });

  test('refuses wrong signatures of every form', () => {
    const forms = [
      (text: string) => text.replace(/Signature=./, 'Signature=g'),
      (text: string) => text.slice(0, -1),
      (text: string) => `${text}0`,
      (text: string) => text.replace(/Signature=.*/, 'Signature='),
      (text: string) =>
        text.replace(/Signature=(.*)/, (_, hex: string) => `Signature=${hex.toUpperCase()}`),
    ];
    for (const form of forms) refused('SignatureDoesNotMatch', withHeader(form), /./);
    refused('SignatureDoesNotMatch', signed({ ...identity, secretKey: 'wrong' }), /./);
  });

  test('refuses an unknown access key', () => {
    const error = refused(
      'InvalidAccessKeyId',
      signed({ ...identity, accessKey: 'AKIAOTHER' }),
      /./,
    );
    assert.equal(error.fields['AWSAccessKeyId'], 'AKIAOTHER');
  });

  test('refuses malformed headers', () => {
    const scheme = (text: string) => withHeader((whole) => whole.replace('AWS4-HMAC-SHA256', text));
    refused(
      'InvalidArgument',
      withHeader(() => 'invalid_header'),
      /one and only one/,
    );
    refused('InvalidArgument', scheme('AWS2-HMAC-SHA1'), /Unsupported Authorization Type/);
    refused('InvalidArgument', scheme('AWS4-ECDSA-P256-SHA256'), /Unsupported/);
    refused(
      'InvalidArgument',
      withHeader(() => 'Bearer abc'),
      /Unsupported/,
    );
    refused(
      'InvalidRequest',
      withHeader(() => 'AWS AKIA:abc='),
      /AWS4-HMAC-SHA256/,
    );
    const malformed = (edit: (text: string) => string, message: RegExp) =>
      refused('AuthorizationHeaderMalformed', withHeader(edit), message);
    malformed((text) => text.replace(/SignedHeaders=[^,]+, /, ''), /three components/);
    malformed((text) => `${text},X=1`, /three components/);
    malformed(
      (text) => text.replace('SignedHeaders=', 'SignedHeaders-'),
      /component "SignedHeaders-/,
    );
    malformed((text) => text.replace('Credential=', 'missing_creds='), /missing Credential/);
    malformed((text) => text.replace('SignedHeaders=', 'missing='), /missing SignedHeaders/);
    malformed((text) => text.replace('Signature=', 'missing='), /missing Signature/);
    malformed(
      (text) => text.replace('SignedHeaders=', 'SignedHeaders=;'),
      /lower-case header names/,
    );
    malformed((text) => text.replace('host;', 'host;;'), /lower-case header names/);
    malformed((text) => text.replace('host;', 'Host;'), /lower-case header names/);
    malformed(
      (text) => text.replace('host;', `${'a;'.repeat(200)}host;`),
      /lower-case header names/,
    );
  });

  test('refuses wrong credentials', () => {
    const { accessKey } = identity;
    const bad = badCredential;
    bad(`${accessKey}/32234/us-east-1/s3/extra/things`, /the Credential is mal-formed/);
    bad(accessKey, /the Credential is mal-formed/);
    bad('/20260915/lampyr/s3/aws4_request', /the Credential is mal-formed/);
    bad(`${accessKey}/32234/us-east-1/s3/aws_request`, /incorrect terminal "aws_request"/);
    bad(`${accessKey}/32234/us-east-1/ec2/aws4_request`, /incorrect service "ec2"/);
    bad(`${accessKey}/3223423234/us-east-1/s3/aws4_request`, /incorrect date format "3223423234"/);
    bad(`${accessKey}/20250912/lampyr/s3/aws4_request`, /Date is not the same as X-Amz-Date/);
    const error = bad(
      `${accessKey}/20260915/eu-west-1/s3/aws4_request`,
      /region "eu-west-1" is wrong; expecting "lampyr"/,
    );
    assert.equal(error.fields['Region'], 'lampyr');
  });

  test('refuses clocks more than 15 minutes off, either way', () => {
    for (const offMs of [-15 * minute, 15 * minute])
      value(authenticate(signed(identity, nowMs + offMs)));
    for (const offMs of [
      -15 * minute - 1000,
      15 * minute + 1000,
      -5 * 1440 * minute,
      5 * 1440 * minute,
    ]) {
      const error = refused('RequestTimeTooSkewed', signed(identity, nowMs + offMs), /too large/);
      assert.equal(error.fields['MaxAllowedSkewMilliseconds'], '900000');
    }
  });

  test('refuses dates that do not exist', () => {
    for (const date of [
      '',
      '03032006',
      '20260231T000000Z',
      '20261301T000000Z',
      '20260915T240000Z',
      '20260915T120000',
    ]) {
      refused('AccessDenied', withHeaders(signed(), { 'x-amz-date': date }), /valid Date/);
    }
  });

  test('refuses headers of S3 that were not signed', () => {
    const extra = { 'x-amz-tagging': 'a=b', 'x-amz-copy-source': 'b/k' };
    const error = refused('AccessDenied', withHeaders(signed(), extra), /not signed/);
    assert.equal(error.fields['HeadersNotSigned'], 'x-amz-copy-source, x-amz-tagging');
    const hostless = withHeader((text) => text.replace('host;', ''));
    assert.equal(
      refused('AccessDenied', hostless, /not signed/).fields['HeadersNotSigned'],
      'host',
    );
  });

  test('refuses a payload claim that is missing or unknown', () => {
    refused('InvalidRequest', without(signed(), 'x-amz-content-sha256'), /x-amz-content-sha256/);
    for (const claim of [
      '',
      'invalid_sha256',
      'STREAMING',
      'STREAMING-AWS4-HMAC-SHA256',
      'unsigned-payload',
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
    ]) {
      const request = withHeaders(signed(), { 'x-amz-content-sha256': claim });
      const error = refused('InvalidArgument', request, /x-amz-content-sha256 must be/);
      assert.equal(error.fields['ArgumentValue'], claim);
    }
  });

  test('refuses two authorizations at once', () => {
    const both = { ...presigned(), headers: signed().headers };
    refused('InvalidArgument', both, /Only one auth mechanism/);
    const v2 = { ...signed(), target: '/b?AWSAccessKeyId=a&Signature=b&Expires=1' };
    refused('InvalidArgument', v2, /Only one auth mechanism/);
  });
});

describe('presigned requests', () => {
  test('accepts what was signed until it expires', () => {
    value(authenticate(presigned()));
    value(authenticate(presigned(), nowMs + 60_000));
    value(authenticate(presigned(identity, nowMs, 604_800), nowMs + 604_800_000));
    value(authenticate(presigned({ ...identity, sessionToken: 'a+b/c==' })));
    value(
      authenticate(withHeaders(presigned(), { 'content-type': 'text/plain', 'x-custom': '1' })),
    );
  });

  test('refuses it later, and before it begins', () => {
    const late = refused('AccessDenied', presigned(), /Request has expired/, nowMs + 61_000);
    assert.equal(late.fields['X-Amz-Expires'], '60');
    assert.equal(late.fields['Expires'], '2026-09-15T12:01:00.000Z');
    value(authenticate(presigned(identity, nowMs + 15 * minute)));
    refused('AccessDenied', presigned(identity, nowMs + 16 * minute), /not valid yet/);
  });

  test('refuses a life of no time or of more than a week', () => {
    for (const seconds of [0, -1, -1000]) {
      refused('AccessDenied', presigned(identity, nowMs, seconds), /Request has expired/);
    }
    refused('AccessDenied', presigned(identity, nowMs, 604_801), /less than a week/);
  });

  test('refuses any change of what was signed', () => {
    const request = presigned();
    const changes: Request[] = [
      { ...request, method: 'GET' },
      { ...request, target: request.target.replace('/key', '/other') },
      { ...request, target: `${request.target}&versionId=1` },
      withHeaders(request, { host: 'other' }),
      withHeaders(request, { 'x-amz-meta-a': 'c' }),
      withParameter('X-Amz-Expires', '61'),
      withParameter('X-Amz-Signature', '0'.repeat(64)),
      presigned({ ...identity, secretKey: 'wrong' }),
    ];
    for (const change of changes) refused('SignatureDoesNotMatch', change, /./);
    refused('InvalidAccessKeyId', presigned({ ...identity, accessKey: 'AKIAOTHER' }), /./);
  });

  test('refuses malformed parameters', () => {
    const bad = (name: string, text: string | undefined, message: RegExp) =>
      refused('AuthorizationQueryParametersError', withParameter(name, text), message);
    bad('X-Amz-Algorithm', 'AWS4-SHA256', /only supports "AWS4-HMAC-SHA256"/);
    bad('X-Amz-Algorithm', 'AWS4-ECDSA-P256-SHA256', /only supports "AWS4-HMAC-SHA256"/);
    for (const name of [
      'Algorithm',
      'Credential',
      'Signature',
      'Date',
      'SignedHeaders',
      'Expires',
    ]) {
      bad(`X-Amz-${name}`, undefined, /requires the X-Amz-Algorithm, X-Amz-Credential/);
      bad(`X-Amz-${name}`, '', /requires the X-Amz-Algorithm, X-Amz-Credential/);
    }
    bad('X-Amz-Date', '20260915', /ISO8601/);
    bad('X-Amz-Date', '20260914T120000Z', /Invalid credential date "20260915"/);
    bad('X-Amz-Expires', 'ten', /should be a number/);
    bad('X-Amz-Expires', '1.5', /should be a number/);
    bad('X-Amz-SignedHeaders', 'host;;x-amz-meta-a', /lower-case header names/);
    const twice = { ...presigned(), target: `${presigned().target}&X-Amz-Expires=604800` };
    refused('AuthorizationQueryParametersError', twice, /only once/);
  });

  test('refuses wrong credentials', () => {
    const { accessKey } = identity;
    const bad = badPresignedCredential;
    bad(`${accessKey}/20260915/lampyr/s3`, /the Credential is mal-formed/);
    bad(`${accessKey}/20260915/lampyr/s3/aws5_request`, /incorrect terminal "aws5_request"/);
    bad(`${accessKey}/20260915/lampyr/sns/aws4_request`, /incorrect service "sns"/);
    bad(`${accessKey}/20260915/eu-west-1/s3/aws4_request`, /expecting "lampyr"/);
    bad(`${accessKey}/32234Z34/lampyr/s3/aws4_request`, /incorrect date format "32234Z34"/);
    bad(`${accessKey}/20060102/lampyr/s3/aws4_request`, /Invalid credential date "20060102"/);
  });

  test('refuses headers of S3 that were not signed', () => {
    const extra = { 'x-amz-tagging': 'a=b', 'x-amz-copy-source': 'b/k' };
    const error = refused('AccessDenied', withHeaders(presigned(), extra), /not signed/);
    assert.equal(error.fields['HeadersNotSigned'], 'x-amz-copy-source, x-amz-tagging');
    // Else a holder of the URL could choose how the body is read.
    const mode = { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' };
    refused('AccessDenied', withHeaders(presigned(), mode), /not signed/);
  });

  test('refuses Signature Version 2 and names the remedy', () => {
    const v2 = { ...plain, target: '/b/k?AWSAccessKeyId=AKIA&Signature=a%3D&Expires=1141889120' };
    refused('InvalidRequest', v2, /Please use AWS4-HMAC-SHA256 .*s3v4/);
  });

  test('takes the payload claim from the query or from a signed header', () => {
    const payloadHash = sha256Hex('content');
    const unsigned = { ...plain, headers: { host: 'h' }, payloadHash };
    const target = presignTarget(unsigned, identity, nowMs, 60);
    const parsed = value(parseAuthorization(rawRequest('PUT', target, unsigned.headers)));
    assert.deepEqual(parsed.payload, { kind: 'sha256', hex: payloadHash });
    value(authenticate({ ...unsigned, target }));
  });
});

describe('anonymous requests', () => {
  test('are requests without a claim', () => {
    assert.deepEqual(value(parseAnonymous({})), { kind: 'anonymous', payload: { kind: 'none' } });
    assert.equal(value(parseAnonymous({ authorization: '' })).kind, 'anonymous');
  });

  test('may state their payload, but not with signed chunks', () => {
    assert.equal(
      value(parseAnonymousPayload('STREAMING-UNSIGNED-PAYLOAD-TRAILER')).payload.kind,
      'unsigned-trailer',
    );
    assert.equal(value(parseAnonymousPayload(sha256Hex(''))).payload.kind, 'sha256');
    s3Error('InvalidRequest', parseAnonymousPayload('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'));
    s3Error('InvalidRequest', parseAnonymousPayload('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'));
    s3Error('InvalidArgument', parseAnonymousPayload('anything'));
  });
});

describe('signing keys', () => {
  const scope = { date: '20260915', region: 'lampyr', service: 's3' };

  test('are derived once and serve only their secret', () => {
    const cache = new SigningKeyCache();
    const key = cache.get('a', 'secret', scope);
    assert.equal(cache.get('a', 'secret', { ...scope }), key);
    assert.notDeepEqual(cache.get('a', 'replaced', scope), key);
    assert.deepEqual(cache.get('a', 'secret', scope), key);
    assert.equal(cache.size, 1);
  });

  test('are bounded: the least recently used leaves', () => {
    const cache = new SigningKeyCache(2);
    const [a, b] = [cache.get('a', 's', scope), cache.get('b', 's', scope)];
    assert.equal(cache.get('a', 's', scope), a);
    cache.get('c', 's', scope);
    assert.equal(cache.size, 2);
    assert.equal(cache.get('a', 's', scope), a);
    assert.notEqual(cache.get('b', 's', scope), b);
  });

  test('sign as HMAC-SHA256 does, text of any length', () => {
    for (const [index, length] of [0, 1, 55, 56, 64, 200, 1024, 1025, 5000].entries()) {
      const key = Buffer.alloc(index % 2 === 0 ? 32 : 64, index + 1);
      const text = 'signed '.repeat(1000).slice(0, length);
      const expected = createHmac('sha256', key).update(text).digest('hex');
      assert.equal(signText(key, text), expected, `${length} characters`);
    }
  });
});
