// What fsck finds, and what to do about it.

/** damage: something that was promised is missing or wrong. garbage: something is left over; the janitor or
 *  nobody removes it. */
export type Severity = 'damage' | 'garbage';

interface FindingRow {
  readonly severity: Severity;
  readonly action: string;
}

const restore = 'restore the object from another copy; lampyr keeps what is left of it';
const report =
  'a bug in Lampyr or damage to the metadata files: keep a copy of the data directory and report it';
const janitor = 'nothing: the janitor removes it while the service runs';

export const findingTable = {
  'unreadable-row': { severity: 'damage', action: report },
  'entry-without-directory': { severity: 'damage', action: report },
  'entry-without-inode': { severity: 'damage', action: restore },
  'entry-differs': { severity: 'damage', action: report },
  'inode-without-entry': { severity: 'garbage', action: report },
  'inode-without-content': { severity: 'damage', action: restore },
  'directory-without-existence': { severity: 'damage', action: report },
  'existence-without-directory': { severity: 'garbage', action: report },
  'content-without-reference': { severity: 'garbage', action: report },
  'content-with-gap': { severity: 'damage', action: restore },
  'content-without-blob': { severity: 'damage', action: restore },
  'reference-missing': {
    severity: 'damage',
    action: `${report}; do not run the janitor until then`,
  },
  'reference-dangling': { severity: 'garbage', action: report },
  'blob-without-reference': { severity: 'garbage', action: report },
  'chunk-missing': { severity: 'damage', action: restore },
  'chunk-short': { severity: 'damage', action: restore },
  'chunk-unknown': { severity: 'garbage', action: `${janitor}, after a quarantine of a day` },
  'upload-without-bucket': { severity: 'garbage', action: report },
  'part-without-upload': { severity: 'garbage', action: report },
  'bucket-row-differs': { severity: 'damage', action: report },
  'counter-behind': { severity: 'damage', action: `${report}; do not write until then` },
} as const satisfies Record<string, FindingRow>;

export type FindingKind = keyof typeof findingTable;

export interface Finding {
  readonly kind: FindingKind;
  /** The row or chunk, for people. */
  readonly subject: string;
  readonly detail: string;
}

export const severityOf = (finding: Finding): Severity => findingTable[finding.kind].severity;
export const actionOf = (finding: Finding): string => findingTable[finding.kind].action;
