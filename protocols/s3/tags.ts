// Tags of objects and buckets. A set of tags has no order: it is kept sorted by key, so that equal sets are
// equal everywhere. Rules: S3 user guide, "Object tags".

import { compareBytes } from '../../core/base/bytes.ts';
import { S3Error } from './errors.ts';

export interface Tag {
  readonly key: string;
  readonly value: string;
}

export const tagLimits = {
  objectTagsMax: 10,
  bucketTagsMax: 50,
  /** In Unicode characters. */
  keyCharactersMax: 128,
  valueCharactersMax: 256,
} as const;

const allowed = /^[\p{L}\p{N}\p{Z}_.:/=+\-@]*$/u;

/** @throws S3Error InvalidTag */
export function checkTags(tags: readonly Tag[], countMax: number): Tag[] {
  if (tags.length > countMax) throw invalidTag(`There must be at most ${countMax} tags.`);
  const seen = new Set<string>();
  for (const { key, value } of tags) {
    const keyCharacters = characters(key);
    if (keyCharacters === 0 || keyCharacters > tagLimits.keyCharactersMax)
      throw invalidTag('The TagKey you have provided is invalid', key);
    if (characters(value) > tagLimits.valueCharactersMax)
      throw invalidTag('The TagValue you have provided is invalid', key);
    if (!allowed.test(key)) throw invalidTag('The TagKey you have provided is invalid', key);
    if (!allowed.test(value)) throw invalidTag('The TagValue you have provided is invalid', key);
    if (/^aws:/i.test(key)) throw invalidTag('System tags cannot be added by requester', key);
    if (seen.has(key)) throw invalidTag('Cannot provide multiple Tags with the same key', key);
    seen.add(key);
  }
  return tags.toSorted((a, b) => compareBytes(Buffer.from(a.key), Buffer.from(b.key)));
}

/** Unicode code points, which is what the limits count. */
function characters(text: string): number {
  return Array.from(text).length;
}

/** The `x-amz-tagging` header: `key=value&key2=value2`, form-encoded. @throws S3Error InvalidTag */
export function parseTaggingHeader(header: string): Tag[] {
  const tags: Tag[] = [];
  for (const piece of header.split('&')) {
    if (piece === '') continue;
    const at = piece.indexOf('=');
    const key = decode(at < 0 ? piece : piece.slice(0, at));
    tags.push({ key, value: at < 0 ? '' : decode(piece.slice(at + 1)) });
  }
  return checkTags(tags, tagLimits.objectTagsMax);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalidTag('The header x-amz-tagging shall be encoded as UTF-8 then URLEncoded.');
  }
}

function invalidTag(message: string, key?: string): S3Error {
  return new S3Error('InvalidTag', message, key === undefined ? {} : { TagKey: key });
}
