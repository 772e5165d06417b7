// Rows of identities, keyspace A of the metadata. Format: docs/internals/identities.md. Pure.

import { Buffer } from 'node:buffer';
import { asBuffer, prefixEnd } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { type MessageOf, message, string, uint } from '../../base/message.ts';
import type { KeyRange } from '../../meta/meta-store.ts';

const space = 0x41;
const byName = Buffer.of(space, 0);
const byAccessKey = Buffer.of(space, 1);
const byId = Buffer.of(space, 2);
const rowVersion = 1;

export const IdentityRow = message('IdentityRow', {
  id: string(1),
  name: string(2),
  displayName: string(3),
  accessKey: string(4),
  secretKey: string(5),
  createdMs: uint(6),
});
export type IdentityRow = MessageOf<typeof IdentityRow>;

const under = (prefix: Buffer, text: string): Buffer => Buffer.concat([prefix, Buffer.from(text)]);

export const nameKey = (name: string): Buffer => under(byName, name);
export const accessKeyKey = (accessKey: string): Buffer => under(byAccessKey, accessKey);
export const idKey = (id: string): Buffer => under(byId, id);

/** Identities in order of their names, strictly after `after`. */
export function identityRange(after: string): KeyRange {
  const from = after === '' ? byName : Buffer.concat([nameKey(after), Buffer.of(0)]);
  return { from, to: prefixEnd(byName) as Buffer };
}

export function encodeIdentity(row: IdentityRow): Buffer {
  return Buffer.concat([Buffer.of(rowVersion), IdentityRow.encode(row)]);
}

/** @throws CoreError VERSION_UNSUPPORTED, PROTOCOL */
export function decodeIdentity(value: Uint8Array): IdentityRow {
  if (value[0] !== rowVersion) {
    throw new CoreError('VERSION_UNSUPPORTED', `an identity row has version ${value[0] ?? 'none'}`);
  }
  return IdentityRow.decode(value.subarray(1));
}

/** Index rows hold the name. */
export const encodeName = (name: string): Buffer => Buffer.from(name);
export const decodeName = (value: Uint8Array): string => asBuffer(value).toString();
