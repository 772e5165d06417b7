// Conditional headers into the conditions that the model evaluates, and ETags on the wire. A date that cannot
// be read is ignored, as HTTP says. ETags come with or without quotes (S3 takes both).

import { S3Error } from './errors.ts';
import { parseHttpDate } from './http-date.ts';

export type ETagCondition = '*' | readonly string[];

export interface WriteConditions {
  readonly ifMatch?: ETagCondition;
  readonly ifNoneMatch?: ETagCondition;
}

export interface ReadConditions extends WriteConditions {
  readonly ifModifiedSinceMs?: number;
  readonly ifUnmodifiedSinceMs?: number;
}

/** Headers by lower-case name. */
export interface HeaderSource {
  header(name: string): string | undefined;
}

const unconditional: ReadConditions = {};

export function writeConditions(headers: HeaderSource): WriteConditions {
  const match = headers.header('if-match');
  const noneMatch = headers.header('if-none-match');
  if (match === undefined && noneMatch === undefined) return unconditional;
  return {
    ...(match === undefined ? {} : { ifMatch: parseETags(match) }),
    ...(noneMatch === undefined ? {} : { ifNoneMatch: parseETags(noneMatch) }),
  };
}

/** @param prefix '' for a read, 'x-amz-copy-source-' for the source of a copy. */
export function readConditions(headers: HeaderSource, prefix = ''): ReadConditions {
  const match = headers.header(`${prefix}if-match`);
  const noneMatch = headers.header(`${prefix}if-none-match`);
  const modified = dateOf(headers.header(`${prefix}if-modified-since`));
  const unmodified = dateOf(headers.header(`${prefix}if-unmodified-since`));
  if (match === undefined && noneMatch === undefined && modified === undefined)
    return unmodified === undefined ? unconditional : { ifUnmodifiedSinceMs: unmodified };
  return {
    ...(match === undefined ? {} : { ifMatch: parseETags(match) }),
    ...(noneMatch === undefined ? {} : { ifNoneMatch: parseETags(noneMatch) }),
    ...(modified === undefined ? {} : { ifModifiedSinceMs: modified }),
    ...(unmodified === undefined ? {} : { ifUnmodifiedSinceMs: unmodified }),
  };
}

const dateOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : parseHttpDate(text);

/** `"a", "b"`, `a`, `W/"a"` or `*`; the tags without quotes. A weak one keeps its mark, and so matches no
 *  ETag of ours: they are all strong. */
export function parseETags(value: string): ETagCondition {
  const text = value.trim();
  if (text === '*' || text === '"*"') return '*';
  return text
    .split(',')
    .map((tag) => bareETag(tag.trim()))
    .filter((tag) => tag !== '');
}

/** An ETag without its quotes. */
export function bareETag(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}

export function quotedETag(etag: string): string {
  return `"${etag}"`;
}

/** How a write with these conditions would end now: checked before a client sends a large body in vain. The
 *  model checks again inside the commit. */
export function writeRefusal(
  conditions: WriteConditions,
  current: { readonly etag: string } | undefined,
): S3Error | undefined {
  const { ifMatch, ifNoneMatch } = conditions;
  if (ifMatch !== undefined) {
    if (current === undefined) return new S3Error('NoSuchKey');
    if (!holds(ifMatch, current.etag)) return failed('If-Match');
  }
  if (ifNoneMatch !== undefined && current !== undefined && holds(ifNoneMatch, current.etag))
    return failed('If-None-Match');
  return undefined;
}

const holds = (condition: ETagCondition, etag: string): boolean =>
  condition === '*' || condition.includes(etag);

const failed = (condition: string): S3Error =>
  new S3Error('PreconditionFailed', undefined, { Condition: condition });
