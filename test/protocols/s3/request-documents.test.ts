import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isS3Error } from '../../../protocols/s3/errors.ts';
import {
  readBucketConfiguration,
  readComplete,
  readDelete,
  readTagging,
} from '../../../protocols/s3/request-documents.ts';
import { type XmlElement, parseXml } from '../../../protocols/s3/xml-reader.ts';

const xml = (text: string): XmlElement => parseXml(Buffer.from(text));
const code = (run: () => unknown): string => {
  try {
    run();
    return '';
  } catch (error) {
    assert.ok(isS3Error(error));
    return error.code;
  }
};

test('DeleteObjects', () => {
  const request = readDelete(
    xml(`<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object><Object><Key>é</Key><VersionId>null</VersionId>
      <ETag>"x"</ETag><LastModifiedTime>Sat, 29 Oct 1994 19:43:31 GMT</LastModifiedTime><Size>3</Size></Object></Delete>`),
  );
  assert.deepEqual(request, {
    quiet: true,
    items: [
      { key: Buffer.from('a') },
      {
        key: Buffer.from('é'),
        versionId: 'null',
        ifMatch: ['x'],
        lastModifiedMs: Date.UTC(1994, 9, 29, 19, 43, 31),
        sizeBytes: 3,
      },
    ],
  });
  const object = '<Object><Key>k</Key></Object>';
  assert.equal(readDelete(xml(`<Delete>${object.repeat(1000)}</Delete>`)).items.length, 1000);
  const bad = [`<Delete>${object.repeat(1001)}</Delete>`, '<Delete/>', '<Other/>'];
  bad.push('<Delete><Object/></Delete>', '<Delete><Object><Key/></Object></Delete>');
  bad.push('<Delete><Object><Key>k</Key><Size>-1</Size></Object></Delete>');
  for (const text of bad)
    assert.equal(
      code(() => readDelete(xml(text))),
      'MalformedXML',
      text.slice(0, 80),
    );
  const long = `<Delete><Object><Key>${'k'.repeat(1025)}</Key></Object></Delete>`;
  assert.equal(
    code(() => readDelete(xml(long))),
    'KeyTooLongError',
  );
});

const part = (number: string): string =>
  `<CompleteMultipartUpload><Part><PartNumber>${number}</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>`;

test('CompleteMultipartUpload', () => {
  const parts = readComplete(
    xml(`<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part>
      <Part><ChecksumSHA256>c=</ChecksumSHA256><ETag>b</ETag><PartNumber>10000</PartNumber></Part></CompleteMultipartUpload>`),
  );
  assert.deepEqual(parts, [
    { partNumber: 1, etag: 'a' },
    { partNumber: 10_000, etag: 'b', checksum: { algorithm: 'SHA256', value: 'c=' } },
  ]);
  const twice = ['1a', '2b', '2c', '3d'].map(
    (text) => `<Part><PartNumber>${text[0]}</PartNumber><ETag>${text[1]}</ETag></Part>`,
  );
  assert.deepEqual(
    readComplete(xml(`<CompleteMultipartUpload>${twice.join('')}</CompleteMultipartUpload>`)).map(
      ({ partNumber, etag }) => `${partNumber}${etag}`,
    ),
    ['1a', '2c', '3d'],
  );
  assert.equal(
    code(() => readComplete(xml(part('0')))),
    'InvalidArgument',
  );
  assert.equal(
    code(() => readComplete(xml(part('10001')))),
    'InvalidArgument',
  );
  assert.equal(
    code(() => readComplete(xml(part('one')))),
    'MalformedXML',
  );
  assert.equal(
    code(() => readComplete(xml('<CompleteMultipartUpload/>'))),
    'MalformedXML',
  );
  const noTag =
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>';
  assert.equal(
    code(() => readComplete(xml(noTag))),
    'MalformedXML',
  );
});

test('Tagging and CreateBucketConfiguration', () => {
  assert.deepEqual(
    readTagging(xml('<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag></TagSet></Tagging>')),
    [{ key: 'a', value: '' }],
  );
  assert.deepEqual(readTagging(xml('<Tagging><TagSet/></Tagging>')), []);
  for (const bad of [
    '<Tagging/>',
    '<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>',
    '<TagSet/>',
  ])
    assert.equal(
      code(() => readTagging(xml(bad))),
      'MalformedXML',
      bad,
    );
  const place = '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>';
  assert.deepEqual(readBucketConfiguration(xml(`${place}</CreateBucketConfiguration>`)), {
    location: 'eu-west-1',
    tags: [],
  });
  assert.deepEqual(readBucketConfiguration(xml('<CreateBucketConfiguration/>')), {
    location: '',
    tags: [],
  });
  const directory =
    '<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>';
  assert.equal(
    code(() => readBucketConfiguration(xml(directory))),
    'NotImplemented',
  );
});
