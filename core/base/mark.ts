// Coverage marks: a named counter in a line of code that a test must be able to reach. A model test reads
// them at its end and fails when a path that it claims to exercise was never taken. Nothing else may depend
// on them: they are process-wide, and in production only numbers that nobody reads.

const counts = new Map<string, number>();

export function mark(name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** How often each mark was passed since the start of the process or `resetMarks`. */
export function marks(): ReadonlyMap<string, number> {
  return counts;
}

export function resetMarks(): void {
  counts.clear();
}
