import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type BlobId,
  chunkKeyBytes,
  id,
  readChunkKey,
  writeChunkKey,
} from '../../../core/base/ids.ts';

describe('ids', () => {
  test('a chunk key is blob (8 bytes BE) then index (4 BE), so that it sorts by blob and index', () => {
    const key = Buffer.alloc(chunkKeyBytes + 1);
    writeChunkKey(key, 1, { blob: id<BlobId>(2 ** 40 + 3), index: 258 });
    assert.equal(key.toString('hex'), '00000001000000000300000102');
    assert.deepEqual(readChunkKey(key, 1), { blob: 2 ** 40 + 3, index: 258 });
  });

  test('an id is a whole number below 2^53', () => {
    for (const wrong of [-1, 1.5, 2 ** 53, Number.NaN])
      assert.throws(() => id<BlobId>(wrong), /not an id/);
  });
});
