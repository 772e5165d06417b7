// Keys of every keyspace and what they encode, with the order that they must keep.

import type { Prng } from '../../core/base/prng.ts';
import { limits } from '../../core/base/limits.ts';
import * as k from '../../core/meta/keys.ts';
import { namesOf, segmentOf } from '../../core/model/files/names.ts';
import { randomBytes } from './fuzzer.ts';
import { randomUint } from './messages.ts';
import type { BlobId, ContentId, InodeId, SessionId } from '../../core/base/ids.ts';

export interface KeyCodec<Value = unknown> {
  readonly name: string;
  readonly sample: (random: Prng) => Value;
  readonly encode: (value: Value) => Buffer;
  readonly decode: (key: Buffer) => Value;
  /** Undefined where no order is needed. */
  readonly compare?: (a: Value, b: Value) => number;
}

const codec = <Value>(definition: KeyCodec<Value>): KeyCodec => definition as unknown as KeyCodec;

/** Bytes with many zeros, ones and common prefixes. */
export function randomName(random: Prng): Buffer {
  if (random.chance(0.3)) return Buffer.from(randomBytes(random, 12), 'latin1');
  const parts = ['\0', '\u0001', '\u00ff', 'a', 'b', '/', ''];
  const text = Array.from({ length: random.below(6) }, () => random.pick(parts)).join('');
  return Buffer.from(text, 'latin1');
}

const id = <Id extends number>(random: Prng): Id => randomUint(random) as Id;
const byBytes = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b);

/** The first difference decides. */
const inTurn = (...orders: number[]): number => orders.find((order) => order !== 0) ?? 0;

const referrers = (random: Prng): k.Referrer =>
  random.pick<k.Referrer>([
    { kind: 'inode', inode: id<InodeId>(random) },
    { kind: 'content', content: id<ContentId>(random) },
    { kind: 'upload', upload: randomUint(random) },
    { kind: 'pin', token: randomName(random) },
    { kind: 'none' },
  ]);

const referents = (random: Prng): k.Referent =>
  random.chance(0.5)
    ? { kind: 'content', content: id<ContentId>(random) }
    : { kind: 'blob', blob: id<BlobId>(random) };

const garbage = (random: Prng): k.Garbage =>
  random.pick<k.Garbage>([
    { kind: 'reference', referent: referents(random), referrer: referrers(random) },
    { kind: 'content', content: id<ContentId>(random) },
    { kind: 'blob', blob: id<BlobId>(random) },
    { kind: 'directory', directory: id<InodeId>(random) },
    { kind: 'upload', upload: randomUint(random) },
    { kind: 'bucket', bucket: id<InodeId>(random) },
    { kind: 'replay', dueMs: randomUint(random), upload: randomUint(random) },
    { kind: 'unknown', blob: id<BlobId>(random) },
  ]);

/** Few parents, so that pairs of keys meet in one. */
const parent = (random: Prng): InodeId => random.pick([1, 2, 2 ** 40]) as InodeId;

