// Between the object model's values and the messages of the namespace calls. Field by field, no decisions.

import { CoreError, errorNameOf } from '../../base/errors.ts';
import type * as m from '../../meta/messages.ts';
import type {
  ByteRange,
  ChecksumAlgorithm,
  ChecksumType,
  DeleteConditions,
  DeleteResult,
  ETagCondition,
  ListedObject,
  ListedVersion,
  ObjectAttributes,
  ObjectChecksum,
  ObjectInfo,
  PartInfo,
  ReadConditions,
  Tag,
  UploadInfo,
  WriteConditions,
} from './types.ts';

const toETags = (condition: ETagCondition): m.ETags =>
  condition === '*' ? { any: true, etags: [] } : { any: false, etags: [...condition] };

export function toWriteConditions(conditions: WriteConditions): m.WriteConditions {
  return {
    ...(conditions.ifMatch === undefined ? {} : { ifMatch: toETags(conditions.ifMatch) }),
    ...(conditions.ifNoneMatch === undefined
      ? {}
      : { ifNoneMatch: toETags(conditions.ifNoneMatch) }),
  };
}

export function toReadConditions(conditions: ReadConditions): m.ReadConditions {
  return {
    ...toWriteConditions(conditions),
    ifModifiedSinceMs: conditions.ifModifiedSinceMs,
    ifUnmodifiedSinceMs: conditions.ifUnmodifiedSinceMs,
  };
}

export function toDeleteConditions(conditions: DeleteConditions): m.DeleteConditions {
  return {
    ...(conditions.ifMatch === undefined ? {} : { ifMatch: toETags(conditions.ifMatch) }),
    lastModifiedMs: conditions.lastModifiedMs,
    sizeBytes: conditions.sizeBytes,
  };
}

export function toRange(range: ByteRange | undefined): m.ByteRange | undefined {
  if (range === undefined) return undefined;
  return range.kind === 'suffix'
    ? { suffix: range.bytes }
    : { first: range.first, last: range.last };
}

export const toTags = (tags: readonly Tag[]): m.Pair[] =>
  tags.map(({ key, value }) => ({ name: key, value }));

export const fromTags = (pairs: readonly m.Pair[]): Tag[] =>
  pairs.map(({ name, value }) => ({ key: name, value }));

export const toMetadata = (metadata: ObjectAttributes['userMetadata']): m.Pair[] =>
  metadata.map(([name, value]) => ({ name, value }));

export function toAttributes(attributes: ObjectAttributes): m.Attributes {
  return {
    headers: attributes.headers,
    userMetadata: toMetadata(attributes.userMetadata),
    tags: toTags(attributes.tags),
    storageClass: attributes.storageClass,
  };
}

/** Stored values are only ever written from the model's own types. */
export const fromChecksum = (checksum: m.Checksum): ObjectChecksum => checksum as ObjectChecksum;

/** Members one by one: this is on the path of every read, and spreading took more than decoding. */
export function fromInfo(info: m.ObjectInfo): ObjectInfo {
  const { attributes, checksum } = info;
  const { userMetadata, tags } = attributes;
  const shown: ObjectInfo = {
    key: info.key,
    versionId: info.versionId,
    sizeBytes: info.sizeBytes,
    etag: info.etag,
    lastModifiedMs: info.lastModifiedMs,
    partCount: info.partCount,
    owner: info.owner,
    headers: attributes.headers as ObjectAttributes['headers'],
    userMetadata: userMetadata.map(({ name, value }) => [name, value]),
    tags: fromTags(tags),
    storageClass: attributes.storageClass,
  };
  return checksum === undefined ? shown : { ...shown, checksum: fromChecksum(checksum) };
}

export function fromPart(part: m.PartInfo): PartInfo {
  const { checksum, ...rest } = part;
  return checksum === undefined ? rest : { ...rest, checksum: fromChecksum(checksum) };
}

export function fromUpload(upload: m.UploadInfo): UploadInfo {
  const { checksumAlgorithm, checksumType, ...rest } = upload;
  return {
    ...rest,
    ...(checksumAlgorithm === undefined
      ? {}
      : { checksumAlgorithm: checksumAlgorithm as ChecksumAlgorithm }),
    ...(checksumType === undefined ? {} : { checksumType: checksumType as ChecksumType }),
  };
}

function fromListed(listed: m.ListedObject, bucketOwner: m.Owner): ListedObject {
  const { checksumAlgorithm, checksumType } = listed;
  const shown: ListedObject = {
    key: listed.key,
    sizeBytes: listed.sizeBytes,
    etag: listed.etag,
    lastModifiedMs: listed.lastModifiedMs,
    storageClass: listed.storageClass,
    owner: listed.owner ?? bucketOwner,
  };
  if (checksumAlgorithm === undefined && checksumType === undefined) return shown;
  return {
    ...shown,
    ...(checksumAlgorithm === undefined
      ? {}
      : { checksumAlgorithm: checksumAlgorithm as ChecksumAlgorithm }),
    ...(checksumType === undefined ? {} : { checksumType: checksumType as ChecksumType }),
  };
}

export function fromListedVersion(listed: m.ListedObject, bucketOwner: m.Owner): ListedVersion {
  return {
    ...fromListed(listed, bucketOwner),
    versionId: listed.versionId ?? 'null',
    isLatest: listed.isLatest ?? true,
    deleteMarker: listed.deleteMarker ?? false,
  };
}

export function fromDeleteResult(result: m.DeleteResult): DeleteResult | CoreError {
  if (result.errorCode !== undefined) {
    return new CoreError(errorNameOf(result.errorCode), result.errorDetail ?? '');
  }
  const { versionId, deleteMarker } = result;
  return versionId === undefined ? { deleteMarker } : { versionId, deleteMarker };
}
