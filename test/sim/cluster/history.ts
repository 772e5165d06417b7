// What clients did and were told, in the order of their starts.

import type { ErrorName } from '../../../core/base/errors.ts';
import type { ChunkId } from '../../../core/base/ids.ts';
import type { ChunkChange, UpdateTag } from '../../../core/store/types.ts';

export interface HistoryEntry {
  readonly client: number;
  readonly chunk: ChunkId;
  readonly operation: ChunkChange | { readonly kind: 'read' };
  /** Of an update. */
  readonly tag?: UpdateTag;
  readonly startMs: number;
  endMs: number | undefined;
  /** Without one, an update may have taken effect at any time since, or never. */
  outcome:
    | { readonly kind: 'done' }
    | { readonly kind: 'bytes'; readonly bytes: string }
    | { readonly kind: 'error'; readonly error: ErrorName }
    | undefined;
}
