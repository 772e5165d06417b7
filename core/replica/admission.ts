// What the head refuses before it assigns a version: an update that has no effect whoever tries it.

import { assert } from '../base/assert.ts';
import type { ErrorName } from '../base/errors.ts';
import type { UpdateVer } from '../base/ids.ts';
import type { ChunkChange } from '../store/types.ts';
import type { ContentState } from './types.ts';

export type Refusal =
  | { readonly ok: false; readonly error: ErrorName }
  /** Done already: removing what is not there. */
  | { readonly ok: true; readonly version: UpdateVer };

export function admitUpdate(
  change: ChunkChange,
  committed: ContentState | undefined,
): Refusal | undefined {
  switch (change.kind) {
    case 'remove':
      return committed === undefined ? { ok: true, version: 0 as UpdateVer } : undefined;
    case 'write':
      return committed?.sealed === true ? { ok: false, error: 'CHUNK_SEALED' } : undefined;
    case 'truncate':
    case 'seal':
      if (committed === undefined) return { ok: false, error: 'CHUNK_NOT_FOUND' };
      if (change.kind === 'truncate' && committed.sealed)
        return { ok: false, error: 'CHUNK_SEALED' };
      return undefined;
  }
  assert(false, 'every kind of change is listed');
}