export const keyCodecs: readonly KeyCodec[] = [
  codec({
    name: 'name',
    sample: randomName,
    encode: k.escapeName,
    decode: (key) => k.unescapeName(key, 0).name,
    compare: byBytes,
  }),
  codec({
    name: 'entry',
    sample: (random) => ({ parent: parent(random), name: randomName(random) }),
    encode: (value) => k.entryKey(value.parent, value.name),
    decode: k.decodeEntryKey,
    compare: (a, b) => inTurn(a.parent - b.parent, byBytes(a.name, b.name)),
  }),
  codec({
    name: 'version',
    sample: (random) => ({
      parent: parent(random),
      name: randomName(random),
      version: randomUint(random),
    }),
    encode: (value) => k.versionKey(value.parent, value.name, value.version),
    decode: k.decodeVersionKey,
    compare: (a, b) => inTurn(a.parent - b.parent, byBytes(a.name, b.name), b.version - a.version),
  }),
  codec({
    name: 'inode',
    sample: randomUint,
    encode: (number) => k.inodeKey(number as InodeId),
    decode: k.decodeNumber,
    compare: (a, b) => a - b,
  }),
  codec({
    name: 'content page',
    sample: (random) => ({
      content: id<ContentId>(random),
      kind: random.pick(['extents', 'parts'] as const),
      start: randomUint(random),
    }),
    encode: ({ content, kind, start }) =>
      kind === 'parts' ? k.partPageKey(content, start) : k.extentPageKey(content, start),
    decode: k.decodeContentKey,
  }),
  codec({
    name: 'reference',
    sample: (random) => ({ referent: referents(random), referrer: referrers(random) }),
    encode: ({ referent, referrer }) => k.referenceKey(referent, referrer),
    decode: k.decodeReferenceKey,
  }),
  codec({
    name: 'upload',
    sample: (random) => ({
      state: random.pick(['open', 'done'] as const),
      bucket: parent(random),
      key: randomName(random),
      uploadId: random.pick(['', 'a', 'b', 'abc']),
    }),
    encode: (value) => k.uploadKey(value.state, value),
    decode: k.decodeUploadKey,
    compare: (a, b) =>
      inTurn(
        byBytes(Buffer.from(a.state), Buffer.from(b.state)),
        a.bucket - b.bucket,
        byBytes(a.key, b.key),
        byBytes(Buffer.from(a.uploadId), Buffer.from(b.uploadId)),
      ),
  }),
  codec({
    name: 'part',
    sample: (random) => {
      const partNumber = random.below(limits.partsMax + 1);
      const content = partNumber === 0 ? id<ContentId>(random) : undefined;
      return { upload: randomUint(random), partNumber, content };
    },
    encode: ({ upload, partNumber, content }) =>
      content === undefined ? k.partKey(upload, partNumber) : k.partContentKey(upload, content),
    decode: k.decodePartKey,
    compare: (a, b) =>
      inTurn(a.upload - b.upload, a.partNumber - b.partNumber, (a.content ?? 0) - (b.content ?? 0)),
  }),
  codec({
    name: 'session',
    sample: (random) => {
      const part = random.pick(['live', 'expiry', 'grant', 'work'] as const);
      const firstBlob = (part === 'grant' ? randomUint(random) : 0) as BlobId;
      return { part, session: id<SessionId>(random), firstBlob };
    },
    encode: ({ part, session, firstBlob }) => {
      if (part === 'live') return k.sessionKey(session);
      if (part === 'work') return k.sessionWorkKey(session, Buffer.alloc(0));
      return part === 'expiry'
        ? k.sessionExpiryKey(session)
        : k.sessionGrantKey(session, firstBlob);
    },
    decode: k.decodeSessionKey,
  }),
  codec({
    name: 'bucket of owner',
    sample: (random) => ({
      owner: random.pick(['', 'a', 'a\0', 'ab', '\u00e4']),
      bucket: random.pick(['a', 'b', 'a.b', 'abc']),
    }),
    encode: ({ owner, bucket }) => k.ownerBucketKey(owner, bucket),
    decode: k.decodeOwnerBucketKey,
    compare: (a, b) =>
      inTurn(
        byBytes(Buffer.from(a.owner), Buffer.from(b.owner)),
        byBytes(Buffer.from(a.bucket), Buffer.from(b.bucket)),
      ),
  }),
  codec({
    name: 'garbage',
    sample: garbage,
    encode: k.garbageKey,
    decode: k.decodeGarbageKey,
  }),
  codec({
    // A file name of any bytes is a segment, and comes back from it.
    name: 'file name',
    sample: fileName,
    encode(name) {
      const { segment, beside } = segmentOf([name]);
      return Buffer.concat([segment, Buffer.of(beside ? 1 : 0)]);
    },
    decode(key) {
      const named = { segment: key.subarray(0, -1), beside: key.at(-1) === 1 };
      return Buffer.concat(namesOf(named));
    },
  }),
];

const nameParts = [
  '\u241b',
  '\u241a',
  '\u241b0',
  '\u241bs',
  '\u241af',
  '1b',
  '1a',
  'ff',
  'a',
  '.',
  '\u00e4',
];

/** What a file system takes: no NUL, no slash, neither empty nor dots. */
function fileName(random: Prng): Buffer {
  const text = Array.from({ length: 1 + random.below(5) }, () => random.pick(nameParts)).join('');
  const raw = Buffer.from(randomBytes(random, 3).replaceAll(/[\0/]/g, 'x'), 'latin1');
  const name = Buffer.concat([Buffer.from(text), raw]);
  return name.every((byte) => byte === 0x2e) ? Buffer.from('a') : name;
}
