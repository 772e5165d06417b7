// Checks a table file of LevelDB whole: every block against its CRC32C, and that the blocks tile the file,
// so that no damaged handle points at another sound block. LevelDB verifies none of this on the reads that
// our binding offers. Pure; format: docs/internals/corruption.md names what it relies on.

import { Buffer } from 'node:buffer';
import { crc32c } from '../../base/crc32c.ts';
import { unmasked } from './level-log.ts';
import { snappyDecode } from './snappy.ts';
import { readVarint } from './varint.ts';
import type { VarintCursor } from './varint.ts';

const footerBytes = 48;
/** Compression type and checksum behind each block. */
const trailerBytes = 5;
const magic = 0xdb4775248b80fb57n;
const snappyType = 1;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

class Damage extends Error {}

/** What is wrong with the table; undefined when all of it is sound. */
export function tableDamage(file: Buffer): string | undefined {
  try {
    check(file);
    return undefined;
  } catch (error) {
    // Lengths were checked where they are not covered by a checksum; whatever else throws is damage too.
    if (error instanceof Damage || error instanceof RangeError) return error.message;
    throw error;
  }
}

function check(file: Buffer): void {
  if (file.length < footerBytes) throw new Damage(`the file has only ${file.length} bytes`);
  const footer = file.subarray(file.length - footerBytes);
  if (footer.readBigUInt64LE(footerBytes - 8) !== magic)
    throw new Damage('the footer is not a table’s');
  const cursor = { bytes: footer.subarray(0, footerBytes - 8), at: 0 };
  const metaindex = handleAt(cursor);
  const index = handleAt(cursor);
  const data = valuesOf(block(file, index)).map((value) => handleAt({ bytes: value, at: 0 }));
  const filters = valuesOf(block(file, metaindex)).map((value) =>
    handleAt({ bytes: value, at: 0 }),
  );
  let end = 0;
  for (const handle of [...data, ...filters, metaindex, index]) {
    if (handle.offset !== end)
      throw new Damage(`a block is named at ${handle.offset}, not at ${end}`);
    verify(file, handle);
    end += handle.size + trailerBytes;
  }
  if (end !== file.length - footerBytes) throw new Damage(`its blocks end at ${end}`);
}

function handleAt(cursor: VarintCursor): Handle {
  const offset = readVarint(cursor);
  const size = readVarint(cursor);
  if (offset === undefined || size === undefined)
    throw new Damage('a block handle does not decode');
  return { offset, size };
}

/** The block's bytes as stored. */
function verify(file: Buffer, { offset, size }: Handle): Buffer {
  const end = offset + size;
  if (end + trailerBytes > file.length)
    throw new Damage(`the block at ${offset} reaches past the end`);
  if (crc32c(file.subarray(offset, end + 1)) !== unmasked(file.readUInt32LE(end + 1)))
    throw new Damage(`the block at ${offset} does not match its checksum`);
  return file.subarray(offset, end);
}

function block(file: Buffer, handle: Handle): Buffer {
  const stored = verify(file, handle);
  return file.readUInt8(handle.offset + handle.size) === snappyType ? snappyDecode(stored) : stored;
}

/** Values of a block's entries: shared, unshared and value length as varints, rest of the key, value. */
function valuesOf(bytes: Buffer): Buffer[] {
  const restarts = bytes.readUInt32LE(bytes.length - 4);
  const end = bytes.length - 4 * (restarts + 1);
  const cursor = { bytes, at: 0 };
  const values: Buffer[] = [];
  while (cursor.at < end) {
    const shared = readVarint(cursor);
    const unshared = readVarint(cursor);
    const length = readVarint(cursor);
    if (shared === undefined || unshared === undefined || length === undefined)
      throw new Damage('an index entry does not decode');
    const from = cursor.at + unshared;
    if (from + length > end) throw new Damage('an index entry reaches past its block');
    values.push(bytes.subarray(from, from + length));
    cursor.at = from + length;
  }
  return values;
}
