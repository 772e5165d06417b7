// Answer documents, read back with our own reader: element names and order are those of S3's examples.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  completeUploadDocument,
  copyObjectDocument,
  deleteObjectsDocument,
  errorXml,
  locationDocument,
  objectAttributesDocument,
  ownerOnlyAclDocument,
  taggingDocument,
} from '../../../protocols/s3/answer-documents.ts';
import { S3Error } from '../../../protocols/s3/errors.ts';
import {
  listBucketsDocument,
  listObjectsDocument,
  listObjectsV2Document,
  listPartsDocument,
  listUploadsDocument,
  listVersionsDocument,
} from '../../../protocols/s3/listing-documents.ts';
import { type XmlElement, parseXml } from '../../../protocols/s3/xml-reader.ts';

/** `Name=text` of leaves, `Name(…)` of the others. */
function outline(element: XmlElement): string {
  if (element.children.length === 0) return `${element.name}=${element.text}`;
  return `${element.name}(${element.children.map(outline).join(' ')})`;
}
const show = (document: string | Buffer): string => outline(parseXml(Buffer.from(document)));

const who = { id: 'id1', displayName: 'name1' };
const at = Date.UTC(2009, 9, 12, 17, 50, 30, 250);
const object = {
  key: Buffer.from('a b&'),
  sizeBytes: 5,
  etag: 'e',
  lastModifiedMs: at,
  storageClass: 'STANDARD',
  owner: who,
};
const parameters = { prefix: 'a ', delimiter: '/', maxKeys: 2, urlEncoding: true };
const page = {
  objects: [object],
  commonPrefixes: [Buffer.from('a c/')],
  next: Buffer.from('a c/'),
};
const stamp = 'LastModified=2009-10-12T17:50:30.000Z ETag="e"';

test('ListObjects', () => {
  assert.equal(
    show(listObjectsDocument({ bucket: 'b', parameters, marker: 'm m', page })),
    'ListBucketResult(Name=b Prefix=a  Marker=m%20m NextMarker=a%20c/ MaxKeys=2 Delimiter=/ EncodingType=url ' +
      `IsTruncated=true Contents(Key=a%20b%26 ${stamp} Size=5 Owner(ID=id1 DisplayName=name1) StorageClass=STANDARD) ` +
      'CommonPrefixes(Prefix=a%20c/))',
  );
  const unholdable = {
    bucket: 'b',
    parameters: { ...parameters, prefix: 'a\u0001' },
    marker: '',
    page,
  };
  assert.match(listObjectsDocument(unholdable).toString(), /<Prefix>a%01<\/Prefix>/);
  const plain = { prefix: '', delimiter: '', maxKeys: 1, urlEncoding: false };
  const first = { objects: [object], commonPrefixes: [], next: object.key };
  assert.equal(
    show(listObjectsDocument({ bucket: 'b', parameters: plain, marker: '', page: first })),
    'ListBucketResult(Name=b Prefix= Marker= MaxKeys=1 IsTruncated=true ' +
      `Contents(Key=a b& ${stamp} Size=5 Owner(ID=id1 DisplayName=name1) StorageClass=STANDARD))`,
  );
});

test('rows that share some elements with the row before them and differ in others', () => {
  const other = { id: 'id<2>', displayName: 'name2' };
  const objects = [
    object,
    { ...object, key: Buffer.from('b'), etag: 'x"&' },
    { ...object, key: Buffer.from('c'), lastModifiedMs: at + 750, storageClass: 'GLACIER' },
    { ...object, key: Buffer.from('d'), lastModifiedMs: at + 749, owner: other },
    {
      ...object,
      key: Buffer.from('e'),
      checksumAlgorithm: 'CRC32',
      checksumType: 'COMPOSITE',
    } as const,
  ];
  const plain = { prefix: '', delimiter: '', maxKeys: 9, urlEncoding: false };
  const all = { objects, commonPrefixes: [] };
  const own = 'Owner(ID=id1 DisplayName=name1)';
  assert.equal(
    show(listObjectsDocument({ bucket: 'b', parameters: plain, marker: '', page: all })),
    'ListBucketResult(Name=b Prefix= Marker= MaxKeys=9 IsTruncated=false ' +
      `Contents(Key=a b& ${stamp} Size=5 ${own} StorageClass=STANDARD) ` +
      `Contents(Key=b LastModified=2009-10-12T17:50:30.000Z ETag="x"&" Size=5 ${own} StorageClass=STANDARD) ` +
      `Contents(Key=c LastModified=2009-10-12T17:50:31.000Z ETag="e" Size=5 ${own} StorageClass=GLACIER) ` +
      `Contents(Key=d ${stamp} Size=5 Owner(ID=id<2> DisplayName=name2) StorageClass=STANDARD) ` +
      `Contents(Key=e ${stamp} ChecksumAlgorithm=CRC32 ChecksumType=COMPOSITE Size=5 ${own} StorageClass=STANDARD))`,
  );
});

