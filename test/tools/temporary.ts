// Temporary directories that go when the test ends.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export function temporaryDirectory(test: Pick<TestContext, 'after'>): string {
  const path = mkdtempSync(join(tmpdir(), 'lampyr-test-'));
  test.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
