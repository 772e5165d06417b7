// Answers of the listing calls: ListBuckets, ListObjects v1 and v2, ListObjectVersions, ListMultipartUploads,
// ListParts. Element order is that of S3. Names are encoded only when the client asked for it.

import type { Buffer } from 'node:buffer';
import { equalBytes } from '../../core/base/bytes.ts';
import {
  type Checksum,
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumElement,
} from './checksums.ts';
import { quotedETag } from './conditions.ts';
import { isoSeconds } from './http-date.ts';
import type { ListParameters } from './listing.ts';
import {
  type Encode,
  type ListedObject,
  type ListedVersion,
  type Owner,
  RowElements,
  encoderOf,
  owner,
  summary,
  text,
} from './listing-rows.ts';
import { ObjectRows } from './object-rows.ts';
import { documentStart, element, isXmlText, leaf, leafIf, xmlDocument } from './xml-writer.ts';

interface Page<Item> {
  readonly objects: readonly Item[];
  readonly commonPrefixes: readonly Uint8Array[];
  readonly next?: Uint8Array;
}

export interface ListBucketsAnswer {
  readonly owner: Owner;
  readonly buckets: readonly {
    readonly name: string;
    readonly createdMs: number;
    readonly region: string;
  }[];
  readonly token?: string;
  readonly prefix?: string;
}

export function listBucketsDocument(answer: ListBucketsAnswer): string {
  let buckets = '';
  for (const { name, createdMs, region } of answer.buckets) {
    buckets += element(
      'Bucket',
      leaf('Name', name) +
        leaf('CreationDate', isoSeconds(createdMs)) +
        leaf('BucketRegion', region),
    );
  }
  return xmlDocument(
    'ListAllMyBucketsResult',
    owner(answer.owner) +
      element('Buckets', buckets) +
      leafIf('ContinuationToken', answer.token) +
      leafIf('Prefix', answer.prefix),
  );
}

function commonPrefixes(prefixes: readonly Uint8Array[], encode: Encode): string {
  let out = '';
  for (const prefix of prefixes)
    out += element('CommonPrefixes', leaf('Prefix', encode(text(prefix))));
  return out;
}

/** Elements that repeat the request, shared by all listings of a bucket. */
function echo(parameters: ListParameters, encode: Encode): string {
  const { delimiter, urlEncoding } = parameters;
  return (
    leafIf('Delimiter', delimiter === '' ? undefined : encode(delimiter)) +
    leafIf('EncodingType', urlEncoding ? 'url' : undefined)
  );
}

/** Of a listing's row with a short key: room to begin with, more is made where it is needed. */
const rowBytesTypical = 320;
const restBytesTypical = 2048;

/** A listing of objects around its rows. */
function objectsDocument(
  page: Page<ListedObject>,
  before: string,
  options: { readonly urlEncoding: boolean; readonly owner: boolean },
): Buffer {
  const rows = new ObjectRows(rowBytesTypical * page.objects.length + restBytesTypical, options);
  rows.xml(documentStart('ListBucketResult')).xml(before);
  for (const object of page.objects) rows.row(object);
  rows.xml(commonPrefixes(page.commonPrefixes, encoderOf(options))).xml('</ListBucketResult>');
  return rows.finish();
}

export interface ListObjectsAnswer {
  readonly bucket: string;
  readonly parameters: ListParameters;
  readonly marker: string;
  readonly page: Page<ListedObject>;
}

/** Version 1. NextMarker is there only with a delimiter: without one the last key serves. The prefix is not
 *  encoded (botocore does not decode it here, though it does in version 2), unless XML could not hold it. */
export function listObjectsDocument(answer: ListObjectsAnswer): Buffer {
  const { parameters, page } = answer;
  const encode = encoderOf(parameters);
  const next =
    page.next !== undefined && parameters.delimiter !== '' ? encode(text(page.next)) : undefined;
  const prefix = isXmlText(parameters.prefix) ? parameters.prefix : encode(parameters.prefix);
  return objectsDocument(
    page,
    leaf('Name', answer.bucket) +
      leaf('Prefix', prefix) +
      leaf('Marker', encode(answer.marker)) +
      leafIf('NextMarker', next) +
      leaf('MaxKeys', parameters.maxKeys) +
      echo(parameters, encode) +
      leaf('IsTruncated', page.next !== undefined),
    { urlEncoding: parameters.urlEncoding, owner: true },
  );
}

export interface ListObjectsV2Answer {
  readonly bucket: string;
  readonly parameters: ListParameters;
  readonly page: Page<ListedObject>;
  /** As the client sent them. */
  readonly continuationToken?: string;
  readonly startAfter?: string;
  readonly nextToken?: string;
  readonly fetchOwner: boolean;
}

export function listObjectsV2Document(answer: ListObjectsV2Answer): Buffer {
  const { parameters, page, startAfter } = answer;
  const encode = encoderOf(parameters);
  return objectsDocument(
    page,
    leaf('Name', answer.bucket) +
      leaf('Prefix', encode(parameters.prefix)) +
      leafIf('ContinuationToken', answer.continuationToken) +
      leafIf('NextContinuationToken', answer.nextToken) +
      leafIf('StartAfter', startAfter === undefined ? undefined : encode(startAfter)) +
      leaf('KeyCount', page.objects.length + page.commonPrefixes.length) +
      leaf('MaxKeys', parameters.maxKeys) +
      echo(parameters, encode) +
      leaf('IsTruncated', page.next !== undefined),
    { urlEncoding: parameters.urlEncoding, owner: answer.fetchOwner },
  );
}

