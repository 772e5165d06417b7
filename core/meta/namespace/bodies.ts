// Bytes on their way into the namespace: inline, as a chunk of this process's own store that is durable with
// the transaction (one fdatasync, design 4.6), or as a blob that the caller wrote before. A body that its
// transaction did not take leaves nothing behind, or a blob that the janitor is told about.

import { CoreError, isCoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { BlobId, SessionId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import type { StagedUpdate } from '../../store/types.ts';
import { garbageKey, sessionKey } from '../keys.ts';
import type { WrittenBlob } from '../messages.ts';
import type { MetaStore, MetaTransaction } from '../meta-store.ts';
import { GarbageRow, encodeRow } from '../rows.ts';
import type { LocalChunks, NamespaceContext } from './context.ts';
import { wallMs } from './path.ts';

export interface Body {
  readonly sizeBytes: number;
  /** Set when the content goes into a row. */
  readonly inline: Uint8Array | undefined;
  readonly blob: WrittenBlob | undefined;
  /** The session whose range the blob's id is from. */
  readonly blobSession: number;
}

/** Largest payload of putObject and putPart that this process takes. */
export function payloadBytesMax(context: NamespaceContext): number {
  return context.local === undefined ? context.inlineBytesMax : limits.journaledBytesMax;
}

/** The whole write: runs the transaction, with whatever it needs around it (paths, turns). */
export type Transact = MetaStore['transact'];

/** What a transaction does with the body. */
export type BodyUse<T> = (transaction: MetaTransaction, body: Body) => Promise<T>;

export interface BodyRequest {
  readonly session: number;
  readonly blob?: WrittenBlob | undefined;
  readonly payload: Uint8Array;
}

/** Runs `use` in a transaction that stores the payload or names the written blob; cleans up when it fails.
 *  @throws INVALID_ARGUMENT when the payload is too large, DISK_FULL, and what `use` throws */
export async function withBody<T>(
  context: NamespaceContext,
  request: BodyRequest,
  transact: Transact,
  use: BodyUse<T>,
): Promise<T> {
  const { blob, payload, session } = request;
  if (blob !== undefined) return withBlob(context, session, blob, transact, use);
  if (payload.length <= context.inlineBytesMax) {
    const body = { sizeBytes: payload.length, inline: payload, blob: undefined, blobSession: 0 };
    return transact((transaction) => use(transaction, body));
  }
  if (context.local === undefined || payload.length > limits.journaledBytesMax) {
    throw new CoreError(
      'INVALID_ARGUMENT',
      `a payload of ${payload.length} bytes, at most ${payloadBytesMax(context)}; write a blob first`,
    );
  }
  return withChunk(context, context.local, payload, transact, use);
}

async function withBlob<T>(
  context: NamespaceContext,
  session: number,
  blob: WrittenBlob,
  transact: Transact,
  use: BodyUse<T>,
): Promise<T> {
  const body = { sizeBytes: blob.length, inline: undefined, blob, blobSession: session };
  try {
    return await transact((transaction) => use(transaction, body));
  } catch (error) {
    if (wasRefused(error)) await discardBlobs(context, session, [id<BlobId>(blob.blob)]);
    throw error;
  }
}

/** A payload as a chunk of this process's own session, tried again when that session was ended meanwhile. */
async function withChunk<T>(
  context: NamespaceContext,
  local: LocalChunks,
  payload: Uint8Array,
  transact: Transact,
  use: BodyUse<T>,
): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    // oxlint-disable-next-line no-await-in-loop -- attempts follow one another
    const { session, blob } = await context.own.takeBlob();
    try {
      // oxlint-disable-next-line no-await-in-loop
      const staged = await StagedChunk.stage(local, session, blob, payload);
      const written = { blob, length: payload.length, layout: context.layout };
      // oxlint-disable-next-line no-await-in-loop
      return await withStaged(context, staged, written, transact, use);
    } catch (error) {
      if (!(error instanceof OwnSessionEnded) || attempts >= ownSessionsMax) throw error;
      // oxlint-disable-next-line no-await-in-loop
      await context.own.replace(session);
    }
  }
}

/** Sessions of its own that one operation may see end before it gives up. */
const ownSessionsMax = 4;

