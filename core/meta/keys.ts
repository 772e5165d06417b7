// Keys of the metadata rows: one letter for the keyspace, then big-endian numbers and names, so that byte
// order is the order of iteration. Pure codecs; layouts and reasons: docs/internals/metadata.md. The letters
// O and T belong to the MetaStore itself (core/meta/store/keyspace.ts).

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { asBuffer, prefixEnd } from '../base/bytes.ts';
import { CoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { BlobId, ContentId, InodeId, SessionId } from '../base/ids.ts';
import type { KeyRange } from './meta-store.ts';

/** Keyspaces. Part of the format; a letter is never reused. */
export const space = {
  counter: 0x4e, // N
  blob: 0x42, // B
  content: 0x43, // C
  entry: 0x44, // D
  garbage: 0x47, // G
  inode: 0x49, // I
  setting: 0x4b, // K
  ownerBucket: 0x4c, // L
  move: 0x4d, // M
  part: 0x50, // P
  reference: 0x52, // R
  session: 0x53, // S
  upload: 0x55, // U
  version: 0x56, // V
  times: 0x57, // W
  existence: 0x58, // X
  cluster: 0x5a, // Z: chains and the manager's lease, core/cluster/manager-rows.ts
} as const;

export const slash = 0x2f;

const two32 = 2 ** 32;

function u64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  writeU64(bytes, 0, value);
  return bytes;
}

function writeU64(into: Buffer, at: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, `u64 out of range: ${value}`);
  into.writeUInt32BE(Math.floor(value / two32), at);
  into.writeUInt32BE(value % two32, at + 4);
}

function readU64(from: Uint8Array, at: number): number {
  const bytes = asBuffer(from);
  if (bytes.length < at + 8)
    throw new CoreError('CORRUPT', `a metadata key of ${bytes.length} bytes`);
  const value = bytes.readUInt32BE(at) * two32 + bytes.readUInt32BE(at + 4);
  if (!Number.isSafeInteger(value)) throw new CoreError('CORRUPT', 'a metadata key above 2^53');
  return value;
}

/** One or two leading bytes and a number, then `rest`. */
function numbered(lead: readonly number[], number: number, rest?: Uint8Array): Buffer {
  const restBytes = rest?.length ?? 0;
  const key = Buffer.allocUnsafe(lead.length + 8 + restBytes);
  for (let at = 0; at < lead.length; at++) key[at] = lead[at] as number;
  writeU64(key, lead.length, number);
  if (rest !== undefined) key.set(rest, lead.length + 8);
  return key;
}

/** Everything that starts with `prefix`. */
export function rangeOf(prefix: Uint8Array): KeyRange {
  const to = prefixEnd(prefix);
  assert(to !== undefined, 'a keyspace is never all ones');
  return { from: prefix, to };
}

export function spaceRange(letter: number): KeyRange {
  return rangeOf(Buffer.of(letter));
}

// --- order-preserving escape of byte strings inside keys (design 5): 00 → 00 FF, end 00 01 -----------

export function escapeName(name: Uint8Array): Buffer {
  let zeros = 0;
  for (const byte of name) if (byte === 0) zeros++;
  const escaped = Buffer.allocUnsafe(name.length + zeros + 2);
  let at = 0;
  for (const byte of name) {
    escaped[at++] = byte;
    if (byte === 0) escaped[at++] = 0xff;
  }
  escaped[at++] = 0;
  escaped[at] = 1;
  return escaped;
}

/** The escape of every name that starts with `prefix` starts with this. */
export function escapePrefix(prefix: Uint8Array): Buffer {
  const escaped = escapeName(prefix);
  return escaped.subarray(0, escaped.length - 2);
}

/** Reads an escaped name at `at`; `end` is the position after it. @throws CORRUPT */
export function unescapeName(key: Uint8Array, at: number): { name: Buffer; end: number } {
  const name = Buffer.allocUnsafe(Math.max(0, key.length - at));
  let length = 0;
  for (let read = at; read < key.length; read++) {
    const byte = key[read] as number;
    if (byte === 0) {
      const next = key[++read];
      if (next === 1) return { name: name.subarray(0, length), end: read + 1 };
      if (next !== 0xff) break;
    }
    name[length++] = byte;
  }
  throw new CoreError('CORRUPT', 'a metadata key holds a name without an end');
}

