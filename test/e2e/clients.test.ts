// Trees of real files through the clients that users have: small here, full size with `npm run e2e`.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Lampyr, startLampyr } from '../tools/lampyr.ts';
import { requireCommand } from '../tools/require.ts';
import { bigFileThroughAws } from './big-file.ts';
import { syncClients } from './sync-clients.ts';
import { type Tree, syncBothWays, temporaryTree } from './sync.ts';

const files = 150;

describe('clients', () => {
  let lampyr: Lampyr;
  let tree: Tree;
  before(async () => {
    lampyr = await startLampyr();
    tree = temporaryTree(files, 1024 * 1024);
  });
  after(async () => {
    tree.remove();
    assert.equal(await lampyr.stop(), 0);
  });

  for (const client of syncClients) {
    test(`${client.name} brings a tree in and back out`, async (t) => {
      if (client.command !== undefined && !requireCommand(t, client.command)) return;
      const result = await syncBothWays(lampyr, client, tree);
      assert.ok(result.files >= files, `${result.files} files`);
      assert.deepEqual(result.differences, []);
    });
  }

  test('a file of many parts through the AWS CLI', async (t) => {
    if (!requireCommand(t, 'aws')) return;
    const { sent, received } = await bigFileThroughAws(lampyr, 40);
    assert.equal(received, sent);
  });
});
