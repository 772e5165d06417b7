import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bareETag,
  parseETags,
  readConditions,
  writeConditions,
  writeRefusal,
} from '../../../protocols/s3/conditions.ts';
import { httpDate, isoSeconds, parseHttpDate } from '../../../protocols/s3/http-date.ts';

const headers = (fields: Record<string, string>) => ({
  header: (name: string): string | undefined => fields[name],
});

test('ETags with and without quotes, lists, weak ones, the star', () => {
  assert.equal(parseETags('*'), '*');
  assert.equal(parseETags('"*"'), '*');
  assert.deepEqual(parseETags('"abc"'), ['abc']);
  assert.deepEqual(parseETags('abc'), ['abc']);
  assert.deepEqual(parseETags('"a", b ,"c-2"'), ['a', 'b', 'c-2']);
  assert.deepEqual(parseETags('W/"a"'), ['W/"a"']);
  assert.deepEqual(parseETags(' , '), []);
  assert.equal(bareETag('"'), '"');
  assert.equal(bareETag('""'), '');
});

test('conditions of reads and writes', () => {
  assert.deepEqual(writeConditions(headers({})), {});
  assert.deepEqual(writeConditions(headers({ 'if-match': '"a"', 'if-none-match': '*' })), {
    ifMatch: ['a'],
    ifNoneMatch: '*',
  });
  const date = 'Sat, 29 Oct 1994 19:43:31 GMT';
  const ms = Date.UTC(1994, 9, 29, 19, 43, 31);
  assert.deepEqual(readConditions(headers({})), {});
  assert.deepEqual(readConditions(headers({ 'if-unmodified-since': date })), {
    ifUnmodifiedSinceMs: ms,
  });
  assert.deepEqual(readConditions(headers({ 'if-modified-since': date, 'if-none-match': 'x' })), {
    ifModifiedSinceMs: ms,
    ifNoneMatch: ['x'],
  });
  assert.deepEqual(readConditions(headers({ 'if-modified-since': 'yesterday' })), {}, 'ignored');
  const source = headers({ 'x-amz-copy-source-if-match': '"s"', 'if-match': '"d"' });
  assert.deepEqual(readConditions(source, 'x-amz-copy-source-'), { ifMatch: ['s'] });
});

test('dates in every form of HTTP, and nothing else', () => {
  const ms = Date.UTC(1994, 10, 6, 8, 49, 37);
  const forms = ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT'];
  forms.push('Sun Nov  6 08:49:37 1994', 'Sun, 06 Nov 1994 09:49:37 +0100', '1994-11-06T08:49:37Z');
  for (const form of forms) assert.equal(parseHttpDate(form), ms, form);
  for (const none of ['', '0', '2', '1994', 'Nov', 'Sun, 66 Nov 1994 08:49:37 GMT', 'tomorrow'])
    assert.equal(parseHttpDate(none), undefined, none);
  assert.equal(httpDate(ms + 999), 'Sun, 06 Nov 1994 08:49:37 GMT');
  assert.equal(isoSeconds(ms + 999), '1994-11-06T08:49:37.000Z');
});

const codes = (conditions: Parameters<typeof writeRefusal>[0], etag?: string) =>
  writeRefusal(conditions, etag === undefined ? undefined : { etag })?.code;

test('a write that is bound to fail is known before its body', () => {
  assert.equal(codes({}, 'a'), undefined);
  assert.equal(codes({ ifNoneMatch: '*' }), undefined);
  assert.equal(codes({ ifNoneMatch: '*' }, 'a'), 'PreconditionFailed');
  assert.equal(codes({ ifNoneMatch: ['b'] }, 'a'), undefined);
  assert.equal(codes({ ifNoneMatch: ['b', 'a'] }, 'a'), 'PreconditionFailed');
  assert.equal(codes({ ifMatch: '*' }), 'NoSuchKey');
  assert.equal(codes({ ifMatch: ['b'] }), 'NoSuchKey');
  assert.equal(codes({ ifMatch: '*' }, 'a'), undefined);
  assert.equal(codes({ ifMatch: ['b'] }, 'a'), 'PreconditionFailed');
});
