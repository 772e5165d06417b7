// That every deliberate bug can still be put into the sources; `npm run sim:bugs` says whether each is found.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { bugs } from './list.ts';
import { editsApply } from './trial.ts';

it(`${bugs.length} deliberate bugs have their one place in the sources`, () => {
  for (const { name, edits } of bugs)
    for (const edit of edits) assert.ok(editsApply(edit), `${name}: ${edit.file}: ${edit.from}`);
});
