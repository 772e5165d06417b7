// putObject: one transaction that evaluates the condition and shows the new object (design 5).

import type { MessageOf } from '../../base/message.ts';
import type { putObject as putObjectCall } from '../calls.ts';
import type { MetaTransaction } from '../meta-store.ts';
import { withBody } from './bodies.ts';
import type { Body } from './bodies.ts';
import { checkWrite, decided } from './conditions.ts';
import { setBlobContent } from './content.ts';
import { beginWrite, turnOf } from './context.ts';
import type { Bucket, NamespaceContext } from './context.ts';
import { checkKey, sortTags } from './objects.ts';
import { locate, makeMissing, splitKey, transactWithParents } from './path.ts';
import { readVersion, setObject, slotOf, summaryForWrite } from './versions.ts';

type Request = MessageOf<(typeof putObjectCall)['request']>;
type Response = MessageOf<(typeof putObjectCall)['response']>;

export async function putObject(
  context: NamespaceContext,
  request: Request,
  payload: Uint8Array,
): Promise<Response> {
  checkKey(request.key);
  const { bucket, key, session, blob, conditions } = request;
  const transact = transactWithParents(context, request, { bucket, path: splitKey(key) });
  const use = (transaction: MetaTransaction, body: Body): Promise<Response> =>
    put(context, transaction, request, body);
  const write = context.turns.run(turnOf(bucket, key), () =>
    withBody(context, { session, blob, payload }, transact, use),
  );
  return decided(conditions, write);
}

async function put(
  context: NamespaceContext,
  transaction: MetaTransaction,
  request: Request,
  body: Body,
): Promise<Response> {
  const [bucket] = await beginWrite(transaction, request, [request.bucket]);
  const place = await locate(transaction, bucket as Bucket, splitKey(request.key));
  const newest = await readVersion(transaction, place);
  checkWrite(request.conditions, summaryForWrite(newest));
  const parent = await makeMissing(context, transaction, place);
  const content = body.blob === undefined ? undefined : await context.numbers.content();
  if (body.blob !== undefined && content !== undefined) {
    setBlobContent(transaction, content, body.blob, body.blobSession);
  }
  const slot = { ...slotOf(place), parent };
  const written = await setObject(context, transaction, slot, newest, {
    inode: await context.numbers.inode(),
    sizeBytes: body.sizeBytes,
    etag: request.etag,
    checksum: request.checksum,
    attributes: { ...request.attributes, tags: sortTags(request.attributes.tags) },
    content,
    inline: body.inline,
    partCount: 0,
  });
  return { versionId: written.versionId, lastModifiedMs: written.modifiedMs };
}
