// Single objects through the door, on the real core: what is stored comes back, byte for byte and header for
// header; ranges, conditions, checksums; copies; deletes.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { Prng } from '../../../core/base/prng.ts';
import { checksumOf } from '../../../protocols/s3/checksums.ts';
import { elementOf, outcome } from './door.ts';
import { type System, sharedSystem, uploadParts } from './system.ts';

let s3: System;

const md5 = (bytes: string | Uint8Array): string => createHash('md5').update(bytes).digest('hex');

function randomBytes(count: number, seed: number): Buffer {
  const bytes = Buffer.alloc(count);
  new Prng(seed).fill(bytes);
  return bytes;
}

const putIf = async (headers: Record<string, string>, key = 'written'): Promise<string> =>
  outcome(await s3.put(`/objects/${key}`, 'written', headers));

describe('objects', () => {
  before(async () => {
    s3 = await sharedSystem();
    await s3.put('/objects');
  });
  describe('put and get', () => {
    test('content of every size comes back', async () => {
      for (const size of [0, 1, 4096, 65_537, 1_048_576, 5_000_001]) {
        const bytes = randomBytes(size, size);
        const put = await s3.put('/objects/sizes', bytes);
        assert.equal(put.status, 200);
        assert.equal(put.headers['etag'], `"${md5(bytes)}"`);
        assert.equal(put.headers['x-amz-version-id'], undefined);
        const got = await s3.get('/objects/sizes');
        assert.equal(got.headers['content-length'], String(size));
        assert.ok(got.body.equals(bytes), `${size} bytes`);
        const head = await s3.head('/objects/sizes');
        assert.equal(head.headers['content-length'], String(size));
      }
    });

    test('headers and metadata come back as sent', async () => {
      const headers = {
        'content-type': 'text/plain; charset=utf-8',
        'content-encoding': 'gzip, aws-chunked',
        'content-language': 'de-DE',
        'content-disposition': 'attachment; filename="a b"',
        'cache-control': 'public, max-age=14400',
        expires: 'Thu, 01 Dec 2094 16:00:00 GMT',
        'x-amz-website-redirect-location': '/elsewhere',
        'x-amz-storage-class': 'STANDARD_IA',
        'x-amz-meta-Mixed-Case': 'Value',
        'x-amz-meta-utf8': Buffer.from('größe €').toString('latin1'),
        'x-amz-meta-latin1': 'gr\u00f6\u00dfe',
        'x-amz-meta-empty': '',
        'x-amz-tagging': 'b=2&a=1',
      };
      assert.equal((await s3.put('/objects/headers', 'x', headers)).status, 200);
      for (const answer of [await s3.get('/objects/headers'), await s3.head('/objects/headers')]) {
        const shown = answer.headers;
        assert.equal(shown['content-encoding'], 'gzip');
        assert.equal(shown['x-amz-meta-mixed-case'], 'Value');
        assert.equal(shown['x-amz-tagging-count'], '2');
        for (const name of [
          'content-type',
          'content-language',
          'content-disposition',
          'cache-control',
          'expires',
        ] as const)
          assert.equal(shown[name], headers[name], name);
        for (const name of [
          'x-amz-website-redirect-location',
          'x-amz-storage-class',
          'x-amz-meta-utf8',
          'x-amz-meta-latin1',
          'x-amz-meta-empty',
        ] as const)
          assert.equal(shown[name], headers[name], name);
      }
      await s3.put('/objects/headers', 'x');
      const plain = (await s3.head('/objects/headers')).headers;
      assert.equal(plain['content-type'], 'binary/octet-stream');
      for (const name of [
        'content-encoding',
        'x-amz-meta-mixed-case',
        'x-amz-tagging-count',
        'x-amz-storage-class',
      ])
        assert.equal(plain[name], undefined, name);
    });

    test('overrides change the answer, not the object', async () => {
      await s3.put('/objects/overrides', 'x', { 'content-type': 'text/a' });
      const query =
        'response-content-type=text%2Fb&response-content-disposition=attachment&response-expires=never';
      const { headers } = await s3.get(`/objects/overrides?${query}`);
      assert.equal(headers['content-type'], 'text/b');
      assert.equal(headers['content-disposition'], 'attachment');
      assert.equal(headers['expires'], 'never');
      assert.equal((await s3.get('/objects/overrides')).headers['content-type'], 'text/a');
      assert.equal(
        outcome(await s3.get('/objects/overrides?response-expires=a%0d%0ab')),
        '400 InvalidArgument',
      );
    });

    test('errors', async () => {
      assert.equal(outcome(await s3.get('/objects/none')), '404 NoSuchKey');
      assert.equal(elementOf(await s3.get('/objects/none'), 'Key'), 'none');
      assert.equal(outcome(await s3.get('/no-bucket/none')), '404 NoSuchBucket');
      assert.equal(outcome(await s3.put('/no-bucket/none', 'x')), '404 NoSuchBucket');
      await s3.put('/objects/versions', 'x');
      assert.equal((await s3.get('/objects/versions?versionId=null')).status, 200);
      assert.equal(outcome(await s3.get('/objects/versions?versionId=other')), '404 NoSuchVersion');
      assert.equal(outcome(await s3.get('/objects/versions?versionId=')), '400 InvalidArgument');
    });
  });

  describe('ranges', () => {
    const bytes = randomBytes(10_000, 1);

    before(async () => {
      await s3.put('/objects/range', bytes);
      await s3.put('/objects/empty', '');
    });

    const cases: [string, number, [number, number] | string][] = [
      ['bytes=0-0', 206, [0, 1]],
      ['bytes=4-7', 206, [4, 8]],
      ['bytes=9990-', 206, [9990, 10_000]],
      ['bytes=-10', 206, [9990, 10_000]],
      ['bytes=-20000', 206, [0, 10_000]],
      ['bytes=9999-20000', 206, [9999, 10_000]],
      ['bytes=10000-', 416, 'InvalidRange'],
      ['bytes=-0', 416, 'InvalidRange'],
      ['bytes=0-1,3-4', 200, [0, 10_000]],
      ['bytes=7-4', 200, [0, 10_000]],
      ['lines=1-2', 200, [0, 10_000]],
    ];

    test('every form', async () => {
      for (const [range, status, expected] of cases) {
        const answer = await s3.get('/objects/range', { range });
        assert.equal(answer.status, status, range);
        if (typeof expected === 'string') {
          assert.equal(elementOf(answer, 'Code'), expected);
          assert.equal(answer.headers['content-range'], 'bytes */10000');
          continue;
        }
        const [from, to] = expected;
        assert.ok(answer.body.equals(bytes.subarray(from, to)), range);
        const shown = status === 206 ? `bytes ${from}-${to - 1}/10000` : undefined;
        assert.equal(answer.headers['content-range'], shown, range);
        const head = await s3.head('/objects/range', { range });
        assert.equal(head.status, status);
        assert.equal(head.headers['content-length'], String(to - from));
      }
      assert.equal(
        outcome(await s3.get('/objects/empty', { range: 'bytes=0-' })),
        '416 InvalidRange',
      );
    });

    test('If-Range gives the part of the object that is known, or the whole of another', async () => {
      const etag = `"${md5(bytes)}"`;
      const { headers } = await s3.head('/objects/range');
      const ask = async (validator: string): Promise<number> =>
        (await s3.get('/objects/range', { range: 'bytes=1-2', 'if-range': validator })).status;
      assert.equal(await ask(etag), 206);
      assert.equal(await ask('"other"'), 200);
      assert.equal(await ask(`W/${etag}`), 200);
      assert.equal(await ask(headers['last-modified'] ?? ''), 206);
      assert.equal(await ask('Sat, 29 Oct 1994 19:43:31 GMT'), 200);
    });
  });

  describe('conditions', () => {
    const etag = `"${md5('condition')}"`;
    const past = 'Sat, 29 Oct 1994 19:43:31 GMT';
    const future = 'Sat, 29 Oct 2094 19:43:31 GMT';

    test('of reads, in the order of RFC 9110', async () => {
      await s3.put('/objects/condition', 'condition');
      const cases: [Record<string, string>, number][] = [
        [{ 'if-match': etag }, 200],
        [{ 'if-match': '*' }, 200],
        [{ 'if-match': `"a", ${etag}` }, 200],
        [{ 'if-match': '"a"' }, 412],
        [{ 'if-none-match': etag }, 304],
        [{ 'if-none-match': '*' }, 304],
        [{ 'if-none-match': '"a"' }, 200],
        [{ 'if-modified-since': past }, 200],
        [{ 'if-modified-since': future }, 304],
        [{ 'if-unmodified-since': past }, 412],
        [{ 'if-unmodified-since': future }, 200],
        [{ 'if-match': etag, 'if-unmodified-since': past }, 200],
        [{ 'if-none-match': '"a"', 'if-modified-since': future }, 200],
        [{ 'if-none-match': etag, 'if-modified-since': past }, 304],
        [{ 'if-modified-since': 'tomorrow' }, 200],
      ];
      for (const [headers, status] of cases) {
        const got = await s3.get('/objects/condition', headers);
        assert.equal(got.status, status, JSON.stringify(headers));
        assert.equal((await s3.head('/objects/condition', headers)).status, status);
        if (status === 304) {
          assert.equal(got.headers['etag'], etag);
          assert.ok(got.headers['last-modified'] !== undefined);
          assert.equal(got.body.length, 0);
        }
      }
    });

    test('of writes', async () => {
      assert.equal(await putIf({ 'if-match': '*' }), '404 NoSuchKey');
      assert.equal(await putIf({ 'if-none-match': '*' }), '200');
      assert.equal(await putIf({ 'if-none-match': '*' }), '412 PreconditionFailed');
      assert.equal(await putIf({ 'if-match': '"bad"' }), '412 PreconditionFailed');
      assert.equal(await putIf({ 'if-match': md5('written') }), '200');
      assert.equal(await putIf({ 'if-none-match': md5('written') }), '412 PreconditionFailed');
      assert.equal(await putIf({ 'if-none-match': 'bad' }), '200');
    });

    test('exactly one of many conditional creations wins', async () => {
      const attempts = Array.from({ length: 16 }, (_, at) =>
        s3.put('/objects/race', `writer ${at}`, { 'if-none-match': '*' }),
      );
      const outcomes = (await Promise.all(attempts)).map(outcome);
      assert.equal(outcomes.filter((text) => text === '200').length, 1, outcomes.join());
      for (const text of outcomes)
        assert.ok(
          ['200', '412 PreconditionFailed', '409 ConditionalRequestConflict'].includes(text),
          text,
        );
    });

    test('of deletes', async () => {
      await s3.put('/objects/deleted', 'x');
      const remove = async (headers: Record<string, string>): Promise<string> =>
        outcome(await s3.delete('/objects/deleted', headers));
      assert.equal(await remove({ 'if-match': '"bad"' }), '412 PreconditionFailed');
      assert.equal(await remove({ 'x-amz-if-match-size': '2' }), '412 PreconditionFailed');
      assert.equal(await remove({ 'x-amz-if-match-size': 'x' }), '400 InvalidArgument');
      assert.equal(await remove({ 'if-match': md5('x'), 'x-amz-if-match-size': '1' }), '204');
      assert.equal(await remove({}), '204');
    });
  });

  describe('checksums', () => {
    const body = 'checked content';

    test('every algorithm is verified, answered and shown on demand', async () => {
      for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
        const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
        const value = checksumOf(algorithm, Buffer.from(body));
        const put = await s3.put('/objects/sum', body, { [name]: value });
        assert.equal(put.headers[name], value);
        assert.equal(put.headers['x-amz-checksum-type'], 'FULL_OBJECT');
        const mode = { 'x-amz-checksum-mode': 'ENABLED' };
        assert.equal((await s3.get('/objects/sum', mode)).headers[name], value);
        assert.equal((await s3.head('/objects/sum', mode)).headers[name], value);
        assert.equal((await s3.get('/objects/sum')).headers[name], undefined);
        const part = await s3.get('/objects/sum', { ...mode, range: 'bytes=0-3' });
        assert.equal(part.status, 206);
        assert.equal(part.headers[name], undefined, 'never the whole’s checksum with a part');
        const wrong = checksumOf(algorithm, Buffer.from('other'));
        assert.equal(
          outcome(await s3.put('/objects/wrong', body, { [name]: wrong })),
          '400 BadDigest',
        );
        assert.equal(outcome(await s3.get('/objects/wrong')), '404 NoSuchKey');
      }
    });

    test('Content-MD5', async () => {
      const right = createHash('md5').update(body).digest('base64');
      assert.equal((await s3.put('/objects/md5', body, { 'content-md5': right })).status, 200);
      const wrong = createHash('md5').update('other').digest('base64');
      assert.equal(
        outcome(await s3.put('/objects/md5', body, { 'content-md5': wrong })),
        '400 BadDigest',
      );
    });
  });

  test('an object of parts shows its parts', async () => {
    const parts = [randomBytes(5 * 1024 * 1024, 2), randomBytes(1000, 3)];
    const { complete } = await uploadParts(s3, '/objects/parts', parts);
    assert.equal(complete.status, 200, complete.body.toString());
    const second = await s3.get('/objects/parts?partNumber=2');
    assert.equal(second.status, 206);
    assert.equal(second.headers['x-amz-mp-parts-count'], '2');
    assert.equal(second.headers['content-range'], `bytes 5242880-5243879/5243880`);
    assert.ok(second.body.equals(parts[1] as Buffer));
    assert.equal(outcome(await s3.get('/objects/parts?partNumber=3')), '400 InvalidPart');
    assert.equal(outcome(await s3.get('/objects/parts?partNumber=0')), '400 InvalidArgument');
    assert.equal(
      outcome(await s3.get('/objects/parts?partNumber=1', { range: 'bytes=0-1' })),
      '400 InvalidRequest',
    );
    const across = await s3.get('/objects/parts', { range: 'bytes=5242870-5242889' });
    assert.ok(
      across.body.equals(
        Buffer.concat([(parts[0] as Buffer).subarray(-10), (parts[1] as Buffer).subarray(0, 10)]),
      ),
    );
    await s3.put('/objects/whole', 'whole');
    const first = await s3.get('/objects/whole?partNumber=1');
    assert.equal(first.body.toString(), 'whole');
    assert.equal(first.headers['x-amz-mp-parts-count'], undefined);
  });
});
