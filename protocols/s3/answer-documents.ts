// Answers of single operations that carry XML, and the Error document.

import { type Checksum, checksumElement, checksumText } from './checksums.ts';
import { quotedETag } from './conditions.ts';
import type { S3Error } from './errors.ts';
import { isoSeconds } from './http-date.ts';
import { type Owner, owner, text } from './listing-rows.ts';
import type { Tag } from './tags.ts';
import { element, errorDocument, leaf, leafIf, xmlDocument } from './xml-writer.ts';

/** @param resource path of the request, as sent. */
export function errorXml(error: S3Error, resource: string, requestId: string): string {
  let fields = '';
  for (const [name, value] of Object.entries(error.fields)) fields += leaf(name, value);
  return errorDocument(
    leaf('Code', error.code) +
      leaf('Message', error.message) +
      fields +
      leaf('Resource', resource) +
      leaf('RequestId', requestId),
  );
}

/** Region names as they are; us-east-1 is the empty string, since it was the only region once. */
export function locationDocument(region: string): string {
  return xmlDocument('LocationConstraint', region === 'us-east-1' ? '' : region);
}

export function taggingDocument(tags: readonly Tag[]): string {
  let set = '';
  for (const { key, value } of tags) set += element('Tag', leaf('Key', key) + leaf('Value', value));
  return xmlDocument('Tagging', element('TagSet', set));
}

/** What an object or bucket without granted rights shows: its owner may do everything, nobody else anything. */
export function ownerOnlyAclDocument(who: Owner): string {
  const grantee = `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${leaf(
    'ID',
    who.id,
  )}${leaf('DisplayName', who.displayName)}</Grantee>`;
  const grant = element('Grant', grantee + leaf('Permission', 'FULL_CONTROL'));
  return xmlDocument('AccessControlPolicy', owner(who) + element('AccessControlList', grant));
}

interface Copied {
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum?: Checksum;
}

export function copyObjectDocument(result: Copied, partCount: number): string {
  return xmlDocument('CopyObjectResult', copied(result, partCount));
}

export function copyPartDocument(result: Copied): string {
  return xmlDocument('CopyPartResult', copied(result, 0));
}

function copied(result: Copied, partCount: number): string {
  return (
    leaf('LastModified', isoSeconds(result.lastModifiedMs)) +
    leaf('ETag', quotedETag(result.etag)) +
    checksumElements(result.checksum, partCount)
  );
}

function checksumElements(checksum: Checksum | undefined, partCount: number): string {
  if (checksum === undefined) return '';
  return (
    leaf(checksumElement(checksum.algorithm), checksumText(checksum, partCount)) +
    leaf('ChecksumType', checksum.type)
  );
}

export function createUploadDocument(bucket: string, key: string, uploadId: string): string {
  return xmlDocument(
    'InitiateMultipartUploadResult',
    leaf('Bucket', bucket) + leaf('Key', key) + leaf('UploadId', uploadId),
  );
}

export interface CompleteAnswer {
  readonly location: string;
  readonly bucket: string;
  readonly key: string;
  readonly etag: string;
  readonly checksum?: Checksum;
  readonly partCount: number;
}

export function completeUploadDocument(answer: CompleteAnswer): string {
  return xmlDocument(
    'CompleteMultipartUploadResult',
    leaf('Location', answer.location) +
      leaf('Bucket', answer.bucket) +
      leaf('Key', answer.key) +
      leaf('ETag', quotedETag(answer.etag)) +
      checksumElements(answer.checksum, answer.partCount),
  );
}

export type DeletedItem =
  | {
      readonly key: Uint8Array;
      readonly versionId?: string;
      readonly deleteMarker: boolean;
      readonly deleteMarkerVersionId?: string;
    }
  | { readonly key: Uint8Array; readonly versionId?: string; readonly error: S3Error };

/** Quiet answers name the failures only. */
export function deleteObjectsDocument(items: readonly DeletedItem[], quiet: boolean): string {
  let out = '';
  for (const item of items) {
    const name = leaf('Key', text(item.key)) + leafIf('VersionId', item.versionId);
    if ('error' in item) {
      const { code, message } = item.error;
      out += element('Error', name + leaf('Code', code) + leaf('Message', message));
    } else if (!quiet) {
      const marker = item.deleteMarker
        ? leaf('DeleteMarker', true) + leafIf('DeleteMarkerVersionId', item.deleteMarkerVersionId)
        : '';
      out += element('Deleted', name + marker);
    }
  }
  return xmlDocument('DeleteResult', out);
}

export interface ObjectAttributesAnswer {
  readonly etag?: string;
  readonly checksum?: Checksum;
  readonly partCount: number;
  readonly parts?: {
    readonly rows: readonly {
      readonly partNumber: number;
      readonly sizeBytes: number;
      readonly checksum?: Checksum;
    }[];
    readonly marker: number;
    readonly maxParts: number;
    readonly truncated: boolean;
  };
  readonly storageClass?: string;
  readonly sizeBytes?: number;
}

export function objectAttributesDocument(answer: ObjectAttributesAnswer): string {
  const { checksum, parts } = answer;
  return xmlDocument(
    'GetObjectAttributesResponse',
    leafIf('ETag', answer.etag) +
      (checksum === undefined
        ? ''
        : element('Checksum', checksumElements(checksum, answer.partCount))) +
      (parts === undefined ? '' : objectParts(answer.partCount, parts)) +
      leafIf('StorageClass', answer.storageClass) +
      leafIf('ObjectSize', answer.sizeBytes),
  );
}

function objectParts(
  partCount: number,
  parts: NonNullable<ObjectAttributesAnswer['parts']>,
): string {
  let rows = '';
  for (const part of parts.rows) {
    const { checksum } = part;
    rows += element(
      'Part',
      leaf('PartNumber', part.partNumber) +
        leaf('Size', part.sizeBytes) +
        (checksum === undefined ? '' : leaf(checksumElement(checksum.algorithm), checksum.value)),
    );
  }
  const last = parts.rows.at(-1)?.partNumber ?? parts.marker;
  return element(
    'ObjectParts',
    leaf('PartsCount', partCount) +
      leaf('PartNumberMarker', parts.marker) +
      leaf('NextPartNumberMarker', last) +
      leaf('MaxParts', parts.maxParts) +
      leaf('IsTruncated', parts.truncated) +
      rows,
  );
}

/** Without a status where versioning was never enabled. */
export function versioningDocument(status: 'Enabled' | 'Suspended' | undefined): string {
  return xmlDocument('VersioningConfiguration', leafIf('Status', status));
}

/** A document with nothing in it: settings that a bucket does not have. */
export function emptyDocument(root: string): string {
  return xmlDocument(root, '');
}

export function requestPaymentDocument(): string {
  return xmlDocument('RequestPaymentConfiguration', leaf('Payer', 'BucketOwner'));
}
