// Compiles the declaration of a message into two functions of straight-line code. Every control message and every
// metadata row goes through them, a listing through thousands: a codec that walks the declaration instead,
// and stores members by computed name, takes three times as long. The source text is made of names and
// numbers of declarations in this repository alone, never of input.

import { Buffer } from 'node:buffer';
import { assert } from './assert.ts';
import { tagOf, wireType, type WireReader, type WireWriter } from './protobuf-wire.ts';

/** Where a decoded message keeps the fields that it does not know; not enumerable. */
export const unknownsKey = '$unknowns';

export interface FieldPlan {
  readonly name: string;
  /** Number on the wire. */
  readonly number: number;
  readonly shape: 'one' | 'optional' | 'many';
  readonly wire: 'uint64' | 'string' | 'bytes' | 'bool' | 'message';
  /** Of an embedded message. */
  readonly codec?: Codec;
}

export interface Codec {
  /** Writes the fields from the last to the first. @throws AssertionError for an integer beyond 2^53 - 1 */
  encode(writer: WireWriter, value: object): void;
  /** Reads up to the reader's end. @throws CoreError PROTOCOL */
  decode(reader: WireReader): object;
  /** The message in which every field is absent. */
  blank(): object;
}

const identifier = /^[A-Za-z][A-Za-z0-9]*$/;

/** @param name of the message, for errors */
export function compileCodec(name: string, fields: readonly FieldPlan[]): Codec {
  for (const text of [name, ...fields.map((field) => field.name)])
    assert(identifier.test(text), `${text} is no plain name`);
  const source = `'use strict';
    const blank = () => (${literal(fields, () => undefined)});
    return { encode(writer, value) {${encoder(name, fields)}}, decode(reader) {${decoder(name, fields)}}, blank };`;
  // oxlint-disable-next-line typescript/no-implied-eval -- see above
  const make = new Function('codecs', 'none', 'hide', source) as (
    codecs: readonly (Codec | undefined)[],
    none: Buffer,
    hide: typeof hideUnknowns,
  ) => Codec;
  return make(
    fields.map(({ codec }) => codec),
    none,
    hideUnknowns,
  );
}

const none = Buffer.alloc(0);

function hideUnknowns(value: object, unknowns: readonly Buffer[]): void {
  Object.defineProperty(value, unknownsKey, { value: unknowns, enumerable: false });
}

// --- encode: from the last field to the first, each value before its length and tag

function encoder(message: string, fields: readonly FieldPlan[]): string {
  const backwards = fields
    .map((field, index) => ({ field, index }))
    .toSorted((a, b) => b.field.number - a.field.number);
  return `
    const unknowns = value.${unknownsKey};
    if (unknowns !== undefined)
      for (let at = unknowns.length - 1; at >= 0; at--) writer.raw(unknowns[at]);
    ${backwards.map(({ field, index }) => writeField(message, field, index)).join('\n')}`;
}

function writeField(message: string, field: FieldPlan, index: number): string {
  const { name, number, shape, wire } = field;
  const isNumber = wire === 'uint64' || wire === 'bool';
  const tag = tagOf(number, isNumber ? wireType.varint : wireType.bytes);
  const write = {
    uint64: `writer.uint(item, '${message}.${name}');`,
    bool: 'writer.bool(item);',
    string: 'writer.string(item);',
    bytes: 'writer.block(item);',
    message: `const before = writer.written; codecs[${index}].encode(writer, item); writer.varint(writer.written - before);`,
  }[wire];
  const one = `${write} writer.varint(${tag});`;
  return shape === 'many'
    ? `for (let at = value.${name}.length - 1; at >= 0; at--) { const item = value.${name}[at]; ${one} }`
    : `{ const item = value.${name}; if (item !== undefined) { ${one} } }`;
}

// --- decode: members into locals, then one object of the declaration's shape

function decoder(message: string, fields: readonly FieldPlan[]): string {
  return `
    ${fields.map((_, index) => `let f${index};`).join(' ')}
    let unknowns;
    while (reader.more) {
      const from = reader.position;
      const tag = reader.varint();
      switch (tag) {
        ${fields.map((field, index) => readField(message, field, index)).join('\n')}
        default: (unknowns ??= []).push(reader.unknown(tag, from));
      }
    }
    const value = ${literal(fields, (index) => `f${index}`)};
    ${fields
      .map(({ name, shape }, index) =>
        shape === 'optional' ? `if (f${index} !== undefined) value.${name} = f${index};` : '',
      )
      .join('\n')}
    if (unknowns !== undefined) hide(value, unknowns);
    return value;`;
}

function readField(message: string, field: FieldPlan, index: number): string {
  const { name, number, shape, wire } = field;
  const store = (item: string): string =>
    shape === 'many' ? `(f${index} ??= []).push(${item});` : `f${index} = ${item};`;
  if (wire === 'message') {
    return `case ${tagOf(number, wireType.bytes)}: {
      const outer = reader.enter(); ${store(`codecs[${index}].decode(reader)`)} reader.leave(outer); break; }`;
  }
  if (wire === 'string' || wire === 'bytes') {
    const read = wire === 'string' ? 'reader.string()' : 'reader.block()';
    return `case ${tagOf(number, wireType.bytes)}: ${store(read)} break;`;
  }
  const read = wire === 'bool' ? 'reader.bool()' : `reader.uint('${message}.${name}')`;
  const packed =
    shape === 'many'
      ? // The newer form of repeated numbers, which protobuf asks every decoder to take.
        `case ${tagOf(number, wireType.bytes)}: {
          const outer = reader.enter(); while (reader.more) ${store(read)} reader.leave(outer); break; }`
      : '';
  return `case ${tagOf(number, wireType.varint)}: ${store(read)} break; ${packed}`;
}

/** The members that are always there, from what `found` names or their defaults. */
function literal(
  fields: readonly FieldPlan[],
  found: (index: number) => string | undefined,
): string {
  const members = fields.flatMap(({ name, shape, wire }, index) => {
    if (shape === 'optional') return [];
    const absent =
      shape === 'many'
        ? '[]'
        : {
            uint64: '0',
            string: "''",
            bool: 'false',
            bytes: 'none',
            message: `codecs[${index}].blank()`,
          }[wire];
    const name0 = found(index);
    return [`${name}: ${name0 === undefined ? absent : `${name0} ?? ${absent}`}`];
  });
  return `{ ${members.join(', ')} }`;
}
