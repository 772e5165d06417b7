import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusText } from '../../../gateways/cli/status.ts';

test('the text of status names each target that does not serve, why, and what to do', () => {
  const target = { id: 101, store: 1, state: 'SERVING', reason: null, action: null };
  const text = statusText({
    processes: [
      {
        role: 'store-2',
        pid: null,
        state: 'BACKOFF',
        dir: '/d/stores/2',
        restarts: 3,
        reason: 'x',
      },
    ],
    chains: [
      {
        id: 1,
        version: 7,
        targets: [
          target,
          {
            id: 102,
            store: 2,
            state: 'OFFLINE',
            reason: 'store 2 does not answer for it',
            action: 'start store 2, or replace its disk',
          },
        ],
      },
    ],
    notes: ['metadata is on one disk'],
  });
  const lines = new Set(text.split('\n').map((line) => line.trim().replaceAll(/ +/g, ' ')));
  assert.ok(lines.has('store-2 - BACKOFF 3 /d/stores/2 x'), text);
  assert.ok(lines.has('1 v7 101 1 SERVING'), text);
  assert.ok(lines.has('1 v7 102 2 OFFLINE store 2 does not answer for it'), text);
  assert.ok(lines.has('chain 1, target 102: start store 2, or replace its disk'), text);
  assert.ok(lines.has('note: metadata is on one disk'), text);
});
