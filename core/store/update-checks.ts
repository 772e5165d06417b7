// What an update must satisfy before anything is done for it: limits, the sender's checksum, its place in
// the order of the chunk's versions. Pure.

import { CoreError } from '../base/errors.ts';
import type { ChainVer, UpdateVer } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { type ChunkRow, emptyContent } from './chunk-row.ts';
import type { Written } from './draft.ts';
import type { ChunkChange, ChunkUpdate, UpdateTag } from './types.ts';
import { combineUnits, unitChecksums } from './unit-checksums.ts';

export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** @throws CoreError INVALID_ARGUMENT, LIMIT_EXCEEDED, CHECKSUM_MISMATCH */
export function checkChange(
  change: ChunkChange,
  unitBytes: number,
  expectedBytes = 0,
): Written | undefined {
  if (change.kind === 'seal' || change.kind === 'remove') return undefined;
  const end = change.kind === 'write' ? change.offset + change.bytes.length : change.length;
  if (!isCount(expectedBytes) || expectedBytes > limits.blockBytesMax)
    throw new CoreError(
      'LIMIT_EXCEEDED',
      `a chunk that is expected to have ${expectedBytes} bytes`,
    );
  if (!isCount(end) || (change.kind === 'write' && !isCount(change.offset)))
    throw new CoreError('INVALID_ARGUMENT', `${change.kind} up to ${end}`);
  if (end > limits.blockBytesMax)
    throw new CoreError(
      'LIMIT_EXCEEDED',
      `a chunk of ${end} bytes, ${limits.blockBytesMax} at most`,
    );
  if (change.kind === 'truncate') return undefined;
  const { offset, bytes, given = false } = change;
  // One pass gives the checksums to store and the one to compare.
  const checksums = unitChecksums([bytes], unitBytes);
  const crc = combineUnits(checksums, bytes.length, unitBytes);
  if (change.crc32c !== undefined && crc !== change.crc32c)
    throw new CoreError('CHECKSUM_MISMATCH', `${bytes.length} bytes do not match their checksum`);
  return { offset, bytes, crc32c: crc, checksums, expectedBytes, given };
}

/** The version that the update gets. @throws CoreError CHUNK_VERSION_MISMATCH */
export function checkVersion(update: ChunkUpdate, row: ChunkRow | undefined): UpdateVer {
  const next = ((row?.version ?? 0) + 1) as UpdateVer;
  const mismatch = (what: string): CoreError =>
    new CoreError(
      'CHUNK_VERSION_MISMATCH',
      `chunk ${update.chunk.blob}/${update.chunk.index}: ${what}`,
    );
  if (row?.pending !== undefined) throw mismatch(`update ${row.pending.version} is pending`);
  if (update.version !== undefined && update.version !== next)
    throw mismatch(`update ${update.version} does not follow ${next - 1}`);
  if (row !== undefined && update.chainVersion < row.chainVersion)
    throw mismatch(`chain version ${update.chainVersion} is older than ${row.chainVersion}`);
  return next;
}

/** Tag of folds and moves: they change no content and answer nobody. */
export const noTag = { session: 0, channel: 0, sequence: 0 } as UpdateTag;

/** The row of a chunk that does not exist yet. */
export function newRow({ chainVersion }: { chainVersion: ChainVer }, unitBytes: number): ChunkRow {
  return {
    version: 0 as UpdateVer,
    chainVersion,
    epoch: 0,
    unitBytes,
    sealed: false,
    log: false,
    content: emptyContent,
  };
}
