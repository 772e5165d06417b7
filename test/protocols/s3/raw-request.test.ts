import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonicalQuery, canonicalUri } from '../../../protocols/s3/canonical-request.ts';
import { parseRawTarget } from '../../../protocols/s3/raw-request.ts';
import { rawRequest, s3Error, value } from './helpers.ts';

const host = ['Host', 'h'];

describe('raw request', () => {
  test('keeps the path as it was sent', () => {
    for (const path of [
      '/',
      '/b',
      '/b/',
      '//b//k',
      '/b/../../etc',
      '/b/./%2e%2E/k',
      '/b/a%2Fb',
      '/b/%00',
    ]) {
      assert.equal(rawRequest('GET', path, host).rawPath, path);
    }
    const request = rawRequest('GET', '/b/k?x=1?&y', host);
    assert.equal(request.rawPath, '/b/k');
    assert.equal(request.rawQuery, 'x=1?&y');
  });

  test('decodes the query once, keeps order and repeats', () => {
    const request = rawRequest(
      'GET',
      '/?b=2&a=%26%3D+x&uploads&b=1&c=&&d==;&%C3%A4=%e6%97%a5',
      host,
    );
    assert.deepEqual(
      request.query.map((pair) => `${pair.name}|${pair.value}`),
      ['b|2', 'a|&= x', 'uploads|', 'b|1', 'c|', 'd|=;', 'ä|日'],
    );
    assert.equal(request.queryFirst('b'), '2');
    assert.deepEqual(request.queryAll('b'), ['2', '1']);
    assert.ok(request.hasQuery('uploads') && !request.hasQuery('Uploads'));
    assert.equal(request.queryFirst('nothing'), undefined);
  });

  test('refuses what does not parse', () => {
    const bad = [
      '',
      'b',
      '*',
      '/%',
      '/%4',
      '/%zz',
      '/%ff',
      '/%c3',
      '/a b',
      '/a\u0000',
      '/a#b',
      '/?a=%',
      '/?%ff=1',
    ];
    for (const target of [
      ...bad,
      '/\u0080',
      '/\u65e5',
      'ftp://h/',
      'http:/h',
      '/a\tb',
      '/a\r\nb',
    ]) {
      s3Error('InvalidURI', parseRawTarget('GET', target, host));
    }
  });

  test('takes absolute-form for the host it was sent to', () => {
    const request = rawRequest('GET', 'HTTP://h/b//k?x', host);
    assert.equal(request.rawPath, '/b//k');
    assert.equal(request.rawQuery, 'x');
    assert.equal(rawRequest('GET', 'https://H', host).rawPath, '/');
    assert.equal(rawRequest('GET', 'http://h?x=/', host).rawQuery, 'x=/');
    s3Error('InvalidRequest', parseRawTarget('GET', 'http://other/b', host));
  });

  test('escapes bytes that should have been escaped', () => {
    const request = rawRequest('GET', '/b/\u00c3\u00a4?p=\u00c3\u00a4', host);
    assert.equal(request.rawPath, '/b/%C3%A4');
    assert.equal(request.queryFirst('p'), 'ä');
  });

  test('gives headers by lower-case name with their repeats', () => {
    const request = rawRequest('GET', '/', ['HOST', 'h', 'X-A', '1', 'x-a', '2', '__proto__', 'p']);
    assert.equal(request.header('host'), 'h');
    assert.equal(request.header('x-a'), '1,2');
    assert.deepEqual(request.headerValues('x-a'), ['1', '2']);
    assert.deepEqual([...request.headerNames()], ['host', 'x-a', '__proto__']);
    assert.equal(request.header('constructor'), undefined);
    assert.deepEqual(request.headerValues('none'), []);
  });

  test('refuses a second header of those that decide', () => {
    for (const name of [
      'host',
      'Authorization',
      'x-amz-date',
      'X-Amz-Content-Sha256',
      'content-length',
    ]) {
      const twice = parseRawTarget('GET', '/', [name, '1', name.toUpperCase(), '1']);
      assert.match(s3Error('InvalidRequest', twice).message, /only once/);
    }
  });
});

function canonical(rawQuery: string): string {
  return canonicalQuery(value(parseRawTarget('GET', `/?${rawQuery}`, host)).query);
}

describe('canonical form', () => {
  test('of paths: decoded and encoded once, never normalised', () => {
    const cases = [
      ['/b/k', '/b/k'],
      ['/b//../k/.', '/b//../k/.'],
      ['/a%20b', '/a%20b'],
      ['/%41%7e', '/A~'],
      ['/%c3%a4', '/%C3%A4'],
      ["/a(b)*!'", '/a%28b%29%2A%21%27'],
      ['/a+b', '/a%2Bb'],
      ['/a$b=c:d@e&f,g', '/a%24b%3Dc%3Ad%40e%26f%2Cg'],
      ['/a%2Fb', '/a/b'],
      ['/%252F', '/%252F'],
    ] as const;
    for (const [raw, expected] of cases) assert.equal(canonicalUri(raw), expected);
  });

  test('of queries: sorted by name, then value; repeats kept', () => {
    assert.equal(canonical(''), '');
    assert.equal(canonical('uploads'), 'uploads=');
    assert.equal(canonical('b=2&a=1&b=1&b=10&B=3'), 'B=3&a=1&b=1&b=10&b=2');
    // `-` sorts before `=`: whole pairs as text would be the wrong order.
    assert.equal(canonical('a-b=1&a=2'), 'a=2&a-b=1');
    assert.equal(canonical('p=a;b&q=%7E*%2a'), 'p=a%3Bb&q=~%2A%2A');
    assert.equal(canonical('p=a+b%20c%2B'), 'p=a%20b%20c%2B');
    assert.equal(canonical('%C3%A4=1&z=2'), '%C3%A4=1&z=2');
  });
});
