import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../../../core/base/crc32c.ts';
import { isCoreError } from '../../../../core/base/errors.ts';
import { type OpenedObject, openContent } from '../../../../core/model/objects/content-reader.ts';
import { openObject } from '../../../../core/meta/calls.ts';

const unused = { rpc: undefined, blobs: undefined, lease: undefined } as never;
const bytes = Buffer.from('content');

function answered(payload: Buffer, release?: () => void): OpenedObject {
  const nothing = openObject.response.decode(new Uint8Array());
  const lengthBytes = bytes.length;
  const opened = { ...nothing, lengthBytes, inPayload: true, payloadCrc32c: crc32c(bytes) };
  return { opened, payload, release };
}

test('content that changed on its way from the store is an error: the frames have no checksum of it', () => {
  assert.equal(openObject.payloadProtected, true);
  const changed = Buffer.from(bytes);
  changed[3] = (changed[3] as number) ^ 1;
  for (const payload of [changed, bytes.subarray(1), Buffer.alloc(0)]) {
    assert.throws(
      () => openContent(unused, answered(payload)),
      (error) => isCoreError(error, 'CORRUPT'),
    );
  }
});

test('content of an answer is given back when the next piece is pulled, not before', async () => {
  let released = 0;
  const { chunks } = openContent(
    unused,
    answered(bytes, () => released++),
  );
  const pieces = chunks[Symbol.asyncIterator]();
  assert.deepEqual(await pieces.next(), { done: false, value: bytes });
  assert.equal(released, 0);
  assert.equal((await pieces.next()).done, true);
  assert.equal(released, 1);
});

test('cancelling content in the hands of a reader that pulls no more ends its reads', async () => {
  let [reading, holds] = [0, 0];
  const sources = {
    rpc: undefined,
    blobs: {
      async *read() {
        reading++;
        try {
          for (;;) yield bytes;
        } finally {
          reading--;
        }
      },
    },
    lease: { hold: () => ({ check: () => undefined, release: () => holds++ }) },
  } as never;
  const object = answered(bytes);
  const map = { extents: [{ blob: 1, layout: 0, offset: 0, length: 7 }], layouts: [{}] } as never;
  const opened = { ...object.opened, inPayload: false, map, mapBytes: 7 };
  const content = openContent(sources, { ...object, opened });
  assert.equal((await content.chunks[Symbol.asyncIterator]().next()).done, false);
  assert.equal(reading, 1);
  content.cancel();
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assert.equal(reading, 0);
  assert.ok(holds > 0);
});