class OwnSessionEnded extends CoreError {
  constructor() {
    super('UNAVAILABLE', 'the session of the metadata process was ended; try again');
  }
}

/** The chunk's record is submitted in the turn of the commit, right before it. */
async function withStaged<T>(
  context: NamespaceContext,
  staged: StagedChunk,
  blob: WrittenBlob,
  transact: Transact,
  use: BodyUse<T>,
): Promise<T> {
  const { session, local } = staged;
  const body = { sizeBytes: blob.length, inline: undefined, blob, blobSession: session };
  try {
    return await transact(
      async (transaction) => {
        // Once the session has ended, the janitor removes its chunks that no blob row names.
        if ((await transaction.get(sessionKey(session))) === undefined) throw new OwnSessionEnded();
        const result = await use(transaction, body);
        if (!local.sharesJournal) await staged.durable();
        return result;
      },
      { beforeCommit: () => staged.submit() },
    );
  } catch (error) {
    if (wasRefused(error)) await staged.undo(context);
    throw error;
  }
}

/** A chunk of a fresh blob, staged and perhaps submitted. */
class StagedChunk {
  readonly local: LocalChunks;
  readonly session: SessionId;
  private readonly blob: BlobId;
  private readonly staged: StagedUpdate;
  private ticket: Promise<void> | undefined;

  private constructor(local: LocalChunks, session: SessionId, blob: BlobId, staged: StagedUpdate) {
    this.local = local;
    this.session = session;
    this.blob = blob;
    this.staged = staged;
  }

  static async stage(
    local: LocalChunks,
    session: SessionId,
    blob: BlobId,
    payload: Uint8Array,
  ): Promise<StagedChunk> {
    const staged = await local.chunks.stage({
      target: local.target,
      chunk: { blob, index: 0 },
      // The frame that brought the payload was verified, and nobody else has it.
      change: { kind: 'write', offset: 0, bytes: payload, crc32c: undefined, given: true },
      chainVersion: local.chainVersion,
      tag: { session, channel: 0, sequence: blob },
      fresh: true,
    });
    return new StagedChunk(local, session, blob, staged);
  }

  submit(): void {
    if (this.ticket !== undefined) return;
    this.ticket = this.staged.submit().durable;
    // A failed sync fails the transaction behind it too, or `durable` below.
    this.ticket.catch(() => undefined);
  }

  durable(): Promise<void> {
    this.submit();
    return this.ticket as Promise<void>;
  }

  /** The transaction did not happen: the chunk goes again, at once or with its session. */
  async undo(context: NamespaceContext): Promise<void> {
    if (this.ticket === undefined) {
      mark('body.aborted');
      this.staged.abort();
      return;
    }
    mark('body.removed');
    const { blob, local, session } = this;
    try {
      await this.ticket;
      await local.chunks.update({
        target: local.target,
        chunk: { blob, index: 0 },
        change: { kind: 'remove' },
        chainVersion: local.chainVersion,
        tag: { session, channel: 1, sequence: blob },
      });
    } catch (error) {
      context.events.emit('warn', 'meta.chunk-left', { blob, error: String(error) });
    }
  }
}

/** False when the transaction may have happened all the same. */
export function wasRefused(error: unknown): boolean {
  return !isCoreError(error, 'COMMIT_UNKNOWN') && !isCoreError(error, 'DISK_OFFLINE');
}

/** Tells the janitor of blobs that nothing names. Reads the session row: a session that was ended has its
 *  blobs collected by range. */
export async function discardBlobs(
  context: NamespaceContext,
  session: number,
  blobs: readonly BlobId[],
): Promise<void> {
  mark('body.discarded');
  const queued = encodeRow(GarbageRow, { queuedMs: wallMs(context) });
  for (let at = 0; at < blobs.length; at += limits.metaMutationsMax) {
    const some = blobs.slice(at, at + limits.metaMutationsMax);
    // oxlint-disable-next-line no-await-in-loop -- bounded transactions, one after another
    await context.store.transact(async (transaction) => {
      const live = await transaction.get(sessionKey(id(session)));
      if (live === undefined) return;
      for (const blob of some) {
        const item = {
          kind: 'reference',
          referent: { kind: 'blob', blob },
          referrer: { kind: 'none' },
        } as const;
        transaction.set(garbageKey(item), queued);
      }
    });
  }
}
