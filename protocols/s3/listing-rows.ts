// What the rows of listings are made of: values, names as the client asked for them, and for versions elements that
// neighbours share, made once a page. The rows of objects are in object-rows.ts.

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
export const encoderOf = ({ urlEncoding }: Pick<ListParameters, 'urlEncoding'>): Encode =>
  urlEncoding ? urlEncode : verbatim;

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

export function summary(object: ListedObject, elements: RowElements): string {
  const { etag, checksumAlgorithm, checksumType, lastModifiedMs, sizeBytes } = object;
  const checksum =
    checksumAlgorithm === undefined && checksumType === undefined
      ? ''
      : leafIf('ChecksumAlgorithm', checksumAlgorithm) + leafIf('ChecksumType', checksumType);
  return `${elements.lastModified(lastModifiedMs)}<ETag>&quot;${escapeXml(etag)}&quot;</ETag>${checksum}<Size>${sizeBytes}</Size>`;
}
