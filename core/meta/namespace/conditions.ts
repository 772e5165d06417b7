// Conditions of requests, evaluated against the present state of an object. Pure. S3 compares times in whole
// seconds, since its headers carry no more.

import { CoreError, isCoreError } from '../../base/errors.ts';
import type { DeleteConditions, ETags, ReadConditions, WriteConditions } from '../messages.ts';

export interface Current {
  readonly etag: string;
  readonly modifiedMs: number;
  readonly sizeBytes: number;
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

function matches(condition: ETags, etag: string): boolean {
  return condition.any || condition.etags.includes(etag);
}

/** A conditional write that lost to others until its attempts ended is told to start over.
 *  @throws CONDITION_CONFLICT, and what `write` throws */
export async function decided<T>(conditions: WriteConditions, write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    const conditional = conditions.ifMatch !== undefined || conditions.ifNoneMatch !== undefined;
    if (!conditional || !isCoreError(error, 'CONFLICT')) throw error;
    throw new CoreError('CONDITION_CONFLICT', 'concurrent writes decided the condition', {
      cause: error,
    });
  }
}

/** @throws KEY_NOT_FOUND for If-Match on a missing object, CONDITION_FAILED */
export function checkWrite(conditions: WriteConditions, current: Current | undefined): void {
  const { ifMatch, ifNoneMatch } = conditions;
  if (ifMatch !== undefined) {
    if (current === undefined) throw new CoreError('KEY_NOT_FOUND', 'If-Match on a missing object');
    if (!matches(ifMatch, current.etag)) throw failed('If-Match');
  }
  if (ifNoneMatch !== undefined && current !== undefined && matches(ifNoneMatch, current.etag)) {
    throw failed('If-None-Match');
  }
}

export type ReadOutcome = 'ok' | 'not-modified' | 'condition-failed';

/** RFC 9110 section 13.2.2, order of precedence. */
export function readOutcome(conditions: ReadConditions, current: Current): ReadOutcome {
  const { ifMatch, ifNoneMatch, ifModifiedSinceMs, ifUnmodifiedSinceMs } = conditions;
  const modified = seconds(current.modifiedMs);
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, current.etag)) return 'condition-failed';
  } else if (ifUnmodifiedSinceMs !== undefined && modified > seconds(ifUnmodifiedSinceMs)) {
    return 'condition-failed';
  }
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, current.etag)) return 'not-modified';
  } else if (ifModifiedSinceMs !== undefined && modified <= seconds(ifModifiedSinceMs)) {
    return 'not-modified';
  }
  return 'ok';
}

/** Conditions of a copy source: S3 answers 412 where a GET would be 304. @throws CONDITION_FAILED */
export function checkSource(conditions: ReadConditions, current: Current): void {
  if (readOutcome(conditions, current) !== 'ok') throw failed('a condition on the copy source');
}

/** @throws CONDITION_FAILED */
export function checkDelete(conditions: DeleteConditions, current: Current): void {
  const { ifMatch, lastModifiedMs, sizeBytes } = conditions;
  if (ifMatch !== undefined && !matches(ifMatch, current.etag)) throw failed('If-Match');
  if (lastModifiedMs !== undefined && seconds(lastModifiedMs) !== seconds(current.modifiedMs)) {
    throw failed('x-amz-if-match-last-modified-time');
  }
  if (sizeBytes !== undefined && sizeBytes !== current.sizeBytes)
    throw failed('x-amz-if-match-size');
}

function failed(condition: string): CoreError {
  return new CoreError('CONDITION_FAILED', `${condition} does not hold`);
}
