// What a fuzzer of this folder is, and the tools that they share: mutations of bytes and cuts of a stream.

import type { Prng } from '../../core/base/prng.ts';

/** An input is plain JSON, so that the kept ones can be read, changed and reviewed. Byte strings are latin1. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

export interface Fuzzer<Input extends Json = Json> {
  readonly name: string;
  /** Outcomes that the short run in `npm test` must meet: proof that the inputs get that far. */
  readonly expected: readonly string[];
  /** An input of the right shape, often broken in places. */
  generate(random: Prng): Input;
  /** A change of a kept input. */
  mutate(random: Prng, input: Input): Input;
  /** @returns a word for the outcome, for the tally. @throws when a rule is broken */
  check(input: Input): string | Promise<string>;
  /** Frees what `check` holds. */
  close?(): Promise<void>;
}

/** Takes the type of the input away: the runner only passes back what the fuzzer made. */
export function fuzzer<Input extends Json>(definition: Fuzzer<Input>): Fuzzer {
  return definition;
}

export const fromLatin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
export const toLatin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Numbers at which lengths and counters turn over. */
const edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/** Bytes as latin1 with up to `countMax` changes; `tokens` are what the format gives a meaning to. */
export function mutateBytes(
  random: Prng,
  text: string,
  tokens: readonly string[],
  countMax = 4,
): string {
  let bytes = text;
  for (let count = random.below(countMax + 1); count > 0; count--)
    bytes = mutateOnce(random, bytes, tokens);
  return bytes;
}

function mutateOnce(random: Prng, text: string, tokens: readonly string[]): string {
  const at = random.below(text.length + 1);
  const to = Math.min(text.length, at + random.below(random.chance(0.7) ? 4 : 80));
  const [before, cut, after] = [text.slice(0, at), text.slice(at, to), text.slice(to)];
  switch (random.below(8)) {
    case 0:
      return before + String.fromCharCode(random.below(256)) + after;
    case 1:
      return before + random.pick(tokens) + after;
    case 2:
      return before + cut + cut + after;
    case 3: {
      const from = random.below(text.length + 1);
      return before + text.slice(from, from + random.below(100)) + after;
    }
    case 4:
      return before + after;
    case 5:
      return before + flipBit(random, cut) + after;
    case 6:
      return before;
    default:
      return before + bigEndian(random) + text.slice(Math.min(text.length, at + 4));
  }
}

function flipBit(random: Prng, text: string): string {
  if (text === '') return text;
  const at = random.below(text.length);
  const byte = text.charCodeAt(at) ^ (1 << random.below(8));
  return text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + 1);
}

function bigEndian(random: Prng): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(random.pick(edges));
  return toLatin1(bytes);
}

export function randomBytes(random: Prng, countMax: number): string {
  const bytes = Buffer.alloc(random.below(countMax + 1));
  random.fill(bytes);
  return toLatin1(bytes);
}

/** The pieces of a stream between the positions of `cuts`, which may be in any order. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...cuts].filter((at) => at > 0 && at < bytes.length).toSorted((a, b) => a - b);
  const pieces = [0, ...places].map((at, index) => bytes.subarray(at, places[index]));
  return pieces.filter(({ length }) => length > 0);
}

/** Every byte is a piece of its own. */
export function everyByte(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
}

export function randomCuts(random: Prng, length: number): number[] {
  return Array.from({ length: random.below(6) }, () => random.below(length + 1));
}
