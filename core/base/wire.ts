// The protobuf wire format below core/base/message.ts: finding and copying fields of encoded messages without
// decoding them. For messages that pass through by the thousand; everything else uses message.ts. Pure.

import { CoreError } from './errors.ts';

/** A field's bytes, [start, end) of the message that was searched. */
export interface FieldPlace {
  start: number;
  end: number;
}

const wireVarint = 0;
const wire64 = 1;
const wireBytes = 2;
const wire32 = 5;

/** Key of a length-delimited field whose number is below 16: one byte. */
export const bytesKey = (field: number): number => (field << 3) | wireBytes;

/** Places the length-delimited field `field` of the message that begins at `from`. Of several, the first.
 *  @returns whether there is one. @throws CoreError PROTOCOL on malformed bytes */
export function findField(
  message: Uint8Array,
  from: number,
  field: number,
  place: FieldPlace,
): boolean {
  for (let at = from; at < message.length;) {
    const key = readVarint(message, at, place);
    at = place.end;
    const wire = key & 7;
    if (wire === wireBytes) {
      const length = readVarint(message, at, place);
      place.start = place.end;
      place.end += length;
      if (place.end > message.length) throw malformed();
      if (key >>> 3 === field) return true;
      at = place.end;
    } else if (wire === wireVarint) {
      while ((byteAt(message, at) & 0x80) !== 0) at++;
      at++;
    } else if (wire === wire64) at += 8;
    else if (wire === wire32) at += 4;
    else throw malformed();
  }
  return false;
}

/** A varint below 2^32; `place.end` is behind it. */
function readVarint(message: Uint8Array, from: number, place: FieldPlace): number {
  let value = 0;
  for (let at = from, shift = 0; shift < 35; at++, shift += 7) {
    const byte = byteAt(message, at);
    value += (byte & 0x7f) * 2 ** shift;
    if (byte >= 0x80) continue;
    place.end = at + 1;
    if (value >= 2 ** 32) break;
    return value;
  }
  throw malformed();
}

function byteAt(message: Uint8Array, at: number): number {
  const byte = message[at];
  if (byte === undefined) throw malformed();
  return byte;
}

function malformed(): CoreError {
  return new CoreError('PROTOCOL', 'malformed message');
}

/** Bytes of a length or key as a varint, up to 2^28. */
export function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4;
}

/** Writes a length or key, up to 2^28; answers where it ends. */
export function writeVarint(into: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  for (; rest >= 0x80; rest >>>= 7) into[next++] = (rest & 0x7f) | 0x80;
  into[next++] = rest;
  return next;
}
