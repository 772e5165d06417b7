// Every message of Lampyr, found in the modules that declare them, and random values of any of them.

import type { Message } from '../../core/base/message.ts';
import type { Prng } from '../../core/base/prng.ts';
import * as metaCalls from '../../core/meta/calls.ts';
import * as metaMessages from '../../core/meta/messages.ts';
import * as metaRows from '../../core/meta/rows.ts';
import * as chunkCalls from '../../core/client/chunk-calls.ts';
import * as identityCalls from '../../core/model/identities/calls.ts';
import * as identityRows from '../../core/model/identities/rows.ts';
import * as control from '../../core/rpc/control.ts';
import * as operatorCalls from '../../gateways/core/operator-calls.ts';
import { randomBytes } from './fuzzer.ts';

export type AnyMessage = Message<object>;

/** What `typed()` of a compiled message shows of protobufjs. */
interface Field {
  readonly name: string;
  readonly type: string;
  readonly repeated: boolean;
  readonly resolvedType: Type | null;
  readonly options?: { readonly proto3_optional?: boolean };
  readonly rule?: string;
}
interface Type {
  readonly fieldsArray: readonly Field[];
}

const isMessage = (value: unknown): value is AnyMessage =>
  typeof value === 'object' && value !== null && 'typed' in value && 'decode' in value;

/** Exported messages, and those of exported calls. */
function messagesOf(module: object): AnyMessage[] {
  return Object.values(module).flatMap((value: unknown) => {
    if (isMessage(value)) return [value];
    if (typeof value !== 'object' || value === null) return [];
    return Object.values(value).filter(isMessage);
  });
}

const byName = (found: readonly AnyMessage[]): AnyMessage[] => [
  ...new Map(found.map((message) => [message.name, message])).values(),
];

export const rowMessages: readonly AnyMessage[] = byName(messagesOf(metaRows));

export const messages: readonly AnyMessage[] = byName(
  [
    metaMessages,
    metaCalls,
    chunkCalls,
    identityCalls,
    identityRows,
    control,
    operatorCalls,
  ].flatMap(messagesOf),
);

export function randomMessage(random: Prng, message: AnyMessage): object {
  return randomValue(random, (message as unknown as { typed(): Type }).typed(), 3);
}

function randomValue(random: Prng, type: Type, itemsMax: number): object {
  const value: Record<string, unknown> = {};
  for (const field of type.fieldsArray) {
    const one = (): unknown => randomField(random, field, itemsMax);
    if (field.repeated) value[field.name] = Array.from({ length: random.below(itemsMax) }, one);
    else if (!isOptional(field) || random.chance(0.5)) value[field.name] = one();
  }
  return value;
}

const isOptional = (field: Field): boolean =>
  field.options?.proto3_optional === true || field.rule === 'optional';

function randomField(random: Prng, { type, resolvedType }: Field, itemsMax: number): unknown {
  if (resolvedType !== null) return randomValue(random, resolvedType, Math.max(1, itemsMax - 1));
  switch (type) {
    case 'uint64':
      return randomUint(random);
    case 'bool':
      return random.chance(0.5);
    case 'bytes':
      return Buffer.from(randomBytes(random, 20), 'latin1');
    default:
      return random.pick(['', 'a', 'STANDARD', '\u00e4\u20ac\u{1f600}', '\0', 'x'.repeat(130)]);
  }
}

const edges = [0, 1, 127, 128, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];

export function randomUint(random: Prng): number {
  if (random.chance(0.3)) return random.pick(edges);
  return Math.floor(random.unit() * 2 ** random.below(53));
}
