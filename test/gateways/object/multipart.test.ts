// Multipart uploads through the door, on the real core.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { MiB } from '../../../core/base/limits.ts';
import { checksumOf, compositeChecksum } from '../../../protocols/s3/checksums.ts';
import { elementOf, outcome } from './door.ts';
import { type System, completeDocument, elementsOf, sharedSystem, uploadParts } from './system.ts';

let s3: System;
const large = Buffer.alloc(5 * MiB, 'a');
const small = Buffer.from('the end');

const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest();
const etagOf = (parts: readonly Uint8Array[]): string =>
  `${createHash('md5')
    .update(Buffer.concat(parts.map(md5)))
    .digest('hex')}-${parts.length}`;

async function start(key: string, headers: Record<string, string> = {}): Promise<string> {
  const created = await s3.post(`/multipart/${key}?uploads`, '', headers);
  assert.equal(created.status, 200, created.body.toString());
  return `/multipart/${key}?uploadId=${elementOf(created, 'UploadId')}`;
}

describe('multipart uploads', () => {
  before(async () => {
    s3 = await sharedSystem();
    await s3.put('/multipart');
  });
  test('parts become one object, and Complete may be repeated', async () => {
    const headers = { 'content-type': 'text/a', 'x-amz-meta-a': '1', 'x-amz-tagging': 'a=1' };
    const { complete, uploadId, document } = await uploadParts(
      s3,
      '/multipart/whole',
      [large, small],
      headers,
    );
    const etag = etagOf([large, small]);
    assert.equal(elementOf(complete, 'ETag'), `&quot;${etag}&quot;`);
    assert.equal(elementOf(complete, 'Location'), `http://${s3.host}/multipart/whole`);
    const again = await s3.post(`/multipart/whole?uploadId=${uploadId}`, document);
    assert.equal(elementOf(again, 'ETag'), `&quot;${etag}&quot;`);
    const got = await s3.get('/multipart/whole');
    assert.ok(got.body.equals(Buffer.concat([large, small])));
    assert.equal(got.headers['etag'], `"${etag}"`);
    assert.equal(got.headers['content-type'], 'text/a');
    assert.equal(got.headers['x-amz-meta-a'], '1');
    assert.equal(got.headers['x-amz-tagging-count'], '1');
  });

  test('what cannot be completed is not, and the upload stays open', async () => {
    const target = await start('bad');
    const etags: string[] = [];
    for (const number of [1, 2]) {
      const part = await s3.put(`${target}&partNumber=${number}`, small);
      etags.push(part.headers['etag'] ?? '');
    }
    const complete = async (
      document: string,
      headers: Record<string, string> = {},
    ): Promise<string> => outcome(await s3.post(target, document, headers));
    assert.equal(await complete(completeDocument(etags)), '400 EntityTooSmall');
    assert.equal(await complete(completeDocument(etags, [2, 1])), '400 InvalidPartOrder');
    assert.equal(await complete(completeDocument(['"0"'])), '400 InvalidPart');
    assert.equal(await complete(completeDocument(etags, [1, 7])), '400 InvalidPart');
    assert.equal(await complete(''), '400 MalformedXML');
    assert.equal(await complete('<Nonsense/>'), '400 MalformedXML');
    const one = completeDocument(etags.slice(0, 1));
    assert.equal(await complete(one, { 'x-amz-mp-object-size': '1' }), '400 InvalidRequest');
    await s3.put('/multipart/bad', 'in the way');
    assert.equal(await complete(one, { 'if-none-match': '*' }), '412 PreconditionFailed');
    assert.equal(await complete(one, { 'if-match': '"other"' }), '412 PreconditionFailed');
    assert.equal(await complete(one), '200');
    assert.equal((await s3.get('/multipart/bad')).body.toString(), 'the end');
  });

  test('uploads that are not there, parts that cannot be', async () => {
    const target = await start('limits');
    const gone = '/multipart/limits?uploadId=none';
    assert.equal(outcome(await s3.put(`${gone}&partNumber=1`, 'x')), '404 NoSuchUpload');
    assert.equal(elementOf(await s3.post(gone, completeDocument(['"0"'])), 'UploadId'), 'none');
    assert.equal(outcome(await s3.delete(gone)), '404 NoSuchUpload');
    assert.equal(outcome(await s3.get(gone)), '404 NoSuchUpload');
    for (const number of ['0', '10001', '-1', 'x', ''])
      assert.equal(
        outcome(await s3.put(`${target}&partNumber=${number}`, 'x')),
        '400 InvalidArgument',
        number,
      );
    assert.equal(outcome(await s3.put(target, 'x')), '400 InvalidArgument');
    assert.equal(outcome(await s3.delete(target)), '204');
    assert.equal(outcome(await s3.put(`${target}&partNumber=1`, 'x')), '404 NoSuchUpload');
  });

  test('a part that is sent again replaces the first', async () => {
    const target = await start('resend');
    await s3.put(`${target}&partNumber=1`, 'first');
    const second = await s3.put(`${target}&partNumber=1`, 'second');
    assert.equal(
      (await s3.post(target, completeDocument([second.headers['etag'] ?? '']))).status,
      200,
    );
    assert.equal((await s3.get('/multipart/resend')).body.toString(), 'second');
  });

  test('listing uploads and parts', async () => {
    await s3.put('/uploads');
    const ids: string[] = [];
    for (const key of ['u1', 'u1', 'u2']) {
      const created = await s3.post(`/uploads/${key}?uploads`, '');
      ids.push(elementOf(created, 'UploadId') ?? '');
    }
    const found: string[] = [];
    let markers = '';
    for (;;) {
      const page = await s3.get(`/uploads?uploads&max-uploads=1${markers}`);
      found.push(...elementsOf(page, 'UploadId'));
      if (elementOf(page, 'IsTruncated') !== 'true') break;
      markers = `&key-marker=${elementOf(page, 'NextKeyMarker')}&upload-id-marker=${elementOf(page, 'NextUploadIdMarker')}`;
    }
    assert.deepEqual(found.toSorted(), ids.toSorted());
    const target = `/uploads/u2?uploadId=${ids[2]}`;
    for (const number of [1, 3, 7])
      await s3.put(`${target}&partNumber=${number}`, `part ${number}`);
    const first = await s3.get(`${target}&max-parts=2`);
    assert.deepEqual(elementsOf(first, 'PartNumber'), ['1', '3']);
    assert.equal(elementOf(first, 'NextPartNumberMarker'), '3');
    const rest = await s3.get(`${target}&part-number-marker=3`);
    assert.deepEqual(elementsOf(rest, 'PartNumber'), ['7']);
    assert.equal(elementOf(rest, 'IsTruncated'), 'false');
    assert.equal(outcome(await s3.get(`${target}&max-parts=x`)), '400 InvalidArgument');
  });

  test('checksums of parts make that of the object', async () => {
    const whole = Buffer.concat([large, small]);
    for (const [algorithm, type] of [
      ['CRC32', 'FULL_OBJECT'],
      ['CRC32C', 'COMPOSITE'],
      ['CRC64NVME', 'FULL_OBJECT'],
      ['SHA256', 'COMPOSITE'],
    ] as const) {
      const target = await start('sums', {
        'x-amz-checksum-algorithm': algorithm,
        'x-amz-checksum-type': type,
      });
      const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
      const values: string[] = [];
      const etags: string[] = [];
      for (const [at, bytes] of [large, small].entries()) {
        const value = checksumOf(algorithm, bytes);
        // The second part states none: the upload's algorithm is computed for it.
        const part = await s3.put(
          `${target}&partNumber=${at + 1}`,
          bytes,
          at === 0 ? { [name]: value } : {},
        );
        assert.equal(part.headers[name], value);
        values.push(value);
        etags.push(part.headers['etag'] ?? '');
      }
      const expected =
        type === 'COMPOSITE'
          ? `${compositeChecksum(algorithm, values)}-2`
          : checksumOf(algorithm, whole);
      const wrong = await s3.post(target, completeDocument(etags), {
        [name]: checksumOf(algorithm, small),
      });
      assert.equal(outcome(wrong), '400 BadDigest', algorithm);
      const complete = await s3.post(target, completeDocument(etags), { [name]: expected });
      assert.equal(elementOf(complete, `Checksum${algorithm}`), expected, complete.body.toString());
      assert.equal(elementOf(complete, 'ChecksumType'), type);
      const mode = { 'x-amz-checksum-mode': 'ENABLED' };
      const head = await s3.head('/multipart/sums', mode);
      assert.equal(head.headers[name], expected);
      assert.equal(head.headers['x-amz-checksum-type'], type);
      const part = await s3.get('/multipart/sums?partNumber=2', mode);
      assert.equal(part.headers[name], values[1]);
      const shown = await s3.get('/multipart/sums?attributes', {
        'x-amz-object-attributes': 'Checksum,ObjectParts',
      });
      assert.deepEqual(elementsOf(shown, `Checksum${algorithm}`), [expected, ...values]);
    }
  });

  test('an upload with checksums takes no part with another', async () => {
    const target = await start('mixed', { 'x-amz-checksum-algorithm': 'SHA256' });
    const crc = { 'x-amz-checksum-crc32': checksumOf('CRC32', small) };
    assert.equal(outcome(await s3.put(`${target}&partNumber=1`, small, crc)), '400 InvalidRequest');
    const both = { 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-checksum-type': 'FULL_OBJECT' };
    assert.equal(
      outcome(await s3.post('/multipart/mixed?uploads', '', both)),
      '400 InvalidRequest',
    );
  });

  test('parts copied from objects', async () => {
    await s3.put('/multipart/source', large);
    const target = await start('copied');
    const source = { 'x-amz-copy-source': '/multipart/source' };
    const first = await s3.put(`${target}&partNumber=1`, '', source);
    const ranged = { ...source, 'x-amz-copy-source-range': 'bytes=0-9' };
    const second = await s3.put(`${target}&partNumber=2`, '', ranged);
    const etags = [first, second].map((answer) =>
      (elementOf(answer, 'ETag') ?? '').replaceAll('&quot;', '"'),
    );
    assert.equal((await s3.post(target, completeDocument(etags))).status, 200);
    assert.ok(
      (await s3.get('/multipart/copied')).body.equals(
        Buffer.concat([large, large.subarray(0, 10)]),
      ),
    );
    const again = await start('copied');
    const copy = async (headers: Record<string, string>): Promise<string> =>
      outcome(await s3.put(`${again}&partNumber=1`, '', { ...source, ...headers }));
    assert.equal(
      await copy({ 'x-amz-copy-source-range': `bytes=0-${large.length}` }),
      '416 InvalidRange',
    );
    assert.equal(await copy({ 'x-amz-copy-source-range': 'bytes=5-' }), '400 InvalidArgument');
    assert.equal(await copy({ 'x-amz-copy-source-if-match': 'bad' }), '412 PreconditionFailed');
    assert.equal(await copy({ 'x-amz-copy-source': '/multipart/none' }), '404 NoSuchKey');
  });
});
