// Typed protobuf messages: one declaration gives the TypeScript type and the wire codec. Used for RPC
// control messages and for the values of metadata rows.
//
// Rules: field numbers are never reused; `uint` is a number asserted below 2^53; a field that is not `optional`
// decodes to 0, '', false, empty bytes or [] when absent; unknown fields of a decoded message survive
// re-encoding (rows written by a newer build). Decoded `bytes` are views of the input.

import { asBuffer } from './bytes.ts';
import { CoreError } from './errors.ts';
import { type Codec, compileCodec, type FieldPlan, unknownsKey } from './message-codec.ts';
import { WireReader, WireWriter } from './protobuf-wire.ts';
import type { Buffer } from 'node:buffer';

type Scalar = 'uint64' | 'string' | 'bytes' | 'bool';

export interface FieldSpec<T> {
  readonly tag: number;
  readonly wire: Scalar | Message<object>;
  readonly shape: 'one' | 'optional' | 'many';
  /** Carries the type only. */
  readonly _type?: T;
}

type Fields = Readonly<Record<string, FieldSpec<unknown>>>;
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: undefined extends TypeOf<F[K]> ? K : never;
}[keyof F];
type TypeOf<S> = S extends FieldSpec<infer T> ? T : never;
type Simplify<T> = { [K in keyof T]: T[K] };
type Value<F extends Fields> = Simplify<
  { -readonly [K in Exclude<keyof F, OptionalKeys<F>>]: TypeOf<F[K]> } & {
    -readonly [K in OptionalKeys<F>]?: TypeOf<F[K]>;
  }
>;

export interface Message<T extends object> {
  readonly name: string;
  /** The declaration, by member: for tools that make or print messages of any kind. */
  readonly fields: Fields;
  encode(value: T): Buffer;
  /** @throws CoreError PROTOCOL on malformed bytes or an integer of 2^53 or more. */
  decode(bytes: Uint8Array): T;
}

/** The value type of a message: `type Entry = MessageOf<typeof Entry>`. */
export type MessageOf<M> = M extends Message<infer T> ? T : never;

export const uint = (tag: number): FieldSpec<number> => ({ tag, wire: 'uint64', shape: 'one' });
export const string = (tag: number): FieldSpec<string> => ({ tag, wire: 'string', shape: 'one' });
export const bytes = (tag: number): FieldSpec<Uint8Array> => ({ tag, wire: 'bytes', shape: 'one' });
export const bool = (tag: number): FieldSpec<boolean> => ({ tag, wire: 'bool', shape: 'one' });
/** An embedded message; always given, never optional unless wrapped in `optional`. */
export const nested = <T extends object>(tag: number, of: Message<T>): FieldSpec<T> => ({
  tag,
  wire: of,
  shape: 'one',
});
export const optional = <T>(field: FieldSpec<T>): FieldSpec<T | undefined> => ({
  ...(field as FieldSpec<T | undefined>),
  shape: 'optional',
});
export const many = <T>(field: FieldSpec<T>): FieldSpec<T[]> => ({
  tag: field.tag,
  wire: field.wire,
  shape: 'many',
});

/** Messages are encoded one at a time. */
const writer = new WireWriter();

/** A message with its codec, which messages around it use. */
interface CompiledMessage<T extends object> extends Message<T> {
  codec(): Codec;
}

/** Declares a message. `name` appears in errors and in docs/internals. */
export function message<F extends Fields>(name: string, fields: F): Message<Value<F>> {
  let compiled: Codec | undefined;
  // Compiled at first use, so that a role does not pay for the messages it never sends.
  const codec = (): Codec => (compiled ??= compileCodec(name, plansOf(fields)));
  const self: CompiledMessage<Value<F>> = {
    name,
    fields,
    codec,
    encode(value) {
      writer.begin();
      codec().encode(writer, value);
      return writer.finish();
    },
    decode(input) {
      try {
        return codec().decode(new WireReader(asBuffer(input))) as Value<F>;
      } catch (error) {
        if (!(error instanceof CoreError)) throw error;
        throw new CoreError('PROTOCOL', `a message ${name} ${error.message}`, { cause: error });
      }
    },
  };
  return self;
}

function plansOf(fields: Fields): FieldPlan[] {
  return Object.entries(fields).map(([name, { tag, wire, shape }]) => {
    if (typeof wire === 'string') return { name, number: tag, shape, wire };
    const codec = (wire as CompiledMessage<object>).codec();
    return { name, number: tag, shape, wire: 'message', codec };
  });
}

/** Copies unknown fields of a decoded message onto its rewritten form, so that they survive. */
export function keepUnknown<T extends object>(from: object, to: T): T {
  const unknowns = (from as Record<string, unknown>)[unknownsKey];
  if (unknowns !== undefined)
    Object.defineProperty(to, unknownsKey, { value: unknowns, enumerable: false });
  return to;
}
