// XML bodies of requests into values. Roots and required elements are checked; elements that S3 has and
// Lampyr does not need are read over. All functions throw S3Error MalformedXML.

import { limits } from '../../core/base/limits.ts';
import { checksumAlgorithms, checksumElement, type ChecksumAlgorithm } from './checksums.ts';
import { bareETag } from './conditions.ts';
import { S3Error, notImplemented } from './errors.ts';
import { parseHttpDate } from './http-date.ts';
import { keyBytes } from './names.ts';
import type { Tag } from './tags.ts';
import { type XmlElement, childText, malformedXml } from './xml-reader.ts';

export interface DeleteItem {
  readonly key: Uint8Array;
  readonly versionId?: string;
  readonly ifMatch?: '*' | readonly string[];
  readonly lastModifiedMs?: number;
  readonly sizeBytes?: number;
}

export interface DeleteRequest {
  readonly quiet: boolean;
  readonly items: readonly DeleteItem[];
}

const deleteItemsMax = 1000;

/** Body of DeleteObjects. */
export function readDelete(root: XmlElement): DeleteRequest {
  expectRoot(root, 'Delete');
  const objects = root.children.filter(({ name }) => name === 'Object');
  if (objects.length === 0 || objects.length > deleteItemsMax) throw malformedXml();
  return { quiet: childText(root, 'Quiet')?.trim() === 'true', items: objects.map(readDeleteItem) };
}

function readDeleteItem(object: XmlElement): DeleteItem {
  const key = childText(object, 'Key');
  if (key === undefined || key === '') throw malformedXml();
  const versionId = childText(object, 'VersionId');
  const etag = childText(object, 'ETag');
  const modified = childText(object, 'LastModifiedTime');
  const size = childText(object, 'Size');
  return {
    key: keyBytes(key),
    ...(versionId === undefined || versionId === '' ? {} : { versionId }),
    ...(etag === undefined ? {} : { ifMatch: etag === '*' ? etag : [bareETag(etag)] }),
    ...(modified === undefined ? {} : { lastModifiedMs: readDate(modified) }),
    ...(size === undefined ? {} : { sizeBytes: readInteger(size) }),
  };
}

function readDate(text: string): number {
  const ms = parseHttpDate(text.trim());
  if (ms === undefined) throw malformedXml();
  return ms;
}

function readInteger(text: string): number {
  const digits = text.trim();
  if (!/^\d{1,15}$/.test(digits)) throw malformedXml();
  return Number(digits);
}

/** A checksum that a client stated in XML. */
export interface StatedValue {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

export interface CompletePart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksum?: StatedValue;
}

/** Body of CompleteMultipartUpload, in the order sent: the model checks the order. */
export function readComplete(root: XmlElement): CompletePart[] {
  // Some clients name the root after the operation.
  if (root.name !== 'CompleteMultipartUpload' && root.name !== 'CompleteMultipartUploadRequest')
    throw malformedXml();
  const parts = root.children.filter(({ name }) => name === 'Part');
  if (parts.length === 0 || parts.length > limits.partsMax) throw malformedXml();
  return withoutRepeats(parts.map(readCompletePart));
}

/** A part that was uploaded twice may be named twice in a row (s3-tests multipart_resend_first_finishes_last): the
 *  last one counts. */
function withoutRepeats(parts: CompletePart[]): CompletePart[] {
  return parts.filter((part, at) => parts[at + 1]?.partNumber !== part.partNumber);
}

function readCompletePart(part: XmlElement): CompletePart {
  const number = childText(part, 'PartNumber');
  const etag = childText(part, 'ETag');
  if (number === undefined || etag === undefined) throw malformedXml();
  const partNumber = readInteger(number);
  if (partNumber < 1 || partNumber > limits.partsMax) {
    throw new S3Error(
      'InvalidArgument',
      `PartNumber must be an integer between 1 and ${limits.partsMax}, inclusive`,
    );
  }
  const checksum = readChecksum(part);
  return {
    partNumber,
    etag: bareETag(etag.trim()),
    ...(checksum === undefined ? {} : { checksum }),
  };
}

function readChecksum(part: XmlElement): StatedValue | undefined {
  for (const algorithm of checksumAlgorithms) {
    const value = childText(part, checksumElement(algorithm));
    if (value !== undefined && value !== '') return { algorithm, value: value.trim() };
  }
  return undefined;
}

/** Body of PutObjectTagging and PutBucketTagging; `checkTags` judges the tags. */
export function readTagging(root: XmlElement): Tag[] {
  expectRoot(root, 'Tagging');
  const set = root.children.find(({ name }) => name === 'TagSet');
  if (set === undefined) throw malformedXml();
  return readTagSet(set);
}

function readTagSet(set: XmlElement): Tag[] {
  return set.children.map((tag) => {
    const key = childText(tag, 'Key');
    const value = childText(tag, 'Value');
    if (tag.name !== 'Tag' || key === undefined || value === undefined) throw malformedXml();
    return { key, value };
  });
}

export interface BucketConfiguration {
  /** '' for us-east-1, which has no name here. */
  readonly location: string;
  readonly tags: readonly Tag[];
}

/** Body of CreateBucket. */
export function readBucketConfiguration(root: XmlElement): BucketConfiguration {
  expectRoot(root, 'CreateBucketConfiguration');
  for (const { name } of root.children)
    if (name === 'Bucket' || name === 'Location') throw notImplemented('A directory bucket');
  const tags = root.children.find(({ name }) => name === 'Tags');
  return {
    location: childText(root, 'LocationConstraint')?.trim() ?? '',
    tags: tags === undefined ? [] : readTagSet(tags),
  };
}

/** Body of PutBucketVersioning. @throws S3Error also IllegalVersioningConfigurationException, NotImplemented */
export function readVersioning(root: XmlElement): 'Enabled' | 'Suspended' {
  expectRoot(root, 'VersioningConfiguration');
  const mfaDelete = childText(root, 'MfaDelete')?.trim();
  if (mfaDelete === 'Enabled') throw notImplemented('MFA delete');
  if (mfaDelete !== undefined && mfaDelete !== 'Disabled') throw malformedXml();
  const status = childText(root, 'Status')?.trim();
  if (status === 'Enabled' || status === 'Suspended') return status;
  if (status !== undefined) throw malformedXml();
  throw new S3Error('IllegalVersioningConfigurationException');
}

function expectRoot(root: XmlElement, name: string): void {
  if (root.name !== name) throw malformedXml();
}
