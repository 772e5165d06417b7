// The rows of a listing of objects, written as bytes: a page has a thousand of them, and as strings their joining and
// encoding took longer than everything else of the answer. Most of a row repeats the one before it, so what
// neighbours share is encoded once and copied. Pure; owns its buffer until `finish`.

import { Buffer } from 'node:buffer';
import { isoSeconds } from './http-date.ts';
import { type ListedObject, type Owner, owner, text } from './listing-rows.ts';
import { urlEncode } from './listing.ts';
import { escapeXml, leaf, leafIf } from './xml-writer.ts';

/** Which ASCII bytes match. */
function asciiTable(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) =>
    Number(pattern.test(String.fromCharCode(code))),
  );
}

/** Bytes that stand for themselves in XML text, and those that do in an encoded name as well. */
const plainXml = asciiTable(/[ !#-%'-;=?-\x7f]/);
const plainName = asciiTable(/[A-Za-z0-9\-_.~/]/);

const nothing = Buffer.alloc(0);
const rowStart = Buffer.from('<Contents><Key>');
/** Of a number below 2^53. */
const digitsMax = 16;
/** Of a character of a string in UTF-8. */
const utf8Max = 3;

export class ObjectRows {
  private buffer: Buffer;
  private length = 0;
  private readonly urlEncoding: boolean;
  private readonly withOwner: boolean;

  // What the last row was made of, each with the encoded part that follows from it.
  private second = -1;
  private modified: Buffer = nothing;
  private algorithm: string | undefined;
  private checksumType: string | undefined;
  private checksum: Buffer = checksumPart(undefined, undefined);
  private who: Owner | undefined;
  private storageClass: string | undefined;
  private rowEnd: Buffer = nothing;

  /** @param bytes room to begin with */
  constructor(bytes: number, options: { readonly urlEncoding: boolean; readonly owner: boolean }) {
    this.buffer = Buffer.allocUnsafe(bytes);
    this.urlEncoding = options.urlEncoding;
    this.withOwner = options.owner;
  }

  /** XML between or around the rows. */
  xml(content: string): this {
    this.room(content.length * utf8Max);
    this.length += this.buffer.write(content, this.length, 'utf8');
    return this;
  }

  row(object: ListedObject): void {
    this.prepare(object);
    const { key, etag } = object;
    this.room(this.partsBytes + key.length + etag.length);
    this.part(rowStart);
    this.key(key);
    this.part(this.modified);
    this.text(etag);
    this.part(this.checksum);
    this.number(object.sizeBytes);
    this.part(this.rowEnd);
  }

  /** The document; no more may be added. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  private prepare(object: ListedObject): void {
    const { checksumAlgorithm, checksumType, lastModifiedMs, storageClass } = object;
    const second = Math.floor(lastModifiedMs / 1000);
    if (second !== this.second) {
      this.second = second;
      this.modified = modifiedPart(lastModifiedMs);
    }
    if (checksumAlgorithm !== this.algorithm || checksumType !== this.checksumType) {
      this.algorithm = checksumAlgorithm;
      this.checksumType = checksumType;
      this.checksum = checksumPart(checksumAlgorithm, checksumType);
    }
    const who = this.withOwner ? object.owner : undefined;
    if (storageClass !== this.storageClass || who !== this.who) {
      this.storageClass = storageClass;
      this.who = who;
      this.rowEnd = endPart(who, storageClass);
    }
  }

  /** What a row takes at most beside key and ETag. */
  private get partsBytes(): number {
    const { modified, checksum, rowEnd } = this;
    return rowStart.length + modified.length + checksum.length + rowEnd.length + digitsMax;
  }

  private room(bytes: number): void {
    const need = this.length + bytes;
    if (need <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(need, 2 * this.buffer.length));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  private part(bytes: Buffer): void {
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  private key(key: Uint8Array): void {
    const { buffer, length } = this;
    const plain = this.urlEncoding ? plainName : plainXml;
    for (let at = 0; at < key.length; at++) {
      const byte = key[at] as number;
      if (plain[byte] !== 1)
        return this.escaped(this.urlEncoding ? urlEncode(text(key)) : text(key));
      buffer[length + at] = byte;
    }
    this.length = length + key.length;
  }

  private text(content: string): void {
    // An escaped key may have taken the room.
    this.room(content.length + this.partsBytes);
    const { buffer, length } = this;
    for (let at = 0; at < content.length; at++) {
      const code = content.charCodeAt(at);
      if (plainXml[code] !== 1) return this.escaped(content);
      buffer[length + at] = code;
    }
    this.length = length + content.length;
  }

  /** Text of any characters, and still room for the rest of the row. */
  private escaped(content: string): void {
    const xml = escapeXml(content);
    this.room(xml.length * utf8Max + this.partsBytes);
    this.length += this.buffer.write(xml, this.length, 'utf8');
  }

  private number(value: number): void {
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const next = Math.floor(rest / 10);
      this.buffer[at] = 0x30 + (rest - next * 10);
      rest = next;
    }
    this.length += digits;
  }
}

function modifiedPart(ms: number): Buffer {
  return Buffer.from(`</Key>${leaf('LastModified', isoSeconds(ms))}<ETag>&quot;`);
}

function checksumPart(algorithm: string | undefined, type: string | undefined): Buffer {
  const elements = leafIf('ChecksumAlgorithm', algorithm) + leafIf('ChecksumType', type);
  return Buffer.from(`&quot;</ETag>${elements}<Size>`);
}

function endPart(who: Owner | undefined, storageClass: string): Buffer {
  const shown = who === undefined ? '' : owner(who);
  return Buffer.from(`</Size>${shown}${leaf('StorageClass', storageClass)}</Contents>`);
}
