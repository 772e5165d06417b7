// Fuzzer of what metadata puts into its store: messages and rows of every kind, commit records, keys and names,
// tokens of listings. Encoded and decoded a value is the same; keys keep the order of what they encode; bytes
// that nobody encoded read as a value that encodes and decodes to itself, or are refused with an error of ours.
// What a newer build added to a row survives its rewriting.

import assert from 'node:assert/strict';
import { Prng } from '../../core/base/prng.ts';
import { isCoreError } from '../../core/base/errors.ts';
import { keepUnknown } from '../../core/base/message.ts';
import { decodeCommitRecord, encodeCommitRecord } from '../../core/meta/store/commit-record.ts';
import { decodeIdentity, encodeIdentity } from '../../core/model/identities/rows.ts';
import { decodeRow, encodeRow } from '../../core/meta/rows.ts';
import { isS3Error } from '../../protocols/s3/errors.ts';
import { decodeToken, encodeToken } from '../../protocols/s3/listing.ts';
import { fromLatin1, fuzzer, mutateBytes, randomBytes, toLatin1 } from './fuzzer.ts';
import { keyCodecs, randomName } from './key-codecs.ts';
import { type AnyMessage, messages, randomMessage, rowMessages } from './messages.ts';
import { IdentityRow } from '../../core/model/identities/rows.ts';

type Input = {
  codec: string;
  bytes: string;
  /** Nothing was changed: what an encoder made. */
  valid: boolean;
  /** Of two keys that are compared. */
  seed: number;
};

interface Codec {
  /** A value, encoded. */
  sample(random: Prng): Buffer;
  decode(bytes: Buffer): unknown;
  /** Undefined where bytes of different lengths may stand for one value, as in keys that are cut. */
  encode?(value: unknown): Buffer;
  /** Whether the error is one that this decoder may throw. */
  refuses(error: unknown): boolean;
}

const corrupt = (error: unknown): boolean =>
  isCoreError(error, 'CORRUPT') || isCoreError(error, 'VERSION_UNSUPPORTED');

const messageCodec = (message: AnyMessage): Codec => ({
  sample: (random) => message.encode(randomMessage(random, message)),
  decode: (bytes) => message.decode(bytes),
  encode: (value) => message.encode(value as object),
  refuses: (error) => isCoreError(error, 'PROTOCOL'),
});

const rowCodec = (message: AnyMessage): Codec => ({
  sample: (random) => encodeRow(message, randomMessage(random, message)),
  decode: (bytes) => decodeRow(message, bytes),
  encode: (value) => encodeRow(message, value as object),
  refuses: corrupt,
});

const others: readonly (readonly [string, Codec])[] = [
  [
    'commit-record',
    {
      sample: (random) =>
        Buffer.concat(
          encodeCommitRecord(
            1 + random.below(2 ** 40),
            Array.from({ length: random.below(5) }, () => ({
              key: fromLatin1(randomBytes(random, 20)),
              value: random.chance(0.3) ? undefined : fromLatin1(randomBytes(random, 40)),
            })),
          ),
        ),
      decode: decodeCommitRecord,
      encode: (value) => {
        const { number, mutations } = value as ReturnType<typeof decodeCommitRecord>;
        return Buffer.concat(encodeCommitRecord(number, mutations));
      },
      refuses: corrupt,
    },
  ],
  [
    'identity',
    {
      sample: (random) => encodeIdentity(randomMessage(random, IdentityRow) as IdentityRow),
      decode: decodeIdentity,
      encode: (value) => encodeIdentity(value as IdentityRow),
      refuses: (error) => isCoreError(error, 'PROTOCOL') || corrupt(error),
    },
  ],
  [
    'listing-token',
    {
      sample: (random) => Buffer.from(encodeToken(randomName(random))),
      decode: (bytes) => decodeToken(bytes.toString('latin1')),
      encode: (value) => Buffer.from(encodeToken(value as Uint8Array)),
      refuses: (error) => isS3Error(error),
    },
  ],
];

