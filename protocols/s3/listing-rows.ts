// Rows of the listings of objects and versions. A page has a thousand of them, so that here one template makes a
// row, and what neighbours share is made once.

import { asBuffer } from '../../core/base/bytes.ts';
import { type ChecksumAlgorithm, type ChecksumType } from './checksums.ts';
import { isoSeconds } from './http-date.ts';
import { type ListParameters, urlEncode } from './listing.ts';
import { element, escapeXml, leaf, leafIf } from './xml-writer.ts';

export interface Owner {
  readonly id: string;
  readonly displayName: string;
}

export interface ListedObject {
  readonly key: Uint8Array;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly storageClass: string;
  readonly owner: Owner;
  readonly checksumAlgorithm?: ChecksumAlgorithm;
  readonly checksumType?: ChecksumType;
}

export interface ListedVersion extends ListedObject {
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly deleteMarker: boolean;
}

export type Encode = (name: string) => string;
const verbatim: Encode = (name) => name;
export const encoderOf = (parameters: ListParameters): Encode =>
  parameters.urlEncoding ? urlEncode : verbatim;

export function text(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('utf8');
}

export function owner(who: Owner, name = 'Owner'): string {
  return element(name, leaf('ID', who.id) + leaf('DisplayName', who.displayName));
}

/** Elements that a row mostly shares with the one before it are made once: a page is a thousand rows. */
export class RowElements {
  private second = -1;
  private modified = '';
  private shownOwner: Owner | undefined;
  private ownerElement = '';
  private shownClass: string | undefined;
  private classElement = '';

  lastModified(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.second) {
      this.second = second;
      this.modified = leaf('LastModified', isoSeconds(ms));
    }
    return this.modified;
  }

  owner(who: Owner): string {
    if (who !== this.shownOwner) {
      this.shownOwner = who;
      this.ownerElement = owner(who);
    }
    return this.ownerElement;
  }

  storageClass(name: string): string {
    if (name !== this.shownClass) {
      this.shownClass = name;
      this.classElement = leaf('StorageClass', name);
    }
    return this.classElement;
  }
}

export function contents(
  objects: readonly ListedObject[],
  encode: Encode,
  withOwner: boolean,
): string {
  const elements = new RowElements();
  let out = '';
  for (const object of objects) {
    const who = withOwner ? elements.owner(object.owner) : '';
    const key = escapeXml(encode(text(object.key)));
    out += `<Contents><Key>${key}</Key>${summary(object, elements)}${who}${elements.storageClass(object.storageClass)}</Contents>`;
  }
  return out;
}

export function summary(object: ListedObject, elements: RowElements): string {
  const { etag, checksumAlgorithm, checksumType, lastModifiedMs, sizeBytes } = object;
  const checksum =
    checksumAlgorithm === undefined && checksumType === undefined
      ? ''
      : leafIf('ChecksumAlgorithm', checksumAlgorithm) + leafIf('ChecksumType', checksumType);
  return `${elements.lastModified(lastModifiedMs)}<ETag>&quot;${escapeXml(etag)}&quot;</ETag>${checksum}<Size>${sizeBytes}</Size>`;
}
