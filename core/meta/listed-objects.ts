// The objects of a listing's page, from their entries to the answer's bytes without being decoded: the summary of
// an entry is the middle of its ListedObject, field numbers included, so it is copied as it is. A page of a
// thousand objects costs a fraction of decoding and encoding them. Pure.

import { Buffer } from 'node:buffer';
import { asBuffer } from '../base/bytes.ts';
import { CoreError, isCoreError } from '../base/errors.ts';
import { bytesKey, findField, varintBytes, writeVarint } from '../base/wire.ts';
import type { FieldPlace } from '../base/wire.ts';
import { ListedObject } from './messages.ts';
import { EntryRow, decodeRow } from './rows.ts';

/** Of ListPage, ListedObject and EntryRow; a test compares the result with the messages themselves. */
const objectsField = 1;
const keyField = 16;
const summaryField = 3;
/** A summary without a storage class is of this one; when it has one, that comes later and counts. */
const standardClass = Buffer.from('\x22\x08STANDARD', 'latin1');
/** Version byte before a row's message. */
const rowHeaderBytes = 1;

export class ListedObjects {
  private buffer: Buffer;
  private length = 0;
  private readonly place: FieldPlace = { start: 0, end: 0 };

  /** @param bytes room to begin with */
  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafe(bytes);
  }

  /** Adds an object whose D row is `row`. @returns false when the entry carries no summary: nothing was added
   *  @throws CoreError CORRUPT, VERSION_UNSUPPORTED */
  addEntry(path: Uint8Array, name: Uint8Array, row: Uint8Array): boolean {
    if (row[0] !== 1) decodeRow(EntryRow, row);
    if (!this.findSummary(row)) return false;
    const { start, end } = this.place;
    const keyBytes = path.length + name.length;
    const bytes =
      varintBytes((keyField << 3) | 2) +
      varintBytes(keyBytes) +
      keyBytes +
      standardClass.length +
      (end - start);
    let at = this.begin(bytes);
    const { buffer } = this;
    at = writeVarint(buffer, at, (keyField << 3) | 2);
    at = writeVarint(buffer, at, keyBytes);
    at = copy(path, 0, path.length, buffer, at);
    at = copy(name, 0, name.length, buffer, at);
    at = copy(standardClass, 0, standardClass.length, buffer, at);
    this.length = copy(row, start, end, buffer, at);
    return true;
  }

  add(object: ListedObject): void {
    const encoded = ListedObject.encode(object);
    const at = this.begin(encoded.length);
    this.length = copy(encoded, 0, encoded.length, this.buffer, at);
  }

  private findSummary(row: Uint8Array): boolean {
    try {
      return findField(row, rowHeaderBytes, summaryField, this.place);
    } catch (error) {
      if (!isCoreError(error, 'PROTOCOL')) throw error;
      throw new CoreError('CORRUPT', `an entry row: ${error.message}`, { cause: error });
    }
  }

  /** Key and length of an object of `bytes`; room for it. */
  private begin(bytes: number): number {
    const need = this.length + 1 + varintBytes(bytes) + bytes;
    if (need > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(need, 2 * this.buffer.length));
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    this.buffer[this.length] = bytesKey(objectsField);
    return writeVarint(this.buffer, this.length + 1, bytes);
  }

  /** The objects as fields of a ListPage, to be followed by its other fields. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}

/** Below, a loop costs less than a call out of JavaScript. */
const loopBytesMax = 64;

function copy(from: Uint8Array, start: number, end: number, into: Buffer, at: number): number {
  const bytes = end - start;
  if (bytes > loopBytesMax) asBuffer(from).copy(into, at, start, end);
  else for (let i = 0; i < bytes; i++) into[at + i] = from[start + i] as number;
  return at + bytes;
}
