// The payload of a journal record of kind meta: one committed transaction with absolute values. Pure.
// Layout: docs/internals/metadata-store.md. Outbox entries and tokens are rows and stand among the mutations.

import { Buffer } from 'node:buffer';
import { assert } from '../../base/assert.ts';
import { ByteReader, asBuffer } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { KvMutation } from '../../env/kv.ts';

const recordVersion = 1;
const headerBytes = 1 + 8 + 2;
const kindDelete = 0;
const kindSet = 1;

export interface CommitRecord {
  readonly number: number;
  readonly mutations: readonly KvMutation[];
}

/** Values from here on are parts of their own: the journal copies them once, nobody does before. */
const ownPartBytesMin = 512;

/** The record in parts; large values are the caller's own. */
export function encodeCommitRecord(number: number, mutations: readonly KvMutation[]): Uint8Array[] {
  assert(Number.isSafeInteger(number) && number > 0, `commit number ${number}`);
  let size = headerBytes;
  for (const { key, value } of mutations)
    size += 3 + key.length + (value === undefined ? 0 : 4 + copiedBytes(value));
  const record = Buffer.allocUnsafe(size);
  record[0] = recordVersion;
  record.writeUInt32BE(Math.floor(number / 2 ** 32), 1);
  record.writeUInt32BE(number % 2 ** 32, 5);
  let at = record.writeUInt16BE(mutations.length, 9);
  let cut = 0;
  const parts: Uint8Array[] = [];
  for (const { key, value } of mutations) {
    record[at] = value === undefined ? kindDelete : kindSet;
    at = record.writeUInt16BE(key.length, at + 1);
    record.set(key, at);
    at += key.length;
    if (value === undefined) continue;
    at = record.writeUInt32BE(value.length, at);
    if (copiedBytes(value) > 0) {
      record.set(value, at);
      at += value.length;
    } else if (value.length > 0) {
      parts.push(record.subarray(cut, at), value);
      cut = at;
    }
  }
  assert(at === size, 'a commit record has the size that was computed');
  if (cut < size) parts.push(record.subarray(cut));
  return parts;
}

function copiedBytes(value: Uint8Array): number {
  return value.length < ownPartBytesMin ? value.length : 0;
}

/** Keys and values are views of `payload`. @throws CoreError VERSION_UNSUPPORTED, CORRUPT */
export function decodeCommitRecord(payload: Uint8Array): CommitRecord {
  const reader = new ByteReader(payload);
  try {
    const version = reader.u8();
    if (version !== recordVersion) {
      throw new CoreError(
        'VERSION_UNSUPPORTED',
        `a metadata record has version ${version}; this build reads version ${recordVersion}`,
      );
    }
    const number = reader.u64();
    const mutations = Array.from({ length: reader.u16() }, () => decodeMutation(reader));
    reader.end();
    return { number, mutations };
  } catch (error) {
    if (!(error instanceof CoreError) || error.errorName !== 'PROTOCOL') throw error;
    throw new CoreError('CORRUPT', `a metadata record is malformed: ${error.message}`, {
      cause: error,
    });
  }
}

function decodeMutation(reader: ByteReader): KvMutation {
  const kind = reader.u8();
  const key = asBuffer(reader.raw(reader.u16()));
  if (kind === kindDelete) return { key, value: undefined };
  if (kind !== kindSet) throw new CoreError('PROTOCOL', `mutation of kind ${kind}`);
  return { key, value: reader.block(limits.metaValueBytesMax) };
}