export interface ListVersionsAnswer {
  readonly bucket: string;
  readonly parameters: ListParameters;
  readonly keyMarker: string;
  readonly versionIdMarker: string;
  readonly page: Page<ListedVersion> & { readonly nextVersionId?: string };
}

export function listVersionsDocument(answer: ListVersionsAnswer): string {
  const { parameters, page } = answer;
  const encode = encoderOf(parameters);
  const elements = new RowElements();
  let versions = '';
  for (const version of page.objects) {
    const name =
      leaf('Key', encode(text(version.key))) +
      leaf('VersionId', version.versionId) +
      leaf('IsLatest', version.isLatest);
    versions += version.deleteMarker
      ? element(
          'DeleteMarker',
          name + elements.lastModified(version.lastModifiedMs) + elements.owner(version.owner),
        )
      : element(
          'Version',
          name +
            summary(version, elements) +
            elements.storageClass(version.storageClass) +
            elements.owner(version.owner),
        );
  }
  return xmlDocument(
    'ListVersionsResult',
    leaf('Name', answer.bucket) +
      leaf('Prefix', encode(parameters.prefix)) +
      leaf('KeyMarker', encode(answer.keyMarker)) +
      leaf('VersionIdMarker', answer.versionIdMarker) +
      leafIf('NextKeyMarker', page.next === undefined ? undefined : encode(text(page.next))) +
      leafIf('NextVersionIdMarker', page.nextVersionId ?? versionOf(page)) +
      leaf('MaxKeys', parameters.maxKeys) +
      echo(parameters, encode) +
      leaf('IsTruncated', page.next !== undefined) +
      versions +
      commonPrefixes(page.commonPrefixes, encode),
  );
}

/** Version of the last key of a truncated page, which S3 names whatever the bucket; none for a prefix. */
function versionOf({ objects, next }: Page<ListedVersion>): string | undefined {
  const last = objects.at(-1);
  return next !== undefined && last !== undefined && equalBytes(last.key, next)
    ? last.versionId
    : undefined;
}

interface ListedUpload {
  readonly key: Uint8Array;
  readonly uploadId: string;
  readonly initiatedMs: number;
  readonly storageClass: string;
  readonly owner: Owner;
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: ChecksumType;
}

export interface ListUploadsAnswer {
  readonly bucket: string;
  readonly parameters: ListParameters;
  readonly keyMarker: string;
  readonly uploadIdMarker: string;
  readonly uploads: readonly ListedUpload[];
  readonly commonPrefixes: readonly Uint8Array[];
  readonly next?: { readonly key: Uint8Array; readonly uploadId: string };
}

export function listUploadsDocument(answer: ListUploadsAnswer): string {
  const { parameters, next } = answer;
  const encode = encoderOf(parameters);
  let uploads = '';
  for (const upload of answer.uploads) {
    uploads += element(
      'Upload',
      leaf('Key', encode(text(upload.key))) +
        leaf('UploadId', upload.uploadId) +
        owner(upload.owner, 'Initiator') +
        owner(upload.owner) +
        leaf('StorageClass', upload.storageClass) +
        leaf('Initiated', isoSeconds(upload.initiatedMs)) +
        leafIf('ChecksumAlgorithm', upload.checksumAlgorithm) +
        leafIf('ChecksumType', upload.checksumType),
    );
  }
  return xmlDocument(
    'ListMultipartUploadsResult',
    leaf('Bucket', answer.bucket) +
      leaf('KeyMarker', encode(answer.keyMarker)) +
      leaf('UploadIdMarker', answer.uploadIdMarker) +
      leafIf('NextKeyMarker', next === undefined ? undefined : encode(text(next.key))) +
      leafIf('NextUploadIdMarker', next?.uploadId) +
      leaf('Prefix', encode(parameters.prefix)) +
      echo(parameters, encode) +
      leaf('MaxUploads', parameters.maxKeys) +
      leaf('IsTruncated', next !== undefined) +
      uploads +
      commonPrefixes(answer.commonPrefixes, encode),
  );
}

interface ListedPart {
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum?: Checksum;
}

export interface ListPartsAnswer {
  readonly bucket: string;
  readonly key: string;
  readonly upload: ListedUpload;
  readonly parts: readonly ListedPart[];
  readonly partNumberMarker: number;
  readonly maxParts: number;
  readonly truncated: boolean;
}

export function listPartsDocument(answer: ListPartsAnswer): string {
  const { upload, parts } = answer;
  let rows = '';
  for (const part of parts) {
    const { checksum } = part;
    rows += element(
      'Part',
      leaf('PartNumber', part.partNumber) +
        leaf('LastModified', isoSeconds(part.lastModifiedMs)) +
        leaf('ETag', quotedETag(part.etag)) +
        leaf('Size', part.sizeBytes) +
        (checksum === undefined ? '' : leaf(checksumElement(checksum.algorithm), checksum.value)),
    );
  }
  return xmlDocument(
    'ListPartsResult',
    leaf('Bucket', answer.bucket) +
      leaf('Key', answer.key) +
      leaf('UploadId', upload.uploadId) +
      leaf('PartNumberMarker', answer.partNumberMarker) +
      leafIf(
        'NextPartNumberMarker',
        answer.truncated ? (parts.at(-1)?.partNumber ?? answer.partNumberMarker) : undefined,
      ) +
      leaf('MaxParts', answer.maxParts) +
      leaf('IsTruncated', answer.truncated) +
      rows +
      owner(upload.owner, 'Initiator') +
      owner(upload.owner) +
      leaf('StorageClass', upload.storageClass) +
      leafIf('ChecksumAlgorithm', upload.checksumAlgorithm) +
      leafIf('ChecksumType', upload.checksumType),
  );
}
