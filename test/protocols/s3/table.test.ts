// docs/protocols/s3.md says what the code registers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { s3Table, tablePath } from '../../tools/s3-table.ts';

test('docs/protocols/s3.md is up to date (npm run conformance:table writes it)', () => {
  assert.equal(readFileSync(tablePath, 'utf8'), s3Table());
});
