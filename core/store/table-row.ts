// What a journaled table writes into its Kv. A row is CRC32C (4 bytes) + value; the checksum covers key and
// value, since the Kv verifies nothing on a get. A summary per table (row count, sum of the rows'
// checksums, the journal record up to which the Kv is complete) goes into every batch, so that a scan
// notices lost and outdated rows, which no get can, and an open notices that the newest batches are gone.
// Layout: docs/internals/journal.md, "Journaled tables".

import { Buffer } from 'node:buffer';
import { asBuffer } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';

const crcBytes = 4;
const summaryBytes = 29;
const summaryVersion = 2;
/** Without the record number. */
const oldSummaryBytes = 21;
const oldSummaryVersion = 1;
const sumModulus = 2 ** 48;

/** The key in the Kv of a row whose key is `text`, one character a byte. */
export function kvKey(prefix: Buffer, text: string): Buffer {
  const key = Buffer.allocUnsafe(prefix.length + text.length);
  prefix.copy(key);
  key.write(text, prefix.length, 'latin1');
  return key;
}

/** The key's length as the seed keeps a byte from moving between key and value. */
function rowCrc(key: Uint8Array, value: Uint8Array): number {
  return crc32c(value, crc32c(key, key.length));
}

export function encodeRow(key: Uint8Array, value: Uint8Array): Buffer {
  const row = Buffer.allocUnsafe(crcBytes + value.length);
  row.writeUInt32BE(rowCrc(key, value), 0);
  row.set(value, crcBytes);
  return row;
}

/** The value, a view of the row; undefined when the checksum differs. */
export function decodeRow(key: Uint8Array, row: Uint8Array): Buffer | undefined {
  if (row.length < crcBytes) return undefined;
  const buffer = asBuffer(row);
  const value = buffer.subarray(crcBytes);
  return buffer.readUInt32BE(0) === rowCrc(key, value) ? value : undefined;
}

/** Row count and the sum of the rows' stored checksums modulo 2^48. */
export interface TableSummary {
  readonly rows: number;
  readonly sum: number;
  /** The Kv holds the results of every journal record up to this one; undefined in a summary of version 1. */
  readonly through: number | undefined;
}

export const emptySummary: TableSummary = { rows: 0, sum: 0, through: 0 };

/** The summary after `row` replaced `before`; undefined stands for no row. */
export function changeSummary(
  { rows, sum, through }: TableSummary,
  before: Uint8Array | undefined,
  row: Uint8Array | undefined,
): TableSummary {
  return {
    rows: rows + Number(row !== undefined) - Number(before !== undefined),
    sum: (sum + sumModulus + storedCrc(row) - storedCrc(before)) % sumModulus,
    through,
  };
}

function storedCrc(row: Uint8Array | undefined): number {
  return row === undefined || row.length < crcBytes ? 0 : asBuffer(row).readUInt32BE(0);
}

export function encodeSummary(key: Uint8Array, { rows, sum, through }: TableSummary): Buffer {
  const known = through !== undefined;
  const value = Buffer.alloc((known ? summaryBytes : oldSummaryBytes) - crcBytes);
  value.writeUInt8(known ? summaryVersion : oldSummaryVersion, 0);
  value.writeBigUInt64BE(BigInt(rows), 1);
  value.writeBigUInt64BE(BigInt(sum), 9);
  if (known) value.writeBigUInt64BE(BigInt(through), 17);
  return encodeRow(key, value);
}

/** Undefined when it is damaged. */
export function decodeSummary(key: Uint8Array, row: Uint8Array): TableSummary | undefined {
  const known = row.length === summaryBytes;
  const value = known || row.length === oldSummaryBytes ? decodeRow(key, row) : undefined;
  if (value === undefined) return undefined;
  if (value.readUInt8(0) !== (known ? summaryVersion : oldSummaryVersion)) return undefined;
  const rows = Number(value.readBigUInt64BE(1));
  const sum = Number(value.readBigUInt64BE(9));
  const through = known ? Number(value.readBigUInt64BE(17)) : undefined;
  // Nobody counts that far: above 2^53 numbers are not exact.
  if (![rows, sum, through ?? 0].every(Number.isSafeInteger)) return undefined;
  return { rows, sum, through };
}
