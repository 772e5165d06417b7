import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secretTable } from '../../../../core/env/node/secrets.ts';

test('a secret is found whole or not at all', () => {
  const lookUp = secretTable([
    [Buffer.from('alpha'), 1],
    [Buffer.from('beta'), 2],
  ]);
  assert.equal(lookUp(Buffer.from('alpha')), 1);
  assert.equal(lookUp(Buffer.from('beta')), 2);
  for (const wrong of ['', 'alph', 'alphaa', 'alphA', 'alpha\0'])
    assert.equal(lookUp(Buffer.from(wrong)), undefined, wrong);
  assert.equal(secretTable([])(Buffer.from('')), undefined);
});