// --- D(parent, name), V(parent, escaped name, inverted version), I, X, W, M ---------------------------

/** A directory's name carries a trailing slash; the name of an explicit directory's own object is empty. */
export function entryKey(parent: InodeId, name: Uint8Array): Buffer {
  return numbered([space.entry], parent, name);
}

export function entriesRange(parent: InodeId): KeyRange {
  return rangeOf(numbered([space.entry], parent));
}

export function decodeEntryKey(key: Uint8Array): { parent: InodeId; name: Buffer } {
  return { parent: id<InodeId>(readU64(key, 1)), name: asBuffer(key).subarray(9) };
}

/** Versions count up; inverted, the newest comes first. */
const versionTop = Number.MAX_SAFE_INTEGER;

export function versionKey(parent: InodeId, name: Uint8Array, version: number): Buffer {
  return Buffer.concat([
    numbered([space.version], parent, escapeName(name)),
    u64(versionTop - version),
  ]);
}

export function versionsRange(parent: InodeId, name?: Uint8Array): KeyRange {
  return rangeOf(
    numbered([space.version], parent, name === undefined ? undefined : escapeName(name)),
  );
}

export function decodeVersionKey(key: Uint8Array): {
  parent: InodeId;
  name: Buffer;
  version: number;
} {
  const { name, end } = unescapeName(key, 9);
  return { parent: id<InodeId>(readU64(key, 1)), name, version: versionTop - readU64(key, end) };
}

export function inodeKey(inode: InodeId): Buffer {
  return numbered([space.inode], inode);
}

export function existenceKey(directory: InodeId): Buffer {
  return numbered([space.existence], directory);
}

export function timesKey(directory: InodeId): Buffer {
  return numbered([space.times], directory);
}

export function moveKey(bucket: InodeId): Buffer {
  return numbered([space.move], bucket);
}

/** The number of keys that are one letter and one number: I, X, W, M, B. */
export function decodeNumber(key: Uint8Array): number {
  return readU64(key, 1);
}

// --- C(content, page): extents by first byte, parts by first part number -----------------------------

const extentPage = 0x65; // e
const partPage = 0x70; // p

export function extentPageKey(content: ContentId, firstByte: number): Buffer {
  return numbered([space.content], content, Buffer.concat([Buffer.of(extentPage), u64(firstByte)]));
}

export function partPageKey(content: ContentId, firstPart: number): Buffer {
  return numbered([space.content], content, Buffer.concat([Buffer.of(partPage), u64(firstPart)]));
}

export function contentRange(content: ContentId): KeyRange {
  return rangeOf(numbered([space.content], content));
}

export function extentPagesRange(content: ContentId): KeyRange {
  return rangeOf(numbered([space.content], content, Buffer.of(extentPage)));
}

export function partPagesRange(content: ContentId): KeyRange {
  return rangeOf(numbered([space.content], content, Buffer.of(partPage)));
}

export function decodeContentKey(key: Uint8Array): {
  content: ContentId;
  kind: 'extents' | 'parts';
  start: number;
} {
  const kind = key[9] === extentPage ? 'extents' : 'parts';
  if (kind === 'parts' && key[9] !== partPage)
    throw new CoreError('CORRUPT', 'an unknown content page');
  return { content: id<ContentId>(readU64(key, 1)), kind, start: readU64(key, 10) };
}

// --- B(blob), R(what is referred to, who refers) -------------------------------------------------------

export function blobKey(blob: BlobId): Buffer {
  return numbered([space.blob], blob);
}

const toContent = 0x63; // c
const toBlob = 0x62; // b

/** Who refers. `none` names garbage without a reference row; a pin belongs to an operation of several steps. */
export type Referrer =
  | { readonly kind: 'inode'; readonly inode: InodeId }
  | { readonly kind: 'content'; readonly content: ContentId }
  | { readonly kind: 'upload'; readonly upload: number }
  | { readonly kind: 'pin'; readonly token: Uint8Array }
  | { readonly kind: 'none' };

