// Fuzzer of what the chunk engine and its journal put on disk: rows, record payloads, sectors, superblocks and
// whole journals. Bytes that no encoder made are a value or an error of ours, never another exception and never
// memory for a length that lies. Checksums are made good again where a decoder would look no further.

import assert from 'node:assert/strict';
import type { Prng } from '../../core/base/prng.ts';
import { isCoreError } from '../../core/base/errors.ts';
import { fuzzer, fromLatin1, mutateBytes, toLatin1 } from './fuzzer.ts';
import { diskCodecs } from './disk-codecs.ts';
import { checkJournal, checkSuperblock, journalImage, superblockImage } from './disk-images.ts';

type Input = { what: string; bytes: string; valid: boolean };

const tokens = [
  '\0\0\0\0',
  '\u00ff\u00ff\u00ff\u00ff',
  '\0\0\0\u0001',
  '\u0001',
  '\u00ff',
  '\0\u0010\0\0',
];

const refused = (error: unknown): boolean =>
  isCoreError(error, 'CORRUPT') ||
  isCoreError(error, 'VERSION_UNSUPPORTED') ||
  isCoreError(error, 'DISK_REFUSED');

function makeValid(random: Prng): Input {
  const what = random.pick([...diskCodecs.keys(), 'journal', 'superblock']);
  const codec = diskCodecs.get(what);
  const bytes =
    codec?.sample(random) ?? (what === 'journal' ? journalImage(random) : superblockImage(random));
  // A superblock's image is what is changed in it.
  return { what, bytes: toLatin1(bytes), valid: what !== 'superblock' };
}

function mutate(random: Prng, input: Input): Input {
  const bytes = mutateBytes(random, input.bytes, tokens, 3);
  return { ...input, bytes, valid: input.valid && bytes === input.bytes };
}

async function check({ what, bytes, valid }: Input): Promise<string> {
  const codec = diskCodecs.get(what);
  try {
    if (what === 'journal') await checkJournal(fromLatin1(bytes));
    else if (what === 'superblock') await checkSuperblock(fromLatin1(bytes));
    else if (codec !== undefined) {
      const input = fromLatin1(bytes);
      const value = codec.decode(input);
      const again = codec.encode(value);
      if (valid) assert.deepEqual(again, fromLatin1(bytes), 'a value is encoded in one way');
      assert.deepEqual(codec.decode(again), value, 'encoding and decoding changes nothing');
    }
  } catch (error) {
    assert.ok(!valid && refused(error), error as Error);
    return `${what} refused`;
  }
  return `${what} read`;
}

export const diskFuzzer = fuzzer<Input>({
  name: 'disk',
  expected: ['chunk row read', 'chunk row refused', 'journal read', 'journal refused'],
  generate: (random) =>
    random.chance(0.2) ? makeValid(random) : mutate(random, makeValid(random)),
  mutate,
  check,
});