test('ListObjectsV2', () => {
  const answer = { bucket: 'b', parameters, page, fetchOwner: false };
  assert.equal(
    show(
      listObjectsV2Document({
        ...answer,
        continuationToken: 't',
        startAfter: 's s',
        nextToken: 'n',
      }),
    ),
    'ListBucketResult(Name=b Prefix=a%20 ContinuationToken=t NextContinuationToken=n StartAfter=s%20s KeyCount=2 ' +
      `MaxKeys=2 Delimiter=/ EncodingType=url IsTruncated=true Contents(Key=a%20b%26 ${stamp} Size=5 ` +
      'StorageClass=STANDARD) CommonPrefixes(Prefix=a%20c/))',
  );
});

test('ListObjectVersions', () => {
  const version = { ...object, versionId: 'null', isLatest: true, deleteMarker: false };
  const marker = { ...version, versionId: 'v2', isLatest: false, deleteMarker: true };
  const plain = { prefix: '', delimiter: '', maxKeys: 2, urlEncoding: false };
  assert.equal(
    show(
      listVersionsDocument({
        bucket: 'b',
        parameters: plain,
        keyMarker: '',
        versionIdMarker: '',
        page: {
          objects: [version, marker],
          commonPrefixes: [],
          next: object.key,
        },
      }),
    ),
    'ListVersionsResult(Name=b Prefix= KeyMarker= VersionIdMarker= NextKeyMarker=a b& NextVersionIdMarker=v2 MaxKeys=2 ' +
      `IsTruncated=true Version(Key=a b& VersionId=null IsLatest=true ${stamp} Size=5 StorageClass=STANDARD ` +
      'Owner(ID=id1 DisplayName=name1)) DeleteMarker(Key=a b& VersionId=v2 IsLatest=false ' +
      'LastModified=2009-10-12T17:50:30.000Z Owner(ID=id1 DisplayName=name1)))',
  );
});

test('uploads and parts', () => {
  const upload = {
    key: Buffer.from('k'),
    uploadId: 'u',
    initiatedMs: at,
    storageClass: 'STANDARD',
    owner: who,
    checksumAlgorithm: 'CRC32',
    checksumType: 'FULL_OBJECT',
  } as const;
  const people = 'Initiator(ID=id1 DisplayName=name1) Owner(ID=id1 DisplayName=name1)';
  const plain = { prefix: '', delimiter: '', maxKeys: 1, urlEncoding: false };
  assert.equal(
    show(
      listUploadsDocument({
        bucket: 'b',
        parameters: plain,
        keyMarker: '',
        uploadIdMarker: '',
        uploads: [upload],
        commonPrefixes: [],
        next: { key: Buffer.from('k'), uploadId: 'u' },
      }),
    ),
    'ListMultipartUploadsResult(Bucket=b KeyMarker= UploadIdMarker= NextKeyMarker=k NextUploadIdMarker=u Prefix= ' +
      `MaxUploads=1 IsTruncated=true Upload(Key=k UploadId=u ${people} StorageClass=STANDARD ` +
      'Initiated=2009-10-12T17:50:30.000Z ChecksumAlgorithm=CRC32 ChecksumType=FULL_OBJECT))',
  );
  const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAA' } as const;
  const part = { partNumber: 3, sizeBytes: 9, etag: 'p', lastModifiedMs: at, checksum };
  assert.equal(
    show(
      listPartsDocument({
        bucket: 'b',
        key: 'k',
        upload,
        parts: [part],
        partNumberMarker: 2,
        maxParts: 1,
        truncated: true,
      }),
    ),
    'ListPartsResult(Bucket=b Key=k UploadId=u PartNumberMarker=2 NextPartNumberMarker=3 MaxParts=1 IsTruncated=true ' +
      'Part(PartNumber=3 LastModified=2009-10-12T17:50:30.000Z ETag="p" Size=9 ChecksumCRC32=AAAA) ' +
      `${people} StorageClass=STANDARD ChecksumAlgorithm=CRC32 ChecksumType=FULL_OBJECT)`,
  );
});