/** What is referred to. */
export type Referent =
  | { readonly kind: 'content'; readonly content: ContentId }
  | { readonly kind: 'blob'; readonly blob: BlobId };

function referrerBytes(referrer: Referrer): Buffer {
  switch (referrer.kind) {
    case 'inode':
      return numbered([0x69], referrer.inode);
    case 'content':
      return numbered([0x63], referrer.content);
    case 'upload':
      return numbered([0x75], referrer.upload);
    case 'pin':
      return Buffer.concat([Buffer.of(0x70), referrer.token]);
    case 'none':
      return Buffer.of(0x6e);
  }
}

function decodeReferrer(bytes: Buffer): Referrer {
  switch (bytes[0] ?? 0) {
    case 0x69:
      return { kind: 'inode', inode: id<InodeId>(readU64(bytes, 1)) };
    case 0x63:
      return { kind: 'content', content: id<ContentId>(readU64(bytes, 1)) };
    case 0x75:
      return { kind: 'upload', upload: readU64(bytes, 1) };
    case 0x70:
      return { kind: 'pin', token: bytes.subarray(1) };
    case 0x6e:
      return { kind: 'none' };
    default:
      throw new CoreError('CORRUPT', 'an unknown kind of reference');
  }
}

function referentBytes(referent: Referent): Buffer {
  return referent.kind === 'content'
    ? numbered([toContent], referent.content)
    : numbered([toBlob], referent.blob);
}

function decodeReferent(bytes: Buffer): Referent {
  if (bytes[0] === toContent) return { kind: 'content', content: id<ContentId>(readU64(bytes, 1)) };
  if (bytes[0] === toBlob) return { kind: 'blob', blob: id<BlobId>(readU64(bytes, 1)) };
  throw new CoreError('CORRUPT', 'a reference to an unknown kind of thing');
}

const referentLength = 9;

export function referenceKey(referent: Referent, referrer: Referrer): Buffer {
  return Buffer.concat([
    Buffer.of(space.reference),
    referentBytes(referent),
    referrerBytes(referrer),
  ]);
}

export function referencesRange(referent: Referent): KeyRange {
  return rangeOf(Buffer.concat([Buffer.of(space.reference), referentBytes(referent)]));
}

export function decodeReferenceKey(key: Uint8Array): { referent: Referent; referrer: Referrer } {
  const bytes = asBuffer(key).subarray(1);
  return {
    referent: decodeReferent(bytes),
    referrer: decodeReferrer(bytes.subarray(referentLength)),
  };
}

// --- U(state, bucket, escaped key, upload id), P(upload number, part number) ---------------------------

const openUpload = 0x6f; // o
const doneUpload = 0x64; // d

export type UploadState = 'open' | 'done';

/** An upload in its bucket: the client's names for it. */
export interface UploadName {
  readonly bucket: InodeId;
  readonly key: Uint8Array;
  readonly uploadId: string;
}

function uploadLead(state: UploadState): number[] {
  return [space.upload, state === 'open' ? openUpload : doneUpload];
}

export function uploadKey(state: UploadState, name: UploadName): Buffer {
  return Buffer.concat([
    numbered(uploadLead(state), name.bucket, escapeName(name.key)),
    Buffer.from(name.uploadId, 'latin1'),
  ]);
}

/** Uploads of a bucket whose keys start with `prefix`. */
export function uploadsRange(
  state: UploadState,
  bucket: InodeId,
  prefix: Uint8Array = Buffer.alloc(0),
): KeyRange {
  return rangeOf(numbered(uploadLead(state), bucket, escapePrefix(prefix)));
}

export function decodeUploadKey(key: Uint8Array): UploadName & { state: UploadState } {
  const { name, end } = unescapeName(key, 10);
  return {
    state: key[1] === openUpload ? 'open' : 'done',
    bucket: id<InodeId>(readU64(key, 2)),
    key: name,
    uploadId: asBuffer(key).toString('latin1', end),
  };
}