const codecs = new Map<string, Codec>([
  ...messages.map((message) => [`message ${message.name}`, messageCodec(message)] as const),
  ...rowMessages.map((message) => [`row ${message.name}`, rowCodec(message)] as const),
  ...keyCodecs.map(
    ({ name, sample, encode, decode }) =>
      [
        `key ${name}`,
        {
          sample: (random) => encode(sample(random)),
          decode,
          refuses: corrupt,
        } satisfies Codec,
      ] as const,
  ),
  ...others,
]);

/** Fields that no message has: a number, bytes, and a group that a decoder must read over. */
const unknownFields = ['\u00f8\u00ff\u0003\u0005', '\u00fa\u00ff\u0003\u0003abc'];
const tokens = [
  ...unknownFields,
  '\0',
  '\u0008\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u0001',
  '\u0008\u0080\u0080\u0080\u0080\u0080\u0080\u0080\u0010',
  '\u0012\u00ff\u00ff\u00ff\u00ff\u0007',
  '\u000b'.repeat(50),
  '\u000a\u0000',
  '\0\u0001',
  '\0\u00ff',
  '\u00c0\u0080',
  '\u00ed\u00a0\u0080',
];

function mutate(random: Prng, input: Input): Input {
  const bytes = mutateBytes(random, input.bytes, tokens, 3);
  return { ...input, bytes, valid: input.valid && bytes === input.bytes };
}

function makeValid(random: Prng): Input {
  const codec = random.pick([...codecs.keys()]);
  const bytes = (codecs.get(codec) as Codec).sample(random);
  return { codec, bytes: toLatin1(bytes), valid: true, seed: random.u32() };
}

function check(input: Input): string {
  const codec = codecs.get(input.codec);
  // A codec of an older build, in a kept input.
  if (codec === undefined) return 'unknown codec';
  const bytes = fromLatin1(input.bytes);
  const kind = input.codec.replace(/ .*/, '');
  if (kind === 'key') checkKeys(input.seed);
  let value: unknown;
  try {
    value = codec.decode(bytes);
  } catch (error) {
    assert.ok(!input.valid && codec.refuses(error), error as Error);
    return `${kind} refused`;
  }
  assert.deepEqual(fromLatin1(input.bytes), bytes, 'the input was changed');
  if (codec.encode === undefined) return `${kind} read`;
  const again = codec.encode(value);
  if (input.valid) assert.deepEqual(again, bytes, 'a value is encoded in one way');
  assert.deepEqual(codec.decode(again), value, 'encoding and decoding changes nothing');
  if (kind === 'row' || kind === 'message') checkUnknown(codec, value as object, again);
  return `${kind} read`;
}

/** A newer build adds a field: this build reads the rest, rewrites it, and the field is still there. */
function checkUnknown(codec: Codec, value: object, encoded: Buffer): void {
  for (const field of unknownFields) {
    const newer = Buffer.concat([encoded, fromLatin1(field)]);
    const read = codec.decode(newer) as object;
    assert.deepEqual(read, value, 'an unknown field changes nothing');
    const rewritten = codec.encode?.(keepUnknown(read, { ...read })) as Buffer;
    assert.ok(rewritten.includes(fromLatin1(field)), 'an unknown field survives');
    assert.deepEqual(codec.decode(rewritten), value);
  }
}

/** Round trip of a key, and the order of two. */
function checkKeys(seed: number): void {
  const random = new Prng(seed);
  const { encode, decode, compare, sample } = random.pick(keyCodecs);
  const [a, b] = [sample(random), sample(random)];
  const [keyA, keyB] = [encode(a), encode(b)];
  assert.deepEqual(decode(keyA), a);
  if (compare === undefined) return;
  assert.equal(Math.sign(Buffer.compare(keyA, keyB)), Math.sign(compare(a, b)), 'keys keep order');
}

export const metadataFuzzer = fuzzer<Input>({
  name: 'metadata',
  expected: [
    'message read',
    'message refused',
    'row read',
    'row refused',
    'key read',
    'key refused',
  ],
  generate: (random) =>
    random.chance(0.3) ? makeValid(random) : mutate(random, makeValid(random)),
  mutate,
  check,
});