test('ListBuckets', () => {
  const buckets = [{ name: 'b', createdMs: at, region: 'us-east-1' }];
  assert.equal(
    show(listBucketsDocument({ owner: who, buckets, token: 't' })),
    'ListAllMyBucketsResult(Owner(ID=id1 DisplayName=name1) Buckets(Bucket(Name=b CreationDate=2009-10-12T17:50:30.000Z ' +
      'BucketRegion=us-east-1)) ContinuationToken=t)',
  );
});

test('answers of single operations', () => {
  const checksum = { algorithm: 'SHA256', type: 'COMPOSITE', value: 'AA==' } as const;
  assert.equal(
    show(copyObjectDocument({ etag: 'e', lastModifiedMs: at, checksum }, 3)),
    `CopyObjectResult(${stamp} ChecksumSHA256=AA==-3 ChecksumType=COMPOSITE)`,
  );
  const complete = { location: 'http://h/b/k', bucket: 'b', key: 'k', etag: 'e-1', partCount: 1 };
  assert.equal(
    show(completeUploadDocument(complete)),
    'CompleteMultipartUploadResult(Location=http://h/b/k Bucket=b Key=k ETag="e-1")',
  );
  assert.equal(show(locationDocument('us-east-1')), 'LocationConstraint=');
  assert.equal(show(locationDocument('lampyr')), 'LocationConstraint=lampyr');
  assert.equal(
    show(taggingDocument([{ key: 'a', value: '<' }])),
    'Tagging(TagSet(Tag(Key=a Value=<)))',
  );
  assert.equal(show(taggingDocument([])), 'Tagging(TagSet=)');
  assert.equal(
    show(ownerOnlyAclDocument(who)),
    'AccessControlPolicy(Owner(ID=id1 DisplayName=name1) AccessControlList(Grant(Grantee(ID=id1 DisplayName=name1) ' +
      'Permission=FULL_CONTROL)))',
  );
});

test('DeleteObjects and GetObjectAttributes', () => {
  const key = Buffer.from('k');
  const items = [
    { key, deleteMarker: false },
    { key, versionId: 'v', error: new S3Error('AccessDenied') },
  ];
  assert.equal(
    show(deleteObjectsDocument(items, false)),
    'DeleteResult(Deleted(Key=k) Error(Key=k VersionId=v Code=AccessDenied Message=Access Denied))',
  );
  assert.equal(
    show(deleteObjectsDocument(items, true)),
    'DeleteResult(Error(Key=k VersionId=v Code=AccessDenied Message=Access Denied))',
  );
  const parts = {
    rows: [{ partNumber: 4, sizeBytes: 5 }],
    marker: 3,
    maxParts: 1,
    truncated: true,
  };
  assert.equal(
    show(
      objectAttributesDocument({
        etag: 'e-6',
        partCount: 6,
        parts,
        storageClass: 'STANDARD',
        sizeBytes: 30,
      }),
    ),
    'GetObjectAttributesResponse(ETag=e-6 ObjectParts(PartsCount=6 PartNumberMarker=3 NextPartNumberMarker=4 MaxParts=1 ' +
      'IsTruncated=true Part(PartNumber=4 Size=5)) StorageClass=STANDARD ObjectSize=30)',
  );
});

test('errors', () => {
  const error = new S3Error('NoSuchKey', undefined, { Key: 'a&b' });
  assert.equal(
    errorXml(error, '/b/a&b', 'R1'),
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>' +
      '<Key>a&amp;b</Key><Resource>/b/a&amp;b</Resource><RequestId>R1</RequestId></Error>',
  );
});
