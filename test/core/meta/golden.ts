// Golden bytes by name in test/vectors/metadata. `UPDATE=1 npm test -- …` rewrites the file: a reviewer reads the
// difference, since every one is a change of the format.

import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';

const folder = new URL('../../../../test/vectors/metadata/', import.meta.url);

export function assertGolden(file: string, values: Readonly<Record<string, Buffer>>): void {
  const url = new URL(file, folder);
  const found = Object.fromEntries(
    Object.entries(values).map(([name, bytes]) => [name, bytes.toString('hex')]),
  );
  if (process.env['UPDATE'] === '1') writeFileSync(url, `${JSON.stringify(found, null, 1)}\n`);
  assert.deepEqual(found, JSON.parse(readFileSync(url, 'utf8')));
}
