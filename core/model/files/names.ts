// Segments of S3 keys as file names, and back (docs/internals/namespace.md, "Names"). Every segment has exactly
// one name and every file name exactly one segment, whichever door made it. Pure.
//
// A file name shows what is no legal name with the escape ␛ (U+241B). A segment shows what a file name may have
// and a key may not with ␚ (U+241A). A segment whose name would be too long is a chain of names, all but the
// last ending in the mark of continuation.

import { Buffer } from 'node:buffer';
import { limits } from '../../base/limits.ts';

const escape = Buffer.from('\u241b');
const substitute = Buffer.from('\u241a');
const dot = 0x2e;

export interface NamedSegment {
  /** Bytes between slashes; well-formed UTF-8. */
  readonly segment: Buffer;
  /** The object `a` beside the directory `a/`: one name cannot stand for both, the object's has a mark. */
  readonly beside: boolean;
}

/** The file name of a segment, or the chain of names of a long one. */
export function namesOf({ segment, beside }: NamedSegment): Buffer[] {
  if (!beside && segment.includes(substitute)) {
    const name = fileNameOf(segment);
    if (name !== undefined && !isEscaped([name])) return [name];
  }
  return escapedNames({ segment, beside });
}

/** The segment of a file name, or of a chain of names. */
export function segmentOf(names: readonly Buffer[]): NamedSegment {
  const unescaped = isEscaped(names) ? unescapedNames(names) : undefined;
  return unescaped ?? { segment: substituted(Buffer.concat(names)), beside: false };
}

/** True when the names are what `namesOf` shows of a segment by escapes: no file made them up. */
function isEscaped(names: readonly Buffer[]): boolean {
  const named = unescapedNames(names);
  // The segment is shorter than its escapes, so that this ends.
  return named !== undefined && sameNames(namesOf(named), names);
}

function sameNames(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  return a.length === b.length && a.every((name, at) => name.equals(b[at] as Buffer));
}

// --- file-side escapes: ␛ and a letter ------------------------------------------------------------------

const letter = { substitute: 0x73, nul: 0x30, empty: 0x65, beside: 0x66, more: 0x3e } as const;

/** Bytes of a name before the mark of continuation. */
const pieceBytesMax = limits.fileNameBytesMax - escape.length - 1;

function escapedNames({ segment, beside }: NamedSegment): Buffer[] {
  const tokens = segment.length === 0 ? [mark(letter.empty)] : escapedTokens(segment);
  if (beside) tokens.push(mark(letter.beside));
  return joinTokens(tokens);
}

function mark(code: number): Buffer {
  return Buffer.concat([escape, Buffer.of(code)]);
}

function escapedTokens(segment: Buffer): Buffer[] {
  const tokens = [...characters(segment)].map((character) => {
    if (character.equals(escape)) return Buffer.concat([escape, escape]);
    if (character.equals(substitute)) return mark(letter.substitute);
    return character[0] === 0 ? mark(letter.nul) : character;
  });
  const dots = segment.length <= 2 && segment.every((byte) => byte === dot);
  return dots ? [escape, ...tokens] : tokens;
}

/** Names of whole tokens, each within the length of a file name. */
function joinTokens(tokens: readonly Buffer[]): Buffer[] {
  const whole = Buffer.concat(tokens);
  if (whole.length <= limits.fileNameBytesMax) return [whole];
  const names: Buffer[] = [];
  let piece: Buffer[] = [];
  let bytes = 0;
  for (const token of tokens) {
    if (bytes + token.length > pieceBytesMax) {
      names.push(Buffer.concat([...piece, mark(letter.more)]));
      piece = [];
      bytes = 0;
    }
    piece.push(token);
    bytes += token.length;
  }
  return [...names, Buffer.concat(piece)];
}

/** undefined when the names use ␛ otherwise than `escapedNames` does. */
function unescapedNames(names: readonly Buffer[]): NamedSegment | undefined {
  const parts: Buffer[] = [];
  let beside = false;
  for (const [at, name] of names.entries()) {
    const last = at === names.length - 1;
    const end = last ? name.length : name.length - escape.length - 1;
    if (!last && !name.subarray(Math.max(end, 0)).equals(mark(letter.more))) return undefined;
    const read = unescapedName(name.subarray(0, end));
    if (read === undefined || (read.beside && !last)) return undefined;
    parts.push(read.segment);
    beside = read.beside;
  }
  const named = { segment: Buffer.concat(parts), beside };
  return sameNames(escapedNames(named), names) ? named : undefined;
}

function unescapedName(name: Buffer): NamedSegment | undefined {
  const parts: Buffer[] = [];
  let beside = false;
  for (let at = 0; at < name.length;) {
    const length = characterLength(name, at);
    if (length === 0) return undefined;
    const character = name.subarray(at, at + length);
    at += length;
    if (!character.equals(escape)) {
      parts.push(character);
      continue;
    }
    const code = name[at] ?? 0;
    if (name.subarray(at, at + escape.length).equals(escape)) {
      parts.push(escape);
      at += escape.length;
      continue;
    }
    // Before dots the escape stands alone; any other letter is checked by escaping again.
    if (code === dot) continue;
    if (code === letter.substitute) parts.push(substitute);
    else if (code === letter.nul) parts.push(Buffer.of(0));
    else if (code === letter.beside && at + 1 === name.length) beside = true;
    else if (code !== letter.empty) return undefined;
    at++;
  }
  return { segment: Buffer.concat(parts), beside };
}

// --- key-side escapes: ␚ and two hex digits ----------------------------------------------------------------

const codeOfEscape = '1b';
const codeOfSubstitute = '1a';

/** A file name as a segment: what a key may not have as ␚ and the byte's digits, ␛ and ␚ by their codes. */
function substituted(name: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < name.length;) {
    const length = characterLength(name, at);
    const character = name.subarray(at, at + Math.max(length, 1));
    at += character.length;
    if (length === 0) parts.push(substitute, Buffer.from(character.toString('hex')));
    else if (character.equals(escape)) parts.push(substitute, Buffer.from(codeOfEscape));
    else if (character.equals(substitute)) parts.push(substitute, Buffer.from(codeOfSubstitute));
    else parts.push(character);
  }
  return Buffer.concat(parts);
}

/** The file name that `substituted` made a segment of; undefined when it made none of it. */
function fileNameOf(segment: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; at < segment.length;) {
    const next = segment.indexOf(substitute, at);
    if (next !== at) {
      const end = next < 0 ? segment.length : next;
      parts.push(segment.subarray(at, end));
      at = end;
      continue;
    }
    const code = segment.toString('latin1', at + substitute.length, at + substitute.length + 2);
    if (!/^[0-9a-f]{2}$/.test(code)) return undefined;
    parts.push(byteOf(code));
    at += substitute.length + 2;
  }
  const name = Buffer.concat(parts);
  const legal = name.length <= limits.fileNameBytesMax && !name.includes(0);
  return legal && substituted(name).equals(segment) ? name : undefined;
}

function byteOf(code: string): Buffer {
  if (code === codeOfEscape) return escape;
  return code === codeOfSubstitute ? substitute : Buffer.from(code, 'hex');
}

// --- UTF-8 ----------------------------------------------------------------------------------------------

/** Length of the well-formed character that starts at `at`; 0 when none does. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const character = bytes.subarray(at, at + length);
  if (character.length < length) return 0;
  // Decoding and encoding again changes whatever is not well-formed.
  return Buffer.from(character.toString()).equals(character) ? length : 0;
}

/** Characters; a byte that is part of none stands alone. */
function* characters(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const length = Math.max(characterLength(bytes, at), 1);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
