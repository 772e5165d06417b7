// The namespace as a sorted map: what a bucket should hold and how its listings should look. Keys and prefixes
// are strings of one character per byte, so that the order of strings is byte order.

import { Buffer } from 'node:buffer';

export interface ModelObject {
  readonly pieces: readonly Buffer[];
  readonly etag: string;
  readonly tags: readonly (readonly [string, string])[];
  readonly partCount: number;
}

export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
export const bytes = (name: string): Buffer => Buffer.from(name, 'latin1');

export function sizeOf(object: ModelObject): number {
  return object.pieces.reduce((sum, { length }) => sum + length, 0);
}

/** Bytes [from, to) without joining the whole. */
export function sliceOf(object: ModelObject, from: number, to: number): Buffer {
  const parts: Buffer[] = [];
  let start = 0;
  for (const piece of object.pieces) {
    parts.push(piece.subarray(Math.max(from - start, 0), Math.max(to - start, 0)));
    start += piece.length;
  }
  return Buffer.concat(parts);
}

export interface ModelListing {
  readonly prefix: string;
  readonly delimiter: string;
  readonly after: string | undefined;
  readonly limit: number;
}

export interface ModelPage {
  /** Keys and common prefixes, in order. */
  readonly items: readonly string[];
  readonly next: string | undefined;
}

/** S3's ListObjects over sorted keys, key by key. */
export function listModel(
  keys: readonly string[],
  { prefix, delimiter, after, limit }: ModelListing,
): ModelPage {
  const items: string[] = [];
  if (limit === 0) return { items, next: undefined };
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const item = at < 0 ? key : key.slice(0, at + delimiter.length);
    if (item === items.at(-1) || (after !== undefined && item <= after)) continue;
    if (items.length === limit) return { items, next: items.at(-1) };
    items.push(item);
  }
  return { items, next: undefined };
}
