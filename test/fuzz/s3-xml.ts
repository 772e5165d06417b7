// Fuzzer of XML request bodies. A document of a random tree, laid out and escaped in random ways, must read as
// that tree; a mutated one reads as something within the limits or is MalformedXML. Either way the same for
// every cut, and never with a DTD. What reads is given to every reader of requests.

import assert from 'node:assert/strict';
import type { Prng } from '../../core/base/prng.ts';
import { isS3Error } from '../../protocols/s3/errors.ts';
import {
  readBucketConfiguration,
  readComplete,
  readDelete,
  readTagging,
  readVersioning,
} from '../../protocols/s3/request-documents.ts';
import { type XmlElement, XmlReader, xmlLimits } from '../../protocols/s3/xml-reader.ts';
import {
  cutAt,
  everyByte,
  fromLatin1,
  fuzzer,
  mutateBytes,
  randomCuts,
  toLatin1,
} from './fuzzer.ts';

type Tree = { name: string; text: string; children: Tree[] };
type Input = { document: string; tree: Tree | null; cuts: number[] };

const leaf = (name: string, text: string): Tree => ({ name, text, children: [] });
const branch = (name: string, children: Tree[]): Tree => ({ name, text: '', children });

/** Characters at the edges of XML and of UTF-8. */
const characters = ['a', 'Z', '0', ' ', '\t', '&', '<', '>', '"', "'", ']]>', '\u00e4', '\u20ac'];
const rare = ['\u{1f600}', '\ufffd', '\ue000', '\u2028', '%', '/', '+', '--', '\n'];

const textOf = (random: Prng): string =>
  Array.from({ length: random.below(12) }, () =>
    random.pick(random.chance(0.8) ? characters : rare),
  ).join('');

const sums = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];

const documents: readonly ((random: Prng) => Tree)[] = [
  (random) =>
    branch('Delete', [
      ...(random.chance(0.5) ? [leaf('Quiet', random.pick(['true', 'false', '']))] : []),
      ...several(random, () =>
        branch('Object', [
          leaf('Key', textOf(random)),
          ...(random.chance(0.3) ? [leaf('VersionId', textOf(random))] : []),
          ...(random.chance(0.3) ? [leaf('ETag', random.pick(['*', '"a"', '']))] : []),
          ...(random.chance(0.2) ? [leaf('Size', random.pick(['0', '-1', '1e3', '5']))] : []),
        ]),
      ),
    ]),
  (random) =>
    branch(
      random.pick(['CompleteMultipartUpload', 'CompleteMultipartUploadRequest']),
      several(random, (at) =>
        branch('Part', [
          leaf('PartNumber', random.chance(0.9) ? String(at + 1) : textOf(random)),
          leaf('ETag', textOf(random)),
          ...(random.chance(0.3) ? [leaf(`Checksum${random.pick(sums)}`, textOf(random))] : []),
        ]),
      ),
    ),
  (random) =>
    branch('Tagging', [
      branch(
        'TagSet',
        several(random, () => tag(random)),
      ),
    ]),
  (random) =>
    branch('VersioningConfiguration', [
      leaf('Status', random.pick(['Enabled', 'Suspended', 'enabled', ''])),
      ...(random.chance(0.3) ? [leaf('MfaDelete', random.pick(['Enabled', 'Disabled', 'x']))] : []),
    ]),
  (random) =>
    branch('CreateBucketConfiguration', [
      leaf('LocationConstraint', textOf(random)),
      ...(random.chance(0.3)
        ? [
            branch(
              'Tags',
              several(random, () => tag(random)),
            ),
          ]
        : []),
    ]),
  (random) => nest(random, random.below(xmlLimits.depthMax)),
];

const tag = (random: Prng): Tree =>
  branch('Tag', [leaf('Key', textOf(random)), leaf('Value', textOf(random))]);

/** Mostly few; sometimes so many that what lies between them adds up. */
const several = (random: Prng, make: (at: number) => Tree): Tree[] =>
  Array.from({ length: random.chance(0.01) ? 1000 : 1 + random.below(4) }, (_, at) => make(at));

const nest = (random: Prng, depth: number): Tree =>
  depth === 0 ? leaf('x', textOf(random)) : branch('y', [nest(random, depth - 1)]);

const noise = ['', '', '\n', '\n  ', '\r\n\t', '<!-- <a> & ]]> -->', `\n${' '.repeat(24)}`];

/** The tree as UTF-8. `layout` stands between elements, as pretty printers put it. */
function write(random: Prng, { name, text, children }: Tree, layout: string): string {
  const attributes = random.chance(0.1) ? ' xmlns:q="http://q" q:a=\'"&gt;\'' : '';
  if (children.length === 0 && text === '' && random.chance(0.5)) return `<${name}${attributes} />`;
  const inner =
    children.length === 0
      ? escape(random, text)
      : layout + children.map((child) => write(random, child, layout) + layout).join('');
  return `<${name}${attributes}>${inner}</${name}${random.chance(0.1) ? ' ' : ''}>`;
}

