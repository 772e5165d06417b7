// What the head refuses before it assigns a version: an update that has no effect whoever tries it.

import { assert } from '../base/assert.ts';
import type { ErrorName } from '../base/errors.ts';
import type { ChunkChange } from '../store/types.ts';
import type { ContentState } from './types.ts';

/** @returns why the change cannot be made; undefined when it can */
export function admitUpdate(
  change: ChunkChange,
  committed: ContentState | undefined,
): ErrorName | undefined {
  switch (change.kind) {
    case 'remove':
      return committed === undefined ? 'CHUNK_NOT_FOUND' : undefined;
    case 'write':
      return committed?.sealed === true ? 'CHUNK_SEALED' : undefined;
    case 'truncate':
    case 'seal':
      if (committed === undefined) return 'CHUNK_NOT_FOUND';
      return change.kind === 'truncate' && committed.sealed ? 'CHUNK_SEALED' : undefined;
  }
  assert(false, 'every kind of change is listed');
}
