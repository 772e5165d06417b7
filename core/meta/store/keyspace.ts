// The keyspaces that a MetaStore keeps for itself inside the ordered keys (design 5 has the namespace's):
// O outbox entries, T transactions (tokens, and the newest commit number of a store that restarts).
// Layouts: docs/internals/metadata-store.md. Pure.

import { Buffer } from 'node:buffer';
import { ByteWriter, asBuffer, prefixEnd } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { CommitPosition, KeyRange } from '../meta-store.ts';

const outboxSpace = 0x4f;
const transactionSpace = 0x54;

export const tokenBytes = 16;
const positionDigits = 16;
const entryDigits = 20;

/** True for keys that callers may not write. */
export function isReservedKey(key: Uint8Array): boolean {
  return key[0] === outboxSpace || key[0] === transactionSpace;
}

// --- positions -----------------------------------------------------------------------------------

/** 16 hex digits of the commit number: fixed width, so that string order is commit order. */
export function commitPosition(number: number): CommitPosition {
  return number.toString(16).padStart(positionDigits, '0');
}

// --- outbox: 'O', topic length (1), topic, commit number (8 BE), index in the commit (2 BE) ---------

function topicPrefix(topic: string): Buffer {
  const name = Buffer.from(topic);
  if (name.length === 0 || name.length > limits.outboxTopicBytesMax) {
    throw new CoreError(
      'INVALID_ARGUMENT',
      `outbox topic of ${name.length} bytes, 1 to ${limits.outboxTopicBytesMax} allowed`,
    );
  }
  return Buffer.concat([Buffer.of(outboxSpace, name.length), name]);
}

export function outboxKey(topic: string, number: number, index: number): Buffer {
  return new ByteWriter(64).raw(topicPrefix(topic)).u64(number).u16(index).finish();
}

/** Position of an outbox entry: its commit's position and four hex digits of its index. */
export function outboxPosition(key: Uint8Array): CommitPosition {
  return asBuffer(key).toString('hex', key.length - entryDigits / 2);
}

function positionBytes(position: CommitPosition): Buffer {
  const legal = position.length === positionDigits || position.length === entryDigits;
  if (!legal || !/^[0-9a-f]+$/.test(position)) {
    throw new CoreError('INVALID_ARGUMENT', `not a position: ${position.slice(0, 40)}`);
  }
  return Buffer.from(position, 'hex');
}

/** Entries of a topic after `after`; a commit's own position stands before its entries. */
export function outboxAfter(topic: string, after: CommitPosition | undefined): KeyRange {
  const prefix = topicPrefix(topic);
  const to = prefixEnd(prefix) as Buffer;
  if (after === undefined) return { from: prefix, to };
  return { from: Buffer.concat([prefix, positionBytes(after), Buffer.of(0)]), to };
}

/** Entries of a topic up to and including `through`. */
export function outboxThrough(topic: string, through: CommitPosition): KeyRange {
  const prefix = topicPrefix(topic);
  return { from: prefix, to: Buffer.concat([prefix, positionBytes(through), Buffer.of(0)]) };
}

// --- tokens: 'T', 0, token (16) → version 1, wall milliseconds (8 BE) --------------------------------

const tokenPrefix = Buffer.of(transactionSpace, 0);
const tokenVersion = 1;

/** The row that a transaction with `token` leaves: a retry that reads it has committed before. */
export function tokenKey(token: Uint8Array): Buffer {
  if (token.length !== tokenBytes) {
    throw new CoreError('INVALID_ARGUMENT', `token of ${token.length} bytes, ${tokenBytes} needed`);
  }
  return Buffer.concat([tokenPrefix, token]);
}

export function tokenRange(): KeyRange {
  return { from: tokenPrefix, to: prefixEnd(tokenPrefix) as Buffer };
}

export function tokenValue(wallMs: number): Buffer {
  return new ByteWriter(9)
    .u8(tokenVersion)
    .u64(Math.max(0, Math.floor(wallMs)))
    .finish();
}

export function tokenTimeMs(value: Uint8Array): number {
  if (value.length !== 9 || value[0] !== tokenVersion) {
    throw new CoreError('CORRUPT', 'a commit token row has an unknown form');
  }
  const row = asBuffer(value);
  return row.readUInt32BE(1) * 2 ** 32 + row.readUInt32BE(5);
}

// --- newest commit number of a store that restarts: 'T', 1 → commit number (8 BE) -------------------

export const newestCommitKey = Buffer.of(transactionSpace, 1);

export function newestCommitValue(number: number): Buffer {
  return new ByteWriter(8).u64(number).finish();
}

export function readNewestCommit(value: Uint8Array): number {
  if (value.length !== 8) throw new CoreError('CORRUPT', 'the newest commit number is not 8 bytes');
  const row = asBuffer(value);
  return row.readUInt32BE(0) * 2 ** 32 + row.readUInt32BE(4);
}
