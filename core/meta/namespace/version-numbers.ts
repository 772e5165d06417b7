// Numbers of versions: they count up per key with the time, so that the order of a key's versions is that of
// their writes, and no number is given twice by a process, so that the id of a removed version names no other.

/** Room for many versions in one millisecond; 2^53 lasts until the year 2248. */
const versionsPerMs = 1024;

export class VersionNumbers {
  private last = 0;

  /** A number above `newest`, whatever the wall clock does. */
  next(wallMs: number, newest: number): number {
    this.last = Math.max(this.last + 1, wallMs * versionsPerMs);
    return Math.max(this.last, newest + 1);
  }
}
