// What a target's store shows, as the image that the simulation keeps of a disk: every row, and every byte of both of
// its contents.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { crc32c } from '../../../core/base/crc32c.ts';
import type { ChunkId } from '../../../core/base/ids.ts';
import { EngineTarget } from '../../../core/replica/engine-target.ts';
import type { TargetEnv } from '../../../core/replica/host.ts';
import { type ContentState, type ReplicaRow, chunkKey } from '../../../core/replica/types.ts';
import { DiskImage, type Stored } from '../../sim/cluster/target-disk.ts';
import { type Rig, target1 } from './engine-rig.ts';

/** A page of rows is no larger here, so that there are several. */
const pageRows = 3;

/** @param env whose callbacks come without time passing */
export async function imageOf(env: TargetEnv, identity = ''): Promise<DiskImage> {
  const image = new DiskImage(identity);
  let after: ChunkId | undefined;
  for (;;) {
    // oxlint-disable no-await-in-loop -- page after page
    const rows = await new Promise<readonly (readonly [ChunkId, ReplicaRow])[]>((resolve) => {
      env.rows(after, pageRows, resolve);
    });
    for (const [chunk, row] of rows) image.chunks.set(chunkKey(chunk), await read(env, chunk, row));
    // oxlint-enable no-await-in-loop
    after = rows.at(-1)?.[0];
    if (rows.length < pageRows) break;
  }
  for (const entry of env.tags()) image.tags.set(`${entry.session}/${entry.channel}`, entry);
  return image;
}

async function read(env: TargetEnv, chunk: ChunkId, row: ReplicaRow): Promise<Stored> {
  const { committed, pending } = row;
  const nothing = Buffer.alloc(0);
  return {
    chunk,
    row: {
      ...(committed === undefined ? {} : { committed }),
      ...(pending === undefined ? {} : { pending }),
    },
    committed: committed && {
      state: committed,
      bytes: await content(env, chunk, 'committed', committed),
    },
    pending: pending && {
      state: pending,
      bytes: pending.remove ? nothing : await content(env, chunk, 'pending', pending),
    },
  };
}

async function content(
  env: TargetEnv,
  chunk: ChunkId,
  which: 'committed' | 'pending',
  { length, crc32c: crc }: ContentState,
): Promise<Buffer> {
  const bytes = await new Promise<Uint8Array | undefined>((resolve) => {
    env.read(chunk, which, { offset: 0, length }, resolve);
  });
  const where = `${which} content of chunk ${chunkKey(chunk)}`;
  assert.ok(bytes !== undefined, `${where} can be read`);
  assert.equal(crc32c(bytes), crc, `${where} is what its row says`);
  return Buffer.from(bytes);
}

/** What the machine of the rig's target has of the chunk engine; it sends nothing, and must not fail. */
export function envOf(rig: Rig): TargetEnv {
  return new EngineTarget({
    store: rig.engine.target(target1),
    send: () => undefined,
    after: () => undefined,
    failed: (reason) => assert.fail(reason),
  }).env;
}
