// Ended sessions: expired ones are ended, completions under way are taken back, and of their granted ranges the
// blobs that no row names are collected. The end of the session fenced its commits, so that none of these blobs
// is named later.

import { id } from '../../base/ids.ts';
import type { BlobId, SessionId } from '../../base/ids.ts';
import { mark } from '../../base/mark.ts';
import {
  blobKey,
  decodeSessionKey,
  decodeUploadKey,
  sessionGrantKey,
  sessionKey,
} from '../keys.ts';
import type { MetaEntry } from '../meta-store.ts';
import { release } from '../namespace/complete.ts';
import type { NamespaceContext } from '../namespace/context.ts';
import type { ChunkInventory } from '../chunk-inventory.ts';
import { SessionGrantRow, SessionWorkRow, decodeRow } from '../rows.ts';
import { chunksFrom, queueGarbage } from './collect.ts';

const tokenStart = 10;

/** Ends the session when it has expired, but never this process's own. */
export async function endIfExpired(context: NamespaceContext, row: MetaEntry): Promise<boolean> {
  const { session } = decodeSessionKey(row[0]);
  if (session === context.own.session) return false;
  return context.sessions.endExpired(session);
}

/** Takes a completion back whose session has ended. True when it was one. */
export async function endWork(context: NamespaceContext, row: MetaEntry): Promise<boolean> {
  const [key, value] = row;
  if (await isLive(context, decodeSessionKey(key).session)) return false;
  mark('sessions.work-released');
  const upload = decodeUploadKey(decodeRow(SessionWorkRow, value).upload);
  await release(context, upload, key.subarray(tokenStart));
  // The work row went with the release, or belongs to an upload that ended otherwise.
  await context.store.transact(async (transaction) => transaction.delete(key));
  return true;
}

async function isLive(context: NamespaceContext, session: SessionId): Promise<boolean> {
  return (await context.store.get(sessionKey(session))) !== undefined;
}

/** Chunks looked at in one step of a range. */
const chunksPerStep = 256;

/** Ranges of ended sessions; remembers where in each it stands. */
export class GrantCollector {
  private readonly context: NamespaceContext;
  private readonly inventory: ChunkInventory;
  /** The next blob to look at, by the first one of the range. */
  private readonly positions = new Map<BlobId, BlobId>();

  constructor(context: NamespaceContext, inventory: ChunkInventory) {
    this.context = context;
    this.inventory = inventory;
  }

  /** A step on the range of `row`. True when its session has ended. */
  async step(row: MetaEntry): Promise<boolean> {
    const { session, firstBlob } = decodeSessionKey(row[0]);
    if (await isLive(this.context, session)) return false;
    const end = id<BlobId>(firstBlob + decodeRow(SessionGrantRow, row[1]).count);
    const from = this.positions.get(firstBlob) ?? firstBlob;
    const chunks = await chunksFrom(this.inventory, from, chunksPerStep);
    const blobs = [...new Set(chunks.map(({ blob }) => blob))];
    await this.collect(blobs.filter((blob) => blob < end));
    const next = (blobs.at(-1) ?? end) + 1;
    if (chunks.length < chunksPerStep || next >= end) await this.forget(session, firstBlob);
    else this.positions.set(firstBlob, id<BlobId>(next));
    return true;
  }

  private async collect(blobs: readonly BlobId[]): Promise<void> {
    const rows = await this.context.store.getMany(blobs.map(blobKey));
    const unnamed = blobs.filter((_, at) => rows[at] === undefined);
    if (unnamed.length === 0) return;
    mark('sessions.blobs-collected');
    for (let at = 0; at < unnamed.length; at += blobsPerTransaction) {
      const some = unnamed.slice(at, at + blobsPerTransaction);
      // oxlint-disable-next-line no-await-in-loop -- bounded transactions, one after another
      await this.context.store.transact(async (transaction) => {
        for (const blob of some) queueGarbage(this.context, transaction, { kind: 'blob', blob });
      });
    }
  }

  private async forget(session: SessionId, firstBlob: BlobId): Promise<void> {
    this.positions.delete(firstBlob);
    await this.context.store.transact(async (transaction) => {
      transaction.delete(sessionGrantKey(session, firstBlob));
    });
  }
}

const blobsPerTransaction = 80;
