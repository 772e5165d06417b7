// Content on its way out: what openObject answered, as a stream of verified pieces. Small content came in the
// answer; larger content is read run by run along the content's map, under a hold on the read lease.

import { crc32c } from '../../base/crc32c.ts';
import { CoreError } from '../../base/errors.ts';
import { type BlobId, id } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import type { BlobClient, BlobRun, ReadHold, ReadLease } from '../../client/types.ts';
import { type openObject, readMap } from '../../meta/calls.ts';
import type * as m from '../../meta/messages.ts';
import type { RpcClient } from '../../rpc/call.ts';
import type { StorePlaces } from '../../store/place.ts';

export type Opened = MessageOf<typeof openObject.response>;

/** What openObject answered; the payload is lent until `release`. */
export interface OpenedObject {
  readonly opened: Opened;
  readonly payload: Uint8Array;
  readonly release: (() => void) | undefined;
}

export interface ContentSources {
  readonly rpc: RpcClient;
  readonly blobs: BlobClient;
  readonly lease: ReadLease;
}

export interface OpenContent {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** All of it, when it came with the answer; not when its memory is to be given back. */
  readonly whole?: Uint8Array | undefined;
  cancel(): void;
}

/** The asked-for bytes of an opened object. `chunks` may be iterated once.
 *  @throws CORRUPT when the answer's payload does not match its checksum */
export function openContent(
  sources: ContentSources,
  { opened, payload, release }: OpenedObject,
): OpenContent {
  if (opened.inPayload || opened.lengthBytes === 0) {
    if (opened.inPayload && crc32c(payload) !== opened.payloadCrc32c) {
      throw new CoreError('CORRUPT', 'content changed between the store and the gateway');
    }
    const whole = payload.length <= limits.rpcSmallBytes ? payload : undefined;
    return { chunks: once(payload, release), whole, cancel: () => undefined };
  }
  const hold = sources.lease.hold(opened.epoch);
  let cancelled = false;
  const chunks = follow(sources, opened, hold, () => cancelled);
  const cancel = (): void => {
    cancelled = true;
    hold.release();
    // A reader that went away pulls no more: the reads that are under way end, and are counted no longer.
    chunks.return(undefined).catch(() => undefined);
  };
  return { chunks, cancel };
}

async function* once(
  bytes: Uint8Array,
  release: (() => void) | undefined,
): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
  release?.();
}

async function* follow(
  sources: ContentSources,
  opened: Opened,
  hold: ReadHold,
  cancelled: () => boolean,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of pieces(sources, opened)) {
      if (cancelled()) return;
      // After the read, before the bytes are shown: collected space never leaves as content.
      hold.check();
      yield piece;
    }
  } finally {
    hold.release();
  }
}

async function* pieces(sources: ContentSources, opened: Opened): AsyncGenerator<Uint8Array> {
  let { map, mapBytes } = opened;
  let done = 0;
  for (;;) {
    for (const [index, extent] of map.extents.entries()) {
      const placed = done === 0 && index === 0 ? opened.places : undefined;
      if (extent.inline === undefined)
        yield* sources.blobs.read(runOf(extent, map.layouts, placed));
      else yield extent.inline;
    }
    done += mapBytes;
    if (done >= opened.lengthBytes) return;
    const rest = { firstByte: opened.firstByte + done, lengthBytes: opened.lengthBytes - done };
    const answer = await sources.rpc.call(readMap, { contentId: opened.contentId, ...rest });
    ({ map, mapBytes } = answer.response);
    if (mapBytes === 0)
      throw new CoreError('CORRUPT', `content ${opened.contentId} ends before its length`);
  }
}

function runOf(
  extent: m.Extent,
  layouts: readonly m.Layout[],
  places: StorePlaces | undefined,
): BlobRun {
  const layout = layouts[extent.layout];
  if (layout === undefined)
    throw new CoreError('CORRUPT', `extent of blob ${extent.blob} names no layout`);
  return {
    blob: id<BlobId>(extent.blob),
    layout,
    offset: extent.offset,
    lengthBytes: extent.length,
    ...(places === undefined ? {} : { places }),
  };
}