/** Open uploads of every bucket. */
export function uploadsOfAllRange(): KeyRange {
  return rangeOf(Buffer.from(uploadLead('open')));
}

export function partKey(upload: number, partNumber: number): Buffer {
  const number = Buffer.allocUnsafe(4);
  number.writeUInt32BE(partNumber);
  return numbered([space.part], upload, number);
}

/** A content that parts of the upload run over, or did before they were replaced: numbered as part 0, which no
 *  part is, so that the end of the upload finds every reference in its name. */
export function partContentKey(upload: number, content: ContentId): Buffer {
  return Buffer.concat([partKey(upload, 0), u64(content)]);
}

/** Parts and contents of parts. */
export function partsRange(upload: number): KeyRange {
  return rangeOf(numbered([space.part], upload));
}

const partKeyBytes = 13;

/** `content` is set for part number 0 only. */
export function decodePartKey(key: Uint8Array): {
  upload: number;
  partNumber: number;
  content: ContentId | undefined;
} {
  const upload = readU64(key, 1);
  if (key.length < partKeyBytes) throw new CoreError('CORRUPT', 'a part key that is too short');
  const partNumber = asBuffer(key).readUInt32BE(9);
  const content = partNumber === 0 ? id<ContentId>(readU64(key, partKeyBytes)) : undefined;
  return { upload, partNumber, content };
}

// --- S: sessions ---------------------------------------------------------------------------------------

/** `live` is the row that every commit of the session reads; expiry, grants and operations of several
 *  transactions (`work`) are rows of their own. */
export const sessionPart = { live: 0x6c, expiry: 0x65, grant: 0x67, work: 0x77 } as const; // l e g w

export function sessionKey(session: SessionId): Buffer {
  return numbered([space.session, sessionPart.live], session);
}

export function sessionExpiryKey(session: SessionId): Buffer {
  return numbered([space.session, sessionPart.expiry], session);
}

export function sessionGrantKey(session: SessionId, firstBlob: BlobId): Buffer {
  return numbered([space.session, sessionPart.grant], session, u64(firstBlob));
}

export function sessionWorkKey(session: SessionId, token: Uint8Array): Buffer {
  return numbered([space.session, sessionPart.work], session, token);
}

export function sessionWorkRange(session: SessionId): KeyRange {
  return rangeOf(numbered([space.session, sessionPart.work], session));
}

export function sessionsRange(part: keyof typeof sessionPart): KeyRange {
  return rangeOf(Buffer.of(space.session, sessionPart[part]));
}

export function sessionGrantsRange(session: SessionId): KeyRange {
  return rangeOf(numbered([space.session, sessionPart.grant], session));
}

/** Session of any S key; `firstBlob` of a grant. */
export function decodeSessionKey(key: Uint8Array): {
  part: keyof typeof sessionPart;
  session: SessionId;
  firstBlob: BlobId;
} {
  const part = (Object.keys(sessionPart) as (keyof typeof sessionPart)[]).find(
    (name) => sessionPart[name] === key[1],
  );
  if (part === undefined) throw new CoreError('CORRUPT', 'an unknown session row');
  return {
    part,
    session: id<SessionId>(readU64(key, 2)),
    firstBlob: id<BlobId>(part === 'grant' ? readU64(key, 10) : 0),
  };
}

// --- N counters, K settings, L buckets by owner ---------------------------------------------------------

/** What is numbered. The counter row holds the next number that nobody was given. */
export type CounterName = 'inode' | 'content' | 'blob' | 'session' | 'upload';

export function counterKey(name: CounterName): Buffer {
  return Buffer.concat([Buffer.of(space.counter), Buffer.from(name, 'latin1')]);
}

/** Kinds of bucket settings; numbers are never reused. */
export const settingKind = { tags: 1 } as const;

export function settingKey(bucket: InodeId, kind: number): Buffer {
  return numbered([space.setting], bucket, Buffer.of(kind));
}

export function settingsRange(bucket: InodeId): KeyRange {
  return rangeOf(numbered([space.setting], bucket));
}

export function ownerBucketKey(owner: string, bucket: string): Buffer {
  return Buffer.concat([
    Buffer.of(space.ownerBucket),
    escapeName(Buffer.from(owner)),
    Buffer.from(bucket),
  ]);
}

