// Every message of Lampyr, found in the modules that declare them, and random values of any of them.

import type { FieldSpec, Message } from '../../core/base/message.ts';
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

const isMessage = (value: unknown): value is AnyMessage =>
  typeof value === 'object' && value !== null && 'fields' in value && 'decode' in value;

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

export function randomMessage(random: Prng, { fields }: AnyMessage, itemsMax = 3): object {
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const one = (): unknown => randomField(random, field, itemsMax);
    if (field.shape === 'many') value[name] = Array.from({ length: random.below(itemsMax) }, one);
    else if (field.shape === 'one' || random.chance(0.5)) value[name] = one();
  }
  return value;
}

function randomField(random: Prng, { wire }: FieldSpec<unknown>, itemsMax: number): unknown {
  if (typeof wire !== 'string') return randomMessage(random, wire, Math.max(1, itemsMax - 1));
  switch (wire) {
    case 'uint64':
      return randomUint(random);
    case 'bool':
      return random.chance(0.5);
    case 'bytes':
      return Buffer.from(randomBytes(random, 20), 'latin1');
    case 'string':
      return random.pick(['', 'a', 'STANDARD', '\u00e4\u20ac\u{1f600}', '\0', 'x'.repeat(130)]);
  }
}

const edges = [0, 1, 127, 128, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];

export function randomUint(random: Prng): number {
  if (random.chance(0.3)) return random.pick(edges);
  return Math.floor(random.unit() * 2 ** random.below(53));
}
