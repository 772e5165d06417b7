// What fsck of the metadata can find, how bad each is, and what to do about it. Pages for operators:
// docs/operations/fsck.md; a kind is never renamed, since people look it up.

import type { BlobId, ContentId, InodeId } from '../../base/ids.ts';

/** error: something that was promised is missing or wrong. garbage: space that nobody uses. note: worth knowing. */
export type FindingSeverity = 'error' | 'garbage' | 'note';

interface KindRow {
  readonly severity: FindingSeverity;
  readonly action: string;
}

const restore = 'restore the object from another copy, or delete it';
const report = 'damage to the metadata, or a bug: keep a copy of the data directory and report it';
const janitor = 'nothing: it is removed while the system runs';
const leak = 'nothing is lost: it only takes space; report it';

const error = (action: string): KindRow => ({ severity: 'error', action });
const garbage = (action: string): KindRow => ({ severity: 'garbage', action });

export const findingTable = {
  'row-unreadable': error(report),
  'rows-unchecked': error(
    'repair or restore the metadata first: rows behind damaged ones were not checked',
  ),
  // Names.
  'entry-without-directory': error(report),
  'entry-without-inode': error(restore),
  'entry-differs': error(report),
  'versions-differ': error(report),
  'inode-without-entry': error(report),
  'directory-unreachable': error(report),
  'existence-missing': error(report),
  'existence-superfluous': garbage(leak),
  'bucket-owner-differs': error(report),
  'setting-without-bucket': garbage(leak),
  // Content.
  'content-missing': error(restore),
  'content-incomplete': error(restore),
  'parts-differ': error(restore),
  'blob-missing': error(restore),
  'reference-missing': error(
    `${report}; stop the system until then, its janitor may remove content in use`,
  ),
  'reference-dangling': error(report),
  'reference-without-owner': garbage(leak),
  'content-without-owner': garbage(leak),
  'blob-without-owner': garbage(leak),
  // Chunks.
  'chunk-missing': error(restore),
  'chunk-short': error(restore),
  'chunk-beyond-blob': garbage(leak),
  'chunk-unknown': garbage(janitor),
  // Uploads and queues.
  'upload-without-bucket': garbage(leak),
  'upload-stuck': garbage('complete or abort the upload'),
  'answer-kept': garbage(leak),
  'part-without-upload': garbage(leak),
  'part-differs': error('abort the upload and send it again'),
  'garbage-in-use': error(
    `${report}; stop the system until then, its janitor would remove content in use`,
  ),
  'garbage-nowhere': garbage(janitor),
  'counter-behind': error(`${report}; do not write until then, numbers would be given twice`),
  undecided: {
    severity: 'note',
    action: 'run fsck again, when less is written or with the system stopped',
  },
} as const satisfies Record<string, KindRow>;

export type FindingKind = keyof typeof findingTable;

/** What a finding is about; resolved to a bucket and a key where there is one (names.ts). */
export type Subject =
  | { readonly kind: 'entry'; readonly parent: InodeId; readonly name: Uint8Array }
  | { readonly kind: 'inode'; readonly inode: InodeId }
  | { readonly kind: 'content'; readonly content: ContentId }
  | { readonly kind: 'blob'; readonly blob: BlobId }
  | { readonly kind: 'upload'; readonly upload: number }
  | { readonly kind: 'row'; readonly key: Uint8Array }
  | { readonly kind: 'text'; readonly text: string };

export interface Found {
  readonly kind: FindingKind;
  readonly subject: Subject;
  readonly detail: string;
}

/** A finding for people. */
export interface Finding {
  readonly severity: FindingSeverity;
  readonly kind: string;
  /** Bucket and key where they can be told, else the row. */
  readonly where: string;
  readonly detail: string;
  readonly action: string;
}

/** Findings about one subject, collected while it is looked at. */
export class FoundList {
  readonly list: Found[] = [];
  private readonly subject: Subject;

  constructor(subject: Subject) {
    this.subject = subject;
  }

  add(kind: FindingKind, detail: string): void {
    this.list.push({ kind, subject: this.subject, detail });
  }

  unless(holds: boolean, kind: FindingKind, detail: string): void {
    if (!holds) this.add(kind, detail);
  }
}
