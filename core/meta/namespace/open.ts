// Reads of one object: openObject (HEAD and GET), readMap, tags, parts. They need no transaction: inode numbers
// are never reused and a sealed inode's content never changes, so that an entry and its inode belong together
// or the inode is gone, and then the key is resolved again.

import { crc32c, crc32cCombine } from '../../base/crc32c.ts';
import { CoreError, isCoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { BlobId, ContentId, InodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import { mark } from '../../base/mark.ts';
import { mapParallel } from '../../base/parallel.ts';
import { type StorePlaces, placesOf } from '../../store/place.ts';
import type * as calls from '../calls.ts';
import type {
  ByteRange,
  ContentMap,
  Extent,
  Layout,
  ObjectInfo,
  ObjectRef,
  Pair,
  Who,
} from '../messages.ts';
import type { EntryRow, InodeRow } from '../rows.ts';
import { readOutcome } from './conditions.ts';
import { readMap as readContentMap, readPart, readParts } from './content.ts';
import { readBucket } from './context.ts';
import type { Bucket, LocalChunks, NamespaceContext } from './context.ts';
import { checkKey, infoOf, infoOfMarker, readInode, versionIdOf } from './objects.ts';
import { findParent, splitKey } from './path.ts';
import { checkNoMarker, isMarker, lookUp, notFound } from './versions.ts';

export interface ResolvedObject {
  readonly bucket: Bucket;
  readonly inode: InodeId;
  readonly row: InodeRow;
}

interface ResolvedMarker {
  readonly bucket: Bucket;
  readonly marker: EntryRow;
}

/** @throws BUCKET_NOT_FOUND, ACCESS_DENIED, KEY_NOT_FOUND, VERSION_NOT_FOUND, DELETE_MARKER */
export async function resolve(
  context: NamespaceContext,
  who: Who,
  object: ObjectRef,
): Promise<ResolvedObject> {
  const found = await resolveVersion(context, who, object);
  if (!('marker' in found)) return found;
  checkNoMarker(found.marker, object.versionId);
  throw new CoreError('CORRUPT', 'a version without an inode');
}

/** @throws BUCKET_NOT_FOUND, ACCESS_DENIED, KEY_NOT_FOUND, VERSION_NOT_FOUND */
async function resolveVersion(
  context: NamespaceContext,
  who: Who,
  { bucket: bucketName, key, versionId }: ObjectRef,
): Promise<ResolvedObject | ResolvedMarker> {
  checkKey(key);
  const { store } = context;
  const path = splitKey(key);
  for (let attempts = 1; attempts <= limits.resolveAttemptsMax; attempts++) {
    // oxlint-disable-next-line no-await-in-loop -- attempts follow one another
    const bucket = await readBucket(store, who, bucketName);
    // oxlint-disable-next-line no-await-in-loop
    const parent = await findParent(store, bucket, path);
    if (parent === undefined) throw notFound(versionId);
    // oxlint-disable-next-line no-await-in-loop
    const entry = await lookUp(context, { bucket, parent, name: path.name }, versionId);
    if (entry === undefined) throw notFound(versionId);
    if (isMarker(entry)) return { bucket, marker: entry };
    const inode = id<InodeId>(entry.inode);
    // oxlint-disable-next-line no-await-in-loop
    const row = await readInode(store, inode);
    if (row !== undefined) return { bucket, inode, row };
    mark('open.replaced');
  }
  throw new CoreError('BUSY', 'the object is replaced faster than it can be read');
}

// --- openObject ------------------------------------------------------------------------------------------

type OpenRequest = MessageOf<(typeof calls.openObject)['request']>;
type OpenResponse = MessageOf<(typeof calls.openObject)['response']>;

export interface Opened {
  readonly response: OpenResponse;
  readonly payload: readonly Uint8Array[];
}

export async function openObject(context: NamespaceContext, request: OpenRequest): Promise<Opened> {
  // The epoch is taken before the first read: garbage of later epochs cannot be what this resolves.
  const epoch = context.leases.register(request.reader, context.clock.now());
  const release = context.leases.hold();
  try {
    return await open(context, request, epoch);
  } finally {
    release();
  }
}

async function open(
  context: NamespaceContext,
  request: OpenRequest,
  epoch: number,
): Promise<Opened> {
  const found = await resolveVersion(context, request.who, request.object);
  const { key } = request.object;
  if ('marker' in found) {
    const info = infoOfMarker(found.bucket, key, found.marker);
    return { response: answered('delete-marker', info, epoch), payload: [] };
  }
  const { bucket, inode, row } = found;
  const response = answered(readOutcome(request.conditions, row), infoOf(bucket, key, row), epoch);
  response.contentId = row.content;
  response.inode = inode;
  if (response.outcome !== 'ok') return { response, payload: [] };
  if (request.partNumber !== undefined) {
    await choosePart(context, row, request.partNumber, response);
  } else if (!chooseRange(request.range, row.sizeBytes, response)) {
    response.outcome = 'range-not-satisfiable';
    return { response, payload: [] };
  }
  if (!request.content || response.lengthBytes === 0) return { response, payload: [] };
  return row.content === 0
    ? inlinePayload(row, response)
    : contentPayload(context, id<ContentId>(row.content), response, request.direct && row.sealed);
}

/** An answer without content. One literal gives all answers one shape: copies of one made by spreading are
 *  dictionaries, which cost as much to encode as all else that a small read does here. */
function answered(outcome: string, info: ObjectInfo, epoch: number): OpenResponse {
  return {
    outcome,
    info,
    firstByte: 0,
    lengthBytes: 0,
    partial: false,
    epoch,
    inPayload: false,
    payloadCrc32c: 0,
    map: { extents: [], layouts: [] },
    mapBytes: 0,
    contentId: 0,
    inode: 0,
  };
}

/** False when the range lies outside. */
export function chooseRange(
  range: ByteRange | undefined,
  sizeBytes: number,
  into: { firstByte: number; lengthBytes: number; partial: boolean },
): boolean {
  if (range === undefined) {
    into.lengthBytes = sizeBytes;
    return true;
  }
  const { first, last, suffix } = range;
  const from = first ?? sizeBytes - Math.min(suffix ?? 0, sizeBytes);
  if (from >= sizeBytes || (last !== undefined && last < from)) return false;
  into.firstByte = from;
  into.lengthBytes = Math.min(last ?? sizeBytes - 1, sizeBytes - 1) - from + 1;
  into.partial = true;
  return true;
}

async function choosePart(
  context: NamespaceContext,
  row: InodeRow,
  partNumber: number,
  response: OpenResponse,
): Promise<void> {
  // An object that was not uploaded in parts has one: itself.
  if (row.partCount === 0 && partNumber === 1) {
    response.lengthBytes = row.sizeBytes;
    return;
  }
  const part =
    row.partCount === 0
      ? undefined
      : await readPart(context.store, id<ContentId>(row.content), partNumber);
  if (part === undefined) {
    throw new CoreError('PART_NUMBER_INVALID', `the object has no part ${partNumber}`);
  }
  response.firstByte = part.firstByte;
  response.lengthBytes = part.sizeBytes;
  response.partial = true;
  if (part.checksum !== undefined) response.partChecksum = part.checksum;
}

function inlinePayload(row: InodeRow, response: OpenResponse): Opened {
  const { firstByte, lengthBytes } = response;
  const bytes = row.inline?.subarray(firstByte, firstByte + lengthBytes);
  if (bytes?.length !== lengthBytes) {
    throw new CoreError('CORRUPT', `inode ${response.inode} lacks its inline content`);
  }
  return { response: inPayload(response, crc32c(bytes)), payload: [bytes] };
}

function inPayload(response: OpenResponse, payloadCrc32c: number): OpenResponse {
  response.inPayload = true;
  response.payloadCrc32c = payloadCrc32c;
  return response;
}

async function contentPayload(
  context: NamespaceContext,
  content: ContentId,
  response: OpenResponse,
  direct: boolean,
): Promise<Opened> {
  const { firstByte, lengthBytes } = response;
  const { map, mapBytes } = await readContentMap(context.store, content, firstByte, lengthBytes);
  const placed =
    direct && lengthBytes >= limits.directBytesMin ? await place(context, map) : undefined;
  const small = lengthBytes <= limits.openPayloadBytesMax && mapBytes === lengthBytes;
  const readable = map.extents.length === 1 && (placed?.places.length ?? 0) > 0;
  if (small && !readable) {
    const pieces = await readPieces(context.local, map);
    if (pieces !== undefined) {
      let crc = 0;
      for (const piece of pieces) crc = crc32cCombine(crc, piece.crc32c, piece.bytes.length);
      return { response: inPayload(response, crc), payload: pieces.map(({ bytes }) => bytes) };
    }
  }
  response.map = map;
  response.mapBytes = mapBytes;
  if (placed !== undefined) response.places = placed;
  return { response, payload: [] };
}

/** Where the first extent's bytes can be read; they never change, since the inode is sealed. */
async function place(
  { local }: NamespaceContext,
  { extents: [extent], layouts }: ContentMap,
): Promise<StorePlaces | undefined> {
  if (local?.directory === undefined || extent === undefined || extent.inline !== undefined)
    return undefined;
  const { chunkBytes } = layouts[extent.layout] as Layout;
  const { offset, length } = extent;
  const run = { blob: id<BlobId>(extent.blob), chunkBytes, offset, length };
  const places = await placesOf(local.chunks, local.target, run);
  return { directory: local.directory, places };
}

interface Piece {
  readonly bytes: Uint8Array;
  readonly crc32c: number;
}

/** A run inside one chunk, or inline bytes. */
type PieceSource =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'chunk';
      readonly blob: BlobId;
      readonly index: number;
      readonly offset: number;
      readonly length: number;
    };

/** Chunks that one answer reads at the same time. */
const pieceReads = 8;

/** The bytes of a map; undefined when they are not all in this process. @throws CORRUPT */
async function readPieces(
  local: LocalChunks | undefined,
  map: ContentMap,
): Promise<Piece[] | undefined> {
  const sources = map.extents.flatMap((extent) => [...pieceSources(extent, map.layouts)]);
  if (local === undefined && sources.some(({ kind }) => kind === 'chunk')) return undefined;
  return mapParallel(sources, pieceReads, async (source) => {
    if (source.kind === 'inline') return { bytes: source.bytes, crc32c: crc32c(source.bytes) };
    return readChunk(local as LocalChunks, source);
  });
}

function* pieceSources(extent: Extent, layouts: readonly Layout[]): Generator<PieceSource> {
  if (extent.inline !== undefined) {
    yield { kind: 'inline', bytes: extent.inline };
    return;
  }
  const { chunkBytes } = layouts[extent.layout] as Layout;
  const blob = id<BlobId>(extent.blob);
  const end = extent.offset + extent.length;
  for (let at = extent.offset; at < end;) {
    const index = Math.floor(at / chunkBytes);
    const offset = at - index * chunkBytes;
    const length = Math.min(chunkBytes - offset, end - at);
    yield { kind: 'chunk', blob, index, offset, length };
    at += length;
  }
}

/** A missing or short chunk inside an extent is an error, never zeros (design 4.3). @throws CORRUPT */
async function readChunk(
  local: LocalChunks,
  source: PieceSource & { kind: 'chunk' },
): Promise<Piece> {
  const { blob, index, offset, length } = source;
  try {
    const read = await local.chunks.read(local.target, { blob, index }, offset, length);
    if (read.bytes.length === length) return read;
  } catch (error) {
    if (!isCoreError(error, 'CHUNK_NOT_FOUND')) throw error;
  }
  throw new CoreError('CORRUPT', `chunk ${blob}/${index} is missing or short; run fsck`);
}

// --- readMap, tags, parts ----------------------------------------------------------------------------------

export function readMap(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.readMap)['request']>,
): Promise<MessageOf<(typeof calls.readMap)['response']>> {
  const { contentId, firstByte, lengthBytes } = request;
  return readContentMap(context.store, id<ContentId>(contentId), firstByte, lengthBytes);
}

export async function getObjectTags(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.getObjectTags)['request']>,
): Promise<{ tags: Pair[]; versionId: string }> {
  const { row } = await resolve(context, request.who, request.object);
  return { tags: row.attributes?.tags ?? [], versionId: versionIdOf(row) };
}

export async function objectParts(
  context: NamespaceContext,
  request: MessageOf<(typeof calls.objectParts)['request']>,
): Promise<MessageOf<(typeof calls.objectParts)['response']>> {
  const { bucket, row } = await resolve(context, request.who, request.object);
  const info = infoOf(bucket, request.object.key, row);
  const limit = Math.min(request.limit, limits.listKeysMax);
  if (row.partCount === 0) return { info, parts: [], truncated: false };
  const content = id<ContentId>(row.content);
  const found = await readParts(context.store, content, request.after, limit + 1);
  const parts = found.slice(0, limit).map((part) => ({
    partNumber: part.partNumber,
    sizeBytes: part.sizeBytes,
    etag: part.etag,
    lastModifiedMs: part.modifiedMs,
    checksum: part.checksum,
  }));
  return { info, parts, truncated: found.length > limit };
}
