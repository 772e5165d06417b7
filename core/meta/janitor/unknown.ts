// Chunks that metadata does not know: no blob row, no range that a session was granted. There should be none;
// where one is found it is quarantined for a day first, since a mistake of ours must not delete bytes.

import { id } from '../../base/ids.ts';
import type { BlobId, ChunkId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import { blobKey, garbageKey, referencesRange } from '../keys.ts';
import type { Garbage } from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import type { NamespaceContext } from '../namespace/context.ts';
import type { ChunkInventory } from '../chunk-inventory.ts';
import { grantedRanges, isGranted } from '../namespace/grants.ts';
import { wallMs } from '../namespace/path.ts';
import { GarbageRow, decodeRow } from '../rows.ts';
import { queueGarbage, removeChunks } from './collect.ts';

const chunksPerStep = 200;

/** Walks the store's chunks, a few a step, round and round. */
export class UnknownChunks {
  private readonly context: NamespaceContext;
  private readonly inventory: ChunkInventory;
  private after: ChunkId | undefined;

  constructor(context: NamespaceContext, inventory: ChunkInventory) {
    this.context = context;
    this.inventory = inventory;
  }

  /** Looks at the next chunks and quarantines the unknown ones; true at the end of a round. */
  async step(): Promise<boolean> {
    const found = await this.inventory.scan(this.after, chunksPerStep);
    this.after = found.length < chunksPerStep ? undefined : found.at(-1)?.chunk;
    const blobs = [...new Set(found.map(({ chunk }) => chunk.blob))];
    const unknown = await this.unknownOf(blobs);
    if (unknown.length > 0) await this.quarantine(unknown);
    return this.after === undefined;
  }

  private async unknownOf(blobs: readonly BlobId[]): Promise<BlobId[]> {
    const rows = await this.context.store.getMany(blobs.map(blobKey));
    const unnamed = blobs.filter((_, at) => rows[at] === undefined);
    if (unnamed.length === 0) return [];
    // Read after the rows: a blob that was named meanwhile was granted before.
    const granted = await grantedRanges(this.context.store);
    return unnamed.filter((blob) => !isGranted(granted, blob));
  }

  private async quarantine(blobs: readonly BlobId[]): Promise<void> {
    for (const blob of blobs) {
      const item = { kind: 'unknown', blob } as const;
      // oxlint-disable-next-line no-await-in-loop -- rare
      await this.context.store.transact(async (transaction) => {
        const queued = await transaction.get(garbageKey(item));
        const dead = await transaction.get(garbageKey({ kind: 'blob', blob }));
        if (queued !== undefined || dead !== undefined) return;
        mark('unknown.quarantined');
        this.context.events.emit('warn', 'meta.unknown-chunk', { blob });
        queueGarbage(this.context, transaction, item);
      });
    }
  }

  /** An item of the quarantine. True when it was let go or removed. */
  async release(item: Garbage & { kind: 'unknown' }, row: Uint8Array): Promise<boolean> {
    const { store } = this.context;
    const key = garbageKey(item);
    if (await isKnown(store, item.blob)) {
      await store.transact(async (transaction) => transaction.delete(key));
      return true;
    }
    if (wallMs(this.context) - decodeRow(GarbageRow, row).queuedMs < limits.quarantineMs)
      return false;
    mark('unknown.removed');
    await removeChunks(this.context, this.inventory, item.blob);
    await store.transact(async (transaction) => transaction.delete(key));
    return true;
  }
}

async function isKnown(reader: MetaReader, blob: BlobId): Promise<boolean> {
  if ((await reader.get(blobKey(blob))) !== undefined) return true;
  const range = referencesRange({ kind: 'blob', blob: id<BlobId>(blob) });
  return (await reader.range({ ...range, limit: 1 })).length > 0;
}
