// Groups: records that become durable together. A group collects what was appended while the previous one
// was being written; `encode` then lays it out from a fresh page on. Payload parts are borrowed from the
// caller until the group is durable: small records are copied into one buffer (one iovec instead of many),
// large parts are written as they are.

import { Buffer } from 'node:buffer';
import { crc32c, crc32cCombine } from '../base/crc32c.ts';
import type { CoreError } from '../base/errors.ts';
import { KiB } from '../base/limits.ts';
import { pageBytes, pageUp, recordHeaderBytes } from './journal-format.ts';
import { writeRecordCrc, writeRecordHeader } from './journal-format.ts';
import type { RecordPart } from './types.ts';

/** Copying up to here costs less than another entry in writev. */
const copyBytesMax = 32 * KiB;

export interface PendingRecord {
  readonly kind: number;
  readonly parts: readonly RecordPart[];
  readonly payloadBytes: number;
  readonly onDurable: (() => void) | undefined;
}

export function bytesOf(part: RecordPart): Uint8Array {
  return part instanceof Uint8Array ? part : part.bytes;
}

/** Records in number order with one promise for all of them. */
export class Group {
  readonly records: PendingRecord[] = [];
  readonly first: number;
  /** Somebody waits for one of its records. */
  urgent = false;
  /** On disk without the padding to the page. */
  bytes = 0;
  readonly durable: Promise<void>;
  resolve!: () => void;
  reject!: (error: CoreError) => void;

  constructor(first: number) {
    this.first = first;
    this.durable = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Callers may wait for some tickets only; an offline journal is also reported by itself.
    this.durable.catch(() => undefined);
  }

  add(record: PendingRecord): void {
    this.records.push(record);
    this.bytes += recordHeaderBytes + record.payloadBytes;
  }

  get last(): number {
    return this.first + this.records.length - 1;
  }
}

export interface GroupPlace {
  readonly salt: number;
  readonly generation: number;
  readonly group: number;
  /** Goes before the group on a page of its own: the group opens a segment. */
  readonly segmentHeader: Uint8Array | undefined;
}

export class GroupEncoder {
  private buffer = Buffer.allocUnsafe(256 * KiB);

  /** The bytes to write, a whole number of pages; valid until the next call. */
  encode(group: Group, place: GroupPlace): Uint8Array[] {
    const lead = place.segmentHeader === undefined ? 0 : pageBytes;
    this.reserve(lead + this.copiedBytes(group) + pageBytes);
    const out: Uint8Array[] = [];
    let at = 0;
    let flushed = 0;
    if (place.segmentHeader !== undefined) {
      this.buffer.fill(0, 0, pageBytes);
      this.buffer.set(place.segmentHeader);
      at = pageBytes;
    }
    const last = group.records.length - 1;
    for (const [index, record] of group.records.entries()) {
      const start = at;
      writeRecordHeader(this.buffer, start, {
        length: record.payloadBytes,
        kind: record.kind,
        lastOfGroup: index === last,
        generation: place.generation,
        number: group.first + index,
        group: place.group,
      });
      at += recordHeaderBytes;
      if (record.payloadBytes <= copyBytesMax) {
        at = this.copy(record.parts, at);
        writeRecordCrc(this.buffer, start, crc32c(this.buffer.subarray(start + 4, at), place.salt));
        continue;
      }
      let crc = crc32c(this.buffer.subarray(start + 4, at), place.salt);
      out.push(this.buffer.subarray(flushed, at));
      flushed = at;
      for (const part of record.parts) {
        const bytes = bytesOf(part);
        crc =
          part instanceof Uint8Array
            ? crc32c(bytes, crc)
            : crc32cCombine(crc, part.crc32c, bytes.length);
        out.push(bytes);
      }
      writeRecordCrc(this.buffer, start, crc);
    }
    const padding = pageUp(group.bytes) - group.bytes;
    this.buffer.fill(0, at, at + padding);
    if (at + padding > flushed) out.push(this.buffer.subarray(flushed, at + padding));
    return out;
  }

  private copiedBytes(group: Group): number {
    let bytes = 0;
    for (const { payloadBytes } of group.records)
      bytes += recordHeaderBytes + (payloadBytes <= copyBytesMax ? payloadBytes : 0);
    return bytes;
  }

  private reserve(bytes: number): void {
    if (bytes > this.buffer.length)
      this.buffer = Buffer.allocUnsafe(Math.max(bytes, 2 * this.buffer.length));
  }

  private copy(parts: readonly RecordPart[], from: number): number {
    let at = from;
    for (const part of parts) {
      const bytes = bytesOf(part);
      this.buffer.set(bytes, at);
      at += bytes.length;
    }
    return at;
  }
}