function escape(random: Prng, text: string): string {
  if (random.chance(0.15) && !text.includes(']]>')) return `<![CDATA[${text}]]>`;
  return Array.from(text, (character) => {
    const named = escapes[character];
    if (named !== undefined && random.chance(0.7)) return named;
    if (named !== undefined || random.chance(0.1)) return reference(random, character);
    return character;
  }).join('');
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

function reference(random: Prng, character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return random.chance(0.5) ? `&#${code};` : `&#x${code.toString(16)};`;
}

function makeValid(random: Prng): Input {
  const tree = random.pick(documents)(random);
  const declared = random.pick(['', '', '<?xml version="1.0" encoding="UTF-8"?>\n', '\ufeff']);
  const text = declared + write(random, tree, random.pick(noise)) + random.pick(['', '\n']);
  const document = toLatin1(Buffer.from(text));
  return { document, tree, cuts: randomCuts(random, document.length) };
}

const tokens = [
  '<!DOCTYPE Delete [<!ENTITY a "b"><!ENTITY c SYSTEM "file:///etc/passwd">]>',
  '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">',
  '<!ENTITY % p "q">',
  '<!ELEMENT x ANY>',
  '&a;',
  '&c;',
  '&#0;',
  '&#xD800;',
  '&#x110000;',
  '&#x1F600;',
  '&#99999999999999999999;',
  `&${'a'.repeat(300)};`,
  '<?xml version="1.0" encoding="UTF-16"?>',
  '<?xml version="1.1"?>',
  '<?php x ?>',
  '<![CDATA[',
  ']]>',
  '<!--',
  '-->',
  '<a>',
  '</a>',
  '<a b="c" b="d"/>',
  ' __proto__="x" constructor="y" ',
  '<d>'.repeat(20),
  ` a="${'x'.repeat(2000)}"`,
  'x'.repeat(9000),
  '\u00ef\u00bb\u00bf',
  '\u00ff\u00fe',
  '\u00c0\u0080',
  '\u00ed\u00a0\u0080',
  '\0',
  '\r',
];

function mutate(random: Prng, input: Input): Input {
  const changed = random.chance(0.03)
    ? toLatin1(Buffer.from(input.document, 'utf16le'))
    : mutateBytes(random, input.document, tokens, 3);
  const tree = changed === input.document ? input.tree : null;
  return { document: changed, tree, cuts: randomCuts(random, changed.length) };
}

function parse(pieces: readonly Buffer[]): XmlElement | string {
  const reader = new XmlReader();
  try {
    for (const piece of pieces) reader.push(piece);
    return reader.end();
  } catch (error) {
    if (isS3Error(error)) return error.code;
    throw error;
  }
}

/** Limits hold at every element. @returns how many there are */
function measure({ text, children }: XmlElement, depth: number): number {
  assert.ok(depth <= xmlLimits.depthMax, 'deeper than allowed');
  assert.ok(text.length <= xmlLimits.textCharactersMax, 'more text than allowed');
  assert.ok(text === '' || children.length === 0, 'text beside elements');
  assert.equal(Buffer.from(text).toString(), text, 'text that is no UTF-8');
  return 1 + children.reduce((sum, child) => sum + measure(child, depth + 1), 0);
}

const readers: readonly ((root: XmlElement) => unknown)[] = [
  readDelete,
  readComplete,
  readTagging,
  readBucketConfiguration,
  readVersioning,
];

function readAll(root: XmlElement): string {
  let read = 'parsed';
  for (const reader of readers) {
    try {
      reader(root);
      read = reader.name;
    } catch (error) {
      if (!isS3Error(error)) throw error;
    }
  }
  return read;
}

function check({ document, tree, cuts }: Input): string {
  const bytes = fromLatin1(document);
  const whole = parse(bytes.length === 0 ? [] : [bytes]);
  const splits = [cutAt(bytes, cuts), ...(bytes.length <= 2000 ? [everyByte(bytes)] : [])];
  for (const pieces of splits)
    assert.deepEqual(parse(pieces), whole, 'the outcome depends on how the document is cut');
  if (tree !== null) assert.deepEqual(whole, tree, 'a document did not read as its tree');
  if (typeof whole === 'string') return whole;
  assert.ok(measure(whole, 1) <= xmlLimits.elementsMax);
  const hidden = /<!--|<!\[CDATA\[/.test(document);
  assert.ok(hidden || !/<!(DOCTYPE|ENTITY|ELEMENT)/.test(document), 'a DTD was accepted');
  return readAll(whole);
}

export const xmlFuzzer = fuzzer<Input>({
  name: 's3-xml',
  expected: [
    'MalformedXML',
    'parsed',
    'readDelete',
    'readComplete',
    'readTagging',
    'readBucketConfiguration',
    'readVersioning',
  ],
  generate: (random) =>
    random.chance(0.3) ? makeValid(random) : mutate(random, makeValid(random)),
  mutate,
  check,
});