export function ownerBucketsRange(owner: string, prefix = ''): KeyRange {
  return rangeOf(ownerBucketKey(owner, prefix));
}

export function decodeOwnerBucketKey(key: Uint8Array): { owner: string; bucket: string } {
  const { name, end } = unescapeName(key, 1);
  return { owner: name.toString(), bucket: asBuffer(key).toString('utf8', end) };
}

// --- G: the janitor's queues -----------------------------------------------------------------------------

/** One item of garbage. Docs: docs/internals/metadata.md, "Garbage". */
export type Garbage =
  /** Drop a reference, then collect what nothing refers to; waits for the read leases. */
  | { readonly kind: 'reference'; readonly referent: Referent; readonly referrer: Referrer }
  /** A content that nothing refers to: its pages and references to blobs go. */
  | { readonly kind: 'content'; readonly content: ContentId }
  /** A blob that nothing refers to: its chunks go, then its row. */
  | { readonly kind: 'blob'; readonly blob: BlobId }
  /** A directory that may be an empty implicit one. */
  | { readonly kind: 'directory'; readonly directory: InodeId }
  /** Parts of an upload that is completed or aborted. */
  | { readonly kind: 'upload'; readonly upload: number }
  /** Uploads of a bucket that is gone. */
  | { readonly kind: 'bucket'; readonly bucket: InodeId }
  /** The mark of a completed upload, kept for replays until `dueMs`. */
  | { readonly kind: 'replay'; readonly dueMs: number; readonly upload: number }
  /** Chunks of a blob that metadata does not know, seen first at the time in the row. */
  | { readonly kind: 'unknown'; readonly blob: BlobId };

export type GarbageKind = Garbage['kind'];

const garbageLetter: Readonly<Record<GarbageKind, number>> = {
  reference: 0x72, // r
  content: 0x63, // c
  blob: 0x62, // b
  directory: 0x64, // d
  upload: 0x75, // u
  bucket: 0x6b, // k
  replay: 0x74, // t
  unknown: 0x71, // q
};

export function garbageKey(item: Garbage): Buffer {
  const lead = [space.garbage, garbageLetter[item.kind]];
  switch (item.kind) {
    case 'reference':
      return Buffer.concat([
        Buffer.from(lead),
        referentBytes(item.referent),
        referrerBytes(item.referrer),
      ]);
    case 'content':
      return numbered(lead, item.content);
    case 'blob':
    case 'unknown':
      return numbered(lead, item.blob);
    case 'directory':
      return numbered(lead, item.directory);
    case 'upload':
      return numbered(lead, item.upload);
    case 'bucket':
      return numbered(lead, item.bucket);
    case 'replay':
      return numbered(lead, item.dueMs, u64(item.upload));
  }
}

export function garbageRange(kind: GarbageKind): KeyRange {
  return rangeOf(Buffer.of(space.garbage, garbageLetter[kind]));
}

export function decodeGarbageKey(key: Uint8Array): Garbage {
  const kind = (Object.keys(garbageLetter) as GarbageKind[]).find(
    (name) => garbageLetter[name] === key[1],
  );
  switch (kind) {
    case 'reference': {
      const bytes = asBuffer(key).subarray(2);
      const referrer = decodeReferrer(bytes.subarray(referentLength));
      return { kind, referent: decodeReferent(bytes), referrer };
    }
    case 'content':
      return { kind, content: id<ContentId>(readU64(key, 2)) };
    case 'blob':
    case 'unknown':
      return { kind, blob: id<BlobId>(readU64(key, 2)) };
    case 'directory':
      return { kind, directory: id<InodeId>(readU64(key, 2)) };
    case 'upload':
      return { kind, upload: readU64(key, 2) };
    case 'bucket':
      return { kind, bucket: id<InodeId>(readU64(key, 2)) };
    case 'replay':
      return { kind, dueMs: readU64(key, 2), upload: readU64(key, 10) };
    case undefined:
      throw new CoreError('CORRUPT', 'garbage of an unknown kind');
  }
}
