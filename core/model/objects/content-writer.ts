// Content on its way in: small bodies are collected and travel with the metadata call (one round trip, one
// fdatasync); larger ones are streamed into a fresh blob that the metadata call then names.

import type { BlobClient, BlobWriter, WriterSession, WrittenBlob } from '../../client/types.ts';
import type { ObjectBody } from './types.ts';

export interface StoredContent {
  /** Given when the body was small enough. */
  readonly payload: readonly Uint8Array[];
  readonly blob: WrittenBlob | undefined;
  readonly sizeBytes: number;
}

/** Pulls the whole body. A failure of the body or of the store leaves nothing behind. */
export async function storeContent(
  blobs: BlobClient,
  session: WriterSession,
  body: ObjectBody,
): Promise<StoredContent> {
  const payload: Uint8Array[] = [];
  let sizeBytes = 0;
  let writer: BlobWriter | undefined;
  try {
    for await (const piece of body.chunks) {
      sizeBytes += piece.length;
      if (writer !== undefined) {
        await writer.write(piece);
        continue;
      }
      payload.push(piece);
      if (Math.max(sizeBytes, body.sizeBytes ?? 0) <= session.payloadBytesMax) continue;
      writer = await blobs.create();
      for (const collected of payload.splice(0)) await writer.write(collected);
    }
    const blob = await writer?.finish();
    return { payload, blob, sizeBytes };
  } catch (error) {
    await writer?.abandon();
    throw error;
  }
}
