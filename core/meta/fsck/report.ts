// Collects findings: counts all of them, keeps a bounded number of each severity, and so one report always
// fits an answer. Findings of other parts (chunk store, tables) go into the same report.

import { limits } from '../../base/limits.ts';
import type { Finding, FindingSeverity } from './finding.ts';

export type SeverityCounts = Readonly<Record<FindingSeverity, number>>;

export class FsckReport {
  private readonly kept: Record<FindingSeverity, Finding[]> = { error: [], garbage: [], note: [] };
  private readonly found: Record<FindingSeverity, number> = { error: 0, garbage: 0, note: 0 };
  /** What was looked at: rows, contents, blobs, chunks. */
  readonly counts: Record<string, number> = {};

  count(name: string, more: number): void {
    this.counts[name] = (this.counts[name] ?? 0) + more;
  }

  /** False when the finding would only be counted: its text need not be made. */
  keeps(severity: FindingSeverity): boolean {
    return this.kept[severity].length < limits.fsckFindingsMax;
  }

  add(finding: Finding): void {
    this.found[finding.severity]++;
    if (!this.keeps(finding.severity)) return;
    const { where, detail } = finding;
    this.kept[finding.severity].push({
      ...finding,
      where: clipped(where),
      detail: clipped(detail),
    });
  }

  addUnkept(severity: FindingSeverity, count = 1): void {
    this.found[severity] += count;
  }

  /** Errors first. */
  get findings(): readonly Finding[] {
    return [...this.kept.error, ...this.kept.garbage, ...this.kept.note];
  }

  /** All that were found, kept or not. */
  get totals(): SeverityCounts {
    return { ...this.found };
  }

  /** Nothing that was promised is missing or wrong. */
  get clean(): boolean {
    return this.found.error === 0;
  }
}

const textMax = 300;

function clipped(text: string): string {
  return text.length <= textMax ? text : `${text.slice(0, textMax)}…`;
}
