// What a journaled table writes into its Kv. A row is CRC32C (4 bytes) + value; the checksum covers key and
// value, since the Kv verifies nothing on a get. A summary per table (row count, sum of the rows'
// checksums) goes into every batch, so that a scan notices lost and outdated rows, which no get can.
// Layout: docs/internals/journal.md, "Journaled tables".

import { Buffer } from 'node:buffer';
import { asBuffer } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';

const crcBytes = 4;
const summaryBytes = 21;
const summaryVersion = 1;
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
}

export const emptySummary: TableSummary = { rows: 0, sum: 0 };

/** The summary after `row` replaced `before`; undefined stands for no row. */
export function changeSummary(
  { rows, sum }: TableSummary,
  before: Uint8Array | undefined,
  row: Uint8Array | undefined,
): TableSummary {
  return {
    rows: rows + Number(row !== undefined) - Number(before !== undefined),
    sum: (sum + sumModulus + storedCrc(row) - storedCrc(before)) % sumModulus,
  };
}

function storedCrc(row: Uint8Array | undefined): number {
  return row === undefined || row.length < crcBytes ? 0 : asBuffer(row).readUInt32BE(0);
}

export function encodeSummary(key: Uint8Array, { rows, sum }: TableSummary): Buffer {
  const value = Buffer.alloc(summaryBytes - crcBytes);
  value.writeUInt8(summaryVersion, 0);
  value.writeBigUInt64BE(BigInt(rows), 1);
  value.writeBigUInt64BE(BigInt(sum), 9);
  return encodeRow(key, value);
}

/** Undefined when it is damaged. */
export function decodeSummary(key: Uint8Array, row: Uint8Array): TableSummary | undefined {
  const value = row.length === summaryBytes ? decodeRow(key, row) : undefined;
  if (value === undefined || value.readUInt8(0) !== summaryVersion) return undefined;
  return { rows: Number(value.readBigUInt64BE(1)), sum: Number(value.readBigUInt64BE(9)) };
}
