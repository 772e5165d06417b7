// Little-endian base-128 numbers as LevelDB and Snappy write them. Pure.

import type { Buffer } from 'node:buffer';

export interface VarintCursor {
  readonly bytes: Buffer;
  at: number;
}

/** 8 groups of 7 bits are more than a file can count. */
const groupsMax = 8;

/** The number at the cursor, which moves behind it; undefined when it is cut or above 2^53. */
export function readVarint(cursor: VarintCursor): number | undefined {
  let value = 0;
  let scale = 1;
  for (let group = 0; group < groupsMax && cursor.at < cursor.bytes.length; group++) {
    const byte = cursor.bytes.readUInt8(cursor.at++);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return Number.isSafeInteger(value) ? value : undefined;
    scale *= 128;
  }
  return undefined;
}
