// Typed protobuf messages: one declaration gives the TypeScript type and the wire codec. Used for RPC
// control messages and for the values of metadata rows. The only file that sees protobufjs.
//
// Rules: field numbers are never reused; `uint` is a number asserted below 2^53 (protobufjs would write a
// BigInt as 0); a field that is not `optional` decodes to 0, '', false, empty bytes or [] when absent;
// unknown fields of a decoded message survive re-encoding (rows written by a newer build).
// Decoded `bytes` are views of the input.

import { Buffer } from 'node:buffer';
import protobuf from 'protobufjs';
import { asBuffer } from './bytes.ts';
import { CoreError } from './errors.ts';
import { assert } from './assert.ts';

// Without Long, protobufjs decodes 64-bit integers to plain numbers; `decode` checks them for exactness.
(protobuf.util as { Long: unknown }).Long = null;
protobuf.configure();

type Scalar = 'uint64' | 'string' | 'bytes' | 'bool';

interface FieldSpec<T> {
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

const unknownsKey = '$unknowns';

interface Compiled {
  readonly type: protobuf.Type;
  readonly entries: readonly (readonly [string, FieldSpec<unknown>])[];
}

/** Declares a message. `name` appears in errors and in docs/internals. */
export function message<F extends Fields>(name: string, fields: F): Message<Value<F>> {
  let compiled: Compiled | undefined;
  // Compiled at first use, so that a role does not pay for the messages it never sends.
  const use = (): Compiled => (compiled ??= compile(name, fields));
  const self: Message<Value<F>> & { plain(decoded: unknown): object; typed(): protobuf.Type } = {
    name,
    encode(value) {
      const { type, entries } = use();
      checkIntegers(name, entries, value);
      return asBuffer(type.encode(value).finish());
    },
    decode(input) {
      const { type } = use();
      const reader = protobuf.Reader.create(asBuffer(input));
      (reader as unknown as { discardUnknown: boolean }).discardUnknown = false;
      try {
        return self.plain(type.decode(reader)) as Value<F>;
      } catch (error) {
        if (error instanceof CoreError) throw error;
        throw new CoreError('PROTOCOL', `malformed ${name}: ${(error as Error).message}`);
      }
    },
    plain(decoded) {
      return toPlain(name, use().entries, decoded as Record<string, unknown>);
    },
    typed() {
      return use().type;
    },
  };
  return self;
}

function compile(name: string, fields: Fields): Compiled {
  const type = new protobuf.Type(name);
  const entries = Object.entries(fields);
  for (const [field, spec] of entries) {
    const rule =
      spec.shape === 'many' ? 'repeated' : spec.shape === 'optional' ? 'optional' : undefined;
    if (typeof spec.wire === 'string') {
      const options = spec.shape === 'optional' ? optionalOf(spec.wire) : undefined;
      type.add(new protobuf.Field(field, spec.tag, spec.wire, rule, undefined, options));
      continue;
    }
    const inner = (spec.wire as unknown as { typed(): protobuf.Type }).typed();
    const wrapped = new protobuf.Field(field, spec.tag, inner.name, rule);
    type.add(wrapped);
    wrapped.resolvedType = inner;
    wrapped.resolved = true;
    wrapped.defaultValue = null;
    wrapped.typeDefault = null;
  }
  return { type, entries };
}

/** protobufjs fails to compile an optional `bytes` field that has no default of its own. */
function optionalOf(wire: Scalar): { proto3_optional: true; default?: string } {
  return wire === 'bytes' ? { proto3_optional: true, default: '' } : { proto3_optional: true };
}

function checkIntegers(
  name: string,
  entries: Compiled['entries'],
  value: Record<string, unknown>,
): void {
  for (const [field, spec] of entries) {
    if (spec.wire !== 'uint64') continue;
    const found = value[field];
    if (spec.shape === 'many') {
      for (const item of found as unknown[]) assertUint(name, field, item);
    } else if (!(spec.shape === 'optional' && found === undefined)) {
      assertUint(name, field, found);
    }
  }
}

function assertUint(name: string, field: string, value: unknown): void {
  assert(
    Number.isSafeInteger(value) && (value as number) >= 0,
    `${name}.${field} = ${String(value)}`,
  );
}

const empty = Buffer.alloc(0);

function toPlain(
  name: string,
  entries: Compiled['entries'],
  decoded: Record<string, unknown>,
): object {
  const plain: Record<string, unknown> = {};
  for (const [field, spec] of entries) {
    const present = Object.hasOwn(decoded, field);
    if (spec.shape === 'many') {
      const items = present ? (decoded[field] as unknown[]) : [];
      plain[field] = items.map((item) => scalarOf(name, field, spec, item));
    } else if (present && decoded[field] !== null) {
      plain[field] = scalarOf(name, field, spec, decoded[field]);
    } else if (spec.shape === 'one') {
      plain[field] = defaultOf(spec);
    }
  }
  const unknowns = decoded[unknownsKey];
  if (unknowns !== undefined)
    Object.defineProperty(plain, unknownsKey, { value: unknowns, enumerable: false });
  return plain;
}

function scalarOf(name: string, field: string, spec: FieldSpec<unknown>, value: unknown): unknown {
  if (typeof spec.wire !== 'string') {
    return (spec.wire as unknown as { plain(decoded: unknown): object }).plain(value);
  }
  if (spec.wire === 'uint64' && !(Number.isSafeInteger(value) && (value as number) >= 0)) {
    throw new CoreError('PROTOCOL', `${name}.${field} is not an integer below 2^53`);
  }
  return value;
}

function defaultOf(spec: FieldSpec<unknown>): unknown {
  switch (spec.wire) {
    case 'uint64':
      return 0;
    case 'string':
      return '';
    case 'bool':
      return false;
    case 'bytes':
      return empty;
    default:
      return (spec.wire as unknown as { plain(decoded: unknown): object }).plain({});
  }
}

/** Copies unknown fields of a decoded message onto its rewritten form, so that they survive. */
export function keepUnknown<T extends object>(from: object, to: T): T {
  const unknowns = (from as Record<string, unknown>)[unknownsKey];
  if (unknowns !== undefined)
    Object.defineProperty(to, unknownsKey, { value: unknowns, enumerable: false });
  return to;
}
