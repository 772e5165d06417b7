// The answer of listObjects as the model's values, in one pass over its bytes: a page has a thousand objects, and
// decoding each as a message of its own and converting it took three times as long. Strings that neighbours
// share are made once. Pure; keys are views of the payload.

import type { Buffer } from 'node:buffer';
import { asBuffer } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { WireReader, tagOf, wireType } from '../../base/protobuf-wire.ts';
import { ListPage as PageMessage, Owner as OwnerMessage } from '../../meta/messages.ts';
import type { ChecksumAlgorithm, ChecksumType, ListPage, ListedObject, Owner } from './types.ts';

/** Field numbers of ListPage and ListedObject (core/meta/messages.ts); a test holds them against the messages. */
const objectTag = tagOf(1, wireType.bytes);
const sizeTag = tagOf(1, wireType.varint);
const modifiedTag = tagOf(2, wireType.varint);
const etagTag = tagOf(3, wireType.bytes);
const storageClassTag = tagOf(4, wireType.bytes);
const ownerTag = tagOf(5, wireType.bytes);
const algorithmTag = tagOf(6, wireType.bytes);
const typeTag = tagOf(7, wireType.bytes);
const keyTag = tagOf(16, wireType.bytes);

const noKey = new Uint8Array(0);

/** @throws CoreError PROTOCOL on malformed bytes */
export function decodeListedPage(payload: Uint8Array): ListPage<ListedObject> {
  const bytes = asBuffer(payload);
  try {
    const rest = PageMessage.decode(bytes.subarray(endOfObjects(bytes)));
    const objects = new ObjectReader(bytes, rest.bucketOwner).objects();
    const { commonPrefixes, next } = rest;
    if (rest.objects.length > 0) throw new CoreError('PROTOCOL', 'objects do not come first');
    return next === undefined ? { objects, commonPrefixes } : { objects, commonPrefixes, next };
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    throw new CoreError('PROTOCOL', `a page of a listing: ${error.message}`, { cause: error });
  }
}

/** The objects come first; the owner of most of them is behind. */
function endOfObjects(bytes: Buffer): number {
  const reader = new WireReader(bytes);
  while (reader.more) {
    const start = reader.position;
    if (reader.varint() !== objectTag) return start;
    reader.pass();
  }
  return bytes.length;
}

class ObjectReader {
  private readonly reader: WireReader;
  private readonly bucketOwner: Owner;
  // Of the object before.
  private storageClass = '';
  private algorithm = '';
  private type = '';

  constructor(bytes: Buffer, bucketOwner: Owner) {
    this.reader = new WireReader(bytes);
    this.bucketOwner = bucketOwner;
  }

  objects(): ListedObject[] {
    const { reader } = this;
    const objects: ListedObject[] = [];
    while (reader.more) {
      if (reader.varint() !== objectTag) break;
      const outer = reader.enter();
      objects.push(this.object());
      reader.leave(outer);
    }
    return objects;
  }

  private object(): ListedObject {
    const { reader } = this;
    let key: Uint8Array = noKey;
    let sizeBytes = 0;
    let etag = '';
    let lastModifiedMs = 0;
    let storageClass = '';
    let owner = this.bucketOwner;
    let algorithm: string | undefined;
    let type: string | undefined;
    while (reader.more) {
      const from = reader.position;
      const tag = reader.varint();
      switch (tag) {
        case sizeTag:
          sizeBytes = reader.uint('sizeBytes');
          break;
        case modifiedTag:
          lastModifiedMs = reader.uint('lastModifiedMs');
          break;
        case etagTag:
          etag = reader.string();
          break;
        case storageClassTag:
          storageClass = this.storageClass = reader.stringLike(this.storageClass);
          break;
        case ownerTag:
          owner = OwnerMessage.decode(reader.block());
          break;
        case algorithmTag:
          algorithm = this.algorithm = reader.stringLike(this.algorithm);
          break;
        case typeTag:
          type = this.type = reader.stringLike(this.type);
          break;
        case keyTag:
          key = reader.block();
          break;
        default:
          reader.unknown(tag, from);
      }
    }
    if (algorithm !== undefined && type !== undefined) {
      const checksumAlgorithm = algorithm as ChecksumAlgorithm;
      const checksumType = type as ChecksumType;
      return {
        key,
        sizeBytes,
        etag,
        lastModifiedMs,
        storageClass,
        owner,
        checksumAlgorithm,
        checksumType,
      };
    }
    const shown = { key, sizeBytes, etag, lastModifiedMs, storageClass, owner };
    if (algorithm !== undefined)
      return { ...shown, checksumAlgorithm: algorithm as ChecksumAlgorithm };
    return type === undefined ? shown : { ...shown, checksumType: type as ChecksumType };
  }
}
