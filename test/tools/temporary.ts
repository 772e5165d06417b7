// Temporary directories that go when the test ends.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A test, or the hooks of a file: something that ends. */
export interface Scope {
  after(action: () => void): void;
}

export function temporaryDirectory(test: Scope): string {
  const path = mkdtempSync(join(tmpdir(), 'lampyr-test-'));
  test.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
