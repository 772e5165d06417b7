// completeUpload (design 5): (1) the upload becomes `completing` under a token, so that no part changes any
// more; (2) the content's pages and references are written in bounded transactions, still unreachable; (3) one
// transaction decides the condition and shows the object. A refusal returns the upload to `open`; after a crash
// the next Complete takes the upload over under a token of its own, which shuts out whoever had it before.

import { equalBytes } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { ContentId, SessionId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import { keepUnknown } from '../../base/message.ts';
import type { MessageOf } from '../../base/message.ts';
import type * as calls from '../calls.ts';
import { garbageKey, sessionWorkKey, uploadKey } from '../keys.ts';
import type { UploadName } from '../keys.ts';
import type { CompletedPart } from '../messages.ts';
import type { MetaTransaction } from '../meta-store.ts';
import {
  DoneUploadRow,
  GarbageRow,
  ReplayRow,
  SessionWorkRow,
  UploadRow,
  decodeRow,
  encodeRow,
  uploadPhase,
} from '../rows.ts';
import { wasRefused } from './bodies.ts';
import { ContentSteps, writeContent } from './complete-content.ts';
import { checkOrder, chooseParts, digestsOf } from './completed-parts.ts';
import type { Digests } from './completed-parts.ts';
import { checkWrite, decided } from './conditions.ts';
import { beginWrite, turnOf } from './context.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { etagOfParts } from './part-digests.ts';
import { partsAfter } from './parts.ts';
import type { NumberedPart } from './parts.ts';
import { locate, makeMissing, splitKey, transactWithParents, wallMs } from './path.ts';
import { dropCompletion, nameOfUpload, turnOfUpload, uploadNotFound } from './uploads.ts';
import { readVersion, setObject, slotOf, summaryForWrite } from './versions.ts';

type Request = MessageOf<(typeof calls.completeUpload)['request']>;
type Response = MessageOf<(typeof calls.completeUpload)['response']>;

/** An upload that is ours to complete. */
interface Claim {
  readonly name: UploadName;
  readonly upload: UploadRow;
  readonly token: Uint8Array;
  readonly content: ContentId;
}

export async function completeUpload(
  context: NamespaceContext,
  request: Request,
  parts: readonly CompletedPart[],
): Promise<Response> {
  checkOrder(parts);
  return context.turns.run(turnOfUpload(request.upload), async () => {
    const claimed = await claim(context, request, parts);
    if ('etag' in claimed) return claimed;
    try {
      return await complete(context, request, claimed, parts);
    } catch (error) {
      if (wasRefused(error)) await release(context, claimed.name, claimed.token);
      throw error;
    }
  });
}

async function complete(
  context: NamespaceContext,
  request: Request,
  claimed: Claim,
  named: readonly CompletedPart[],
): Promise<Response> {
  const parts = chooseParts(await allParts(context, claimed.upload.number), named);
  const digests = digestsOf(context.hasher, request, claimed.upload, parts);
  const steps = new ContentSteps(context.store, (transaction) =>
    checkClaim(transaction, request, claimed),
  );
  await writeContent(context.store, steps, claimed.content, parts);
  const { bucket, key } = request.upload;
  const transact = transactWithParents(context, request, { bucket, path: splitKey(key) });
  const write = context.turns.run(turnOf(bucket, key), () =>
    transact(async (transaction) => {
      await checkClaim(transaction, request, claimed);
      steps.apply(transaction);
      return show(context, transaction, request, claimed, digests);
    }),
  );
  return decided(request.conditions, write);
}

/** Parts of one read. */
const partsPerRead = 500;

async function allParts(context: NamespaceContext, upload: number): Promise<NumberedPart[]> {
  const parts: NumberedPart[] = [];
  for (let more = true; more;) {
    const after = parts.at(-1)?.partNumber ?? 0;
    // oxlint-disable-next-line no-await-in-loop -- page after page
    const page = await partsAfter(context.store, upload, after, partsPerRead);
    parts.push(...page);
    more = page.length === partsPerRead;
  }
  return parts;
}

// --- step 1 ----------------------------------------------------------------------------------------------

/** Claims the upload, or answers what it was completed with before: by the same parts, since another list asks for
 *  another object. @throws UPLOAD_NOT_FOUND */
function claim(
  context: NamespaceContext,
  request: Request,
  parts: readonly CompletedPart[],
): Promise<Claim | Response> {
  return context.store.transact(async (transaction) => {
    const [bucket] = await beginWrite(transaction, request, [request.upload.bucket]);
    const name = nameOfUpload(bucket as Bucket, request.upload);
    const key = uploadKey('open', name);
    const [open, done] = await transaction.getMany([key, uploadKey('done', name)]);
    if (open === undefined) {
      const answer = done === undefined ? undefined : decodeRow(DoneUploadRow, done);
      if (answer?.etag !== etagOfParts(context.hasher, parts)) throw uploadNotFound();
      mark('complete.replay');
      return replayOf(answer);
    }
    const before = decodeRow(UploadRow, open);
    if (before.phase === uploadPhase.completing) mark('complete.takeover');
    dropCompletion(context, transaction, before);
    const token = context.rng.bytes(16);
    const content = await context.numbers.content();
    const { session } = request;
    const changed = { phase: uploadPhase.completing, session, token, content };
    const upload = keepUnknown(before, { ...before, ...changed });
    transaction.set(key, encodeRow(UploadRow, upload));
    const work = encodeRow(SessionWorkRow, { upload: key });
    transaction.set(sessionWorkKey(id<SessionId>(session), token), work);
    return { name, upload, token, content };
  });
}

function replayOf(done: DoneUploadRow): Response {
  const { etag, versionId, checksum, sizeBytes, partCount, modifiedMs } = done;
  return { etag, versionId, checksum, sizeBytes, partCount, lastModifiedMs: modifiedMs };
}

/** @throws SESSION_ENDED, BUSY when another Complete has taken the upload over */
async function checkClaim(
  transaction: MetaTransaction,
  request: Request,
  { name, token }: Claim,
): Promise<void> {
  await beginWrite(transaction, request, []);
  if ((await ownedUpload(transaction, name, token)) !== undefined) return;
  mark('complete.lost');
  throw new CoreError('BUSY', 'another Complete of the upload is under way');
}

/** The upload's row while it is under this token. */
async function ownedUpload(
  transaction: MetaTransaction,
  name: UploadName,
  token: Uint8Array,
): Promise<UploadRow | undefined> {
  const row = await transaction.get(uploadKey('open', name));
  const upload = row === undefined ? undefined : decodeRow(UploadRow, row);
  return upload?.token !== undefined && equalBytes(upload.token, token) ? upload : undefined;
}

/** Returns an upload under this token to `open`; what its completion wrote becomes garbage. Also for the
 *  janitor, when the completer's session has ended. */
export function release(
  context: NamespaceContext,
  name: UploadName,
  token: Uint8Array,
): Promise<void> {
  return context.store.transact(async (transaction) => {
    const upload = await ownedUpload(transaction, name, token);
    if (upload === undefined) return;
    mark('complete.released');
    dropCompletion(context, transaction, upload);
    const cleared = { session: undefined, token: undefined, content: undefined };
    const opened = { ...upload, phase: uploadPhase.open, ...cleared };
    transaction.set(uploadKey('open', name), encodeRow(UploadRow, keepUnknown(upload, opened)));
  });
}

// --- step 3 ----------------------------------------------------------------------------------------------

async function show(
  context: NamespaceContext,
  transaction: MetaTransaction,
  request: Request,
  { name, upload, content, token }: Claim,
  { etag, checksum, sizeBytes, partCount }: Digests,
): Promise<Response> {
  const { bucket: bucketName, key } = request.upload;
  const [bucket] = await beginWrite(transaction, request, [bucketName]);
  const place = await locate(transaction, bucket as Bucket, splitKey(key));
  const newest = await readVersion(transaction, place);
  checkWrite(request.conditions, summaryForWrite(newest));
  const parent = await makeMissing(context, transaction, place);
  const slot = { ...slotOf(place), parent };
  const written = await setObject(context, transaction, slot, newest, {
    inode: await context.numbers.inode(),
    sizeBytes,
    etag,
    checksum,
    attributes: upload.attributes,
    content,
    inline: undefined,
    partCount,
  });
  const { versionId, modifiedMs } = written;
  const done = { etag, versionId, checksum, sizeBytes, partCount, modifiedMs };
  transaction.delete(sessionWorkKey(id<SessionId>(request.session), token));
  endUpload(context, transaction, name, upload, done);
  return { etag, versionId, checksum, sizeBytes, partCount, lastModifiedMs: modifiedMs };
}

/** The upload's row gives way to its answer, kept for replays; its parts become garbage. */
function endUpload(
  context: NamespaceContext,
  transaction: MetaTransaction,
  name: UploadName,
  { number }: UploadRow,
  answer: Omit<DoneUploadRow, 'number' | 'dueMs'>,
): void {
  const now = wallMs(context);
  const dueMs = now + limits.uploadReplayKeptMs;
  const done = encodeRow(DoneUploadRow, { number, dueMs, ...answer });
  transaction.delete(uploadKey('open', name));
  transaction.set(uploadKey('done', name), done);
  const garbage = garbageKey({ kind: 'upload', upload: number });
  transaction.set(garbage, encodeRow(GarbageRow, { queuedMs: now }));
  const replay = garbageKey({ kind: 'replay', dueMs, upload: number });
  const { bucket, key, uploadId } = name;
  transaction.set(replay, encodeRow(ReplayRow, { bucket, key, uploadId }));
}
