// Positional writes of several buffers through plain descriptors and callbacks: FileHandle costs an object and
// a promise more per call.

import { assert } from '../../base/assert.ts';
import type { FileCalls } from './file-calls.ts';

/** Buffers of one writev; POSIX promises no more than IOV_MAX, which is 1,024 on Linux. */
const partsPerCallMax = 1024;

type Callback<T> = (error: NodeJS.ErrnoException | null, value?: T) => void;

export function call<T = void>(start: (done: Callback<T>) => void): Promise<T> {
  return new Promise<T>((done, fail) => {
    start((error, value) => (error ? fail(error) : done(value as T)));
  });
}

/** One system call for as many of the parts as it takes; answers the bytes that were written. */
export function writeOnce(
  calls: FileCalls,
  fd: number,
  parts: readonly Uint8Array[],
  position: number,
): Promise<number> {
  const only = parts[0] as Uint8Array;
  return call<number>((done) => {
    if (parts.length === 1) calls.write(fd, only, 0, only.length, position, done);
    else calls.writev(fd, parts.slice(0, partsPerCallMax), position, done);
  });
}

/** All of them; short writes are continued. */
export async function writeAll(
  calls: FileCalls,
  fd: number,
  parts: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let left = parts;
  let at = position;
  while (left.length > 0) {
    // oxlint-disable-next-line no-await-in-loop -- continues a short write
    const written = await writeOnce(calls, fd, left, at);
    assert(written > 0 || left.every((part) => part.length === 0), 'a write made no progress');
    at += written;
    left = behind(left, written);
  }
}

/** What is left of `parts` after `bytes` of them. */
export function behind(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  if (bytes === 0) return parts;
  const left: Uint8Array[] = [];
  let skip = bytes;
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      left.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return left;
}
